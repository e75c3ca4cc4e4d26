"""The roofline picture: what the machine allows, and where carat and llama.cpp stand below it."""
import math

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 46, 56
COLORS = dict(bf16="#3b7dd8", q8_0="#d9822b", q4_0="#2f9e62")
GREY = "#808080"


def points(result, threads):
    """(weights, what, multiply-adds a byte, carat's G multiply-adds a second, the peer's or None)."""
    for run in result["speed"]:
        if run["threads"] != threads or run["arithmetic"] != "fast":
            continue
        words = run["step"].split()
        if words[0] == "tg" and len(words) > 2 and words[2] != "0":
            continue
        model = result["model"][run["format"]]
        if words[0] == "tg":
            macs, size, what = model["token_macs"], model["token_bytes"], "decode"
        else:
            n = int(words[1])
            macs = model["prompt_macs"] + (model["token_macs"] - model["prompt_macs"]) / n
            size, what = model["token_bytes"] / n, f"prompt {n}"
        yield (run["format"], what, macs / size, run["carat"] * macs / 1e9,
               run["peer"] * macs / 1e9 if run.get("peer") else None)


def svg(result):
    threads = max(run["threads"] for run in result["speed"])
    limits = result["limits"][str(threads)]
    marks = list(points(result, threads))
    x0, x1 = 2.0 ** -2, 2.0 ** max(12, math.ceil(math.log2(max(m[2] for m in marks) * 1.5)))
    lowest = min(min(m[3], m[4] or m[3]) for m in marks)
    y0, y1 = 10.0 ** math.floor(math.log10(lowest)), 10.0 ** math.ceil(math.log10(max(limits[k] for k in ("bf16", "int8"))))

    def x(v):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(v / x0) / math.log(x1 / x0)

    def y(v):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(v / y0) / math.log(y1 / y0)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12" fill="{GREY}" stroke-linecap="round">']

    def text(px, py, words, anchor="start", more=""):
        out.append(f'<text x="{px:.1f}" y="{py:.1f}" text-anchor="{anchor}" {more}>{words}</text>')

    def line(a, b, more):
        out.append(f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" {more}/>')

    text(LEFT, 22, f"{result['model_name']}, {threads} thread{'s' * (threads > 1)}, {result['machine']['cpu']}",
         more='font-size="14" font-weight="bold"')
    # axes
    v = y0
    while v <= y1 * 1.001:
        line((LEFT, y(v)), (WIDTH - RIGHT, y(v)), f'stroke="{GREY}" stroke-opacity="0.25"')
        text(LEFT - 8, y(v) + 4, f"{v:g}", "end")
        v *= 10
    e = math.log2(x0)
    while 2 ** e <= x1:
        line((x(2 ** e), TOP), (x(2 ** e), HEIGHT - BOTTOM), f'stroke="{GREY}" stroke-opacity="0.25"')
        text(x(2 ** e), HEIGHT - BOTTOM + 18, f"{2 ** e:g}" if e >= 0 else f"1/{2 ** -e:g}", "middle")
        e += 2
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "multiply-adds a byte of weights read", "middle")
    text(0, 0, "G multiply-adds a second", "middle",
         f'transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)"')
    # limits
    read = limits["read"]
    for name in ("f32", "bf16", "int8"):
        peak = limits[name]
        line((x(peak / read), y(peak)), (WIDTH - RIGHT, y(peak)), f'stroke="{GREY}" stroke-width="1.5"')
        text(WIDTH - RIGHT - 4, y(peak) - 5, f"{name} {peak:.0f}", "end")
    top = max(limits[k] for k in ("f32", "bf16", "int8"))
    low = max(x0, y0 / read)
    line((x(low), y(low * read)), (x(top / read), y(top)), f'stroke="{GREY}" stroke-width="1.5"')
    slope = math.degrees(math.atan2(y(read) - y(2 * read), x(2) - x(1)))
    text(0, 0, f"memory {read:.0f} GB/s", "middle",
         f'transform="translate({x(1.6) - 6:.1f} {y(1.6 * read) - 8:.1f}) rotate({-slope:.1f})"')
    # carat filled, llama.cpp hollow, a thin line between
    for kind, what, intensity, own, peer in marks:
        at, color = x(intensity), COLORS[kind]
        if peer:
            line((at, y(peer) - 5), (at, y(own)), f'stroke="{color}" stroke-opacity="0.5"')
            out.append(f'<circle cx="{at:.1f}" cy="{y(peer):.1f}" r="4.5" fill="none" stroke="{color}" stroke-width="1.8"/>')
        out.append(f'<circle cx="{at:.1f}" cy="{y(own):.1f}" r="5.5" fill="{color}"><title>{kind} {what}</title></circle>')
    for what in dict.fromkeys(m[1] for m in marks):
        group = [m for m in marks if m[1] == what]
        lowest = max(y(min(m[3], m[4] or m[3])) for m in group)
        text(sum(x(m[2]) for m in group) / len(group), lowest + 22, what, "middle")
    # legend
    at = LEFT + 14
    for kind in (k for k in COLORS if any(m[0] == k for m in marks)):
        out.append(f'<circle cx="{at}" cy="{TOP + 16}" r="5.5" fill="{COLORS[kind]}"/>')
        text(at + 11, TOP + 20, kind)
        at += 62
    at = LEFT + 14
    out.append(f'<circle cx="{at}" cy="{TOP + 38}" r="5.5" fill="{GREY}"/>')
    text(at + 11, TOP + 42, "carat")
    if any(m[4] for m in marks):
        out.append(f'<circle cx="{at + 62}" cy="{TOP + 38}" r="4.5" fill="none" stroke="{GREY}" stroke-width="1.8"/>')
        text(at + 73, TOP + 42, "llama.cpp")
    return "\n".join([*out, "</svg>", ""])
