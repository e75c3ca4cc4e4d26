"""Tables of what compare measured, in Markdown."""
import json
import os

import roofline

INSTRUCTION = dict(bf16="bf16", q8_0="int8", q4_0="int8")       # whose peak a prompt is compared with
FORMATS = ("bf16", "q8_0", "q4_0")


def table(head, rows):
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def step_name(step):
    what, n, *depth = step.split()
    if what == "pp":
        return f"prompt of {n}"
    return "decode" if not depth or depth[0] == "0" else f"decode at {depth[0]}"


def share(result, run):
    """Of the measured read bandwidth for a generated token, of the instruction's measured peak for a prompt's."""
    limits, model = result["limits"].get(str(run["threads"])), result["model"][run["format"]]
    if not limits:
        return ""
    what, n, *depth = run["step"].split()
    if what == "pp":
        macs = model["prompt_macs"] + (model["token_macs"] - model["prompt_macs"]) / int(n)
        kind = INSTRUCTION[run["format"]]
        if kind == "bf16" and limits["f32"] > limits["bf16"]:       # carat widens the weights there
            kind = "f32"
        return f"{100 * run['carat'] * macs / 1e9 / limits[kind]:.0f} % of {kind}"
    size = model["token_bytes"] + (model["cache_bytes"].get(depth[0], 0) if depth else 0)
    return f"{100 * run['carat'] * size / 1e9 / limits['read']:.0f} % of reading"


def speed(result):
    def order(run):
        what, n, *depth = run["step"].split()
        return (run["arithmetic"] != "fast", -run["threads"], what, int(n) if what == "pp" else int(depth[0]) if depth else 0,
                FORMATS.index(run["format"]))

    rows = []
    for run in sorted(result["speed"], key=order):
        rows.append([run["threads"], step_name(run["step"]), run["format"], run["arithmetic"], f"{run['carat']:.1f}"] +
                    ([f"{run['peer']:.1f}", f"{run['ratio']:.2f} ({run['low']:.2f} to {run['high']:.2f})"]
                     if "peer" in run else ["", ""]) + [share(result, run)])
    return table(["threads", "step", "weights", "arithmetic", "carat", "llama.cpp", "ratio (lowest to highest)", "carat uses"],
                 rows)


def start(result):
    rows = []
    for run in sorted(result["start"], key=lambda r: (FORMATS.index(r["format"]), r["engine"])):
        rows.append([run["format"], run["engine"].split(",")[0], f"{run['load_ms'] / 1e3:.1f} s",
                     f"{run['first_token_ms'] / 1e3:.1f} s", f"{run['peak_bytes'] / 1e9:.2f} GB"])
    return table(["weights", "", "load", "first token", "peak memory"], rows)


def quality(result):
    def number(v):
        return "0" if v < 1e-12 else f"{v:.1e}"

    rows = []
    for q in sorted(result["quality"], key=lambda q: (q["model"] != "pocket", FORMATS.index(q["format"]), q["arithmetic"],
                                                      q["how"])):
        rows.append([q["model"], q["format"], q["arithmetic"], "at once" if q["how"] == "prompt" else "one by one",
                     number(q["kl_mean"]), number(q["kl_99"]), f"{100 * q['top1']:.1f} %"])
    return table(["model", "weights", "arithmetic", "tokens", "KL mean", "KL 99th percentile", "same first choice"], rows)


def text(result):
    m = result["machine"]
    out = [f"{result['model_name']}; {m['cpu']}, {m['processors']} processors, {m['memory_gib']} GiB; {result['compiler']}; "
           f"{result.get('date')}, commit {result.get('commit')}."]
    for threads, limits in sorted(result["limits"].items()):
        out.append(f"Measured limits, {threads} thread{'s' * (threads != '1')}: reads {limits['read']:.0f} GB/s; "
                   + ", ".join(f"{k} {limits[k]:.0f}" for k in ("f32", "bf16", "int8")) + " G multiply-adds/s"
                   + (f"; a cache line goes to another core and back in {limits['round_trip']:.0f} ns." if "round_trip" in limits
                      else "."))
    if result["speed"]:
        out.append("Tokens a second, medians, both engines in turns:\n\n" + speed(result))
    if result["start"]:
        out.append("With 4096 tokens of context, files cached:\n\n" + start(result))
    if result["quality"]:
        rows = {q["model"]: q["rows"] for q in result["quality"]}
        out.append("Distance from bf16 weights in exact arithmetic, nats (" +
                   ", ".join(f"{name}: {n} tokens" for name, n in rows.items()) + "):\n\n" + quality(result))
    return "\n\n".join(p.rstrip() for p in out) + "\n"


def write_readme(result, name, folder):
    """Into the machine's place in the folder's README.md: what is between two lines that name it."""
    path = os.path.join(folder, "README.md")
    with open(path, encoding="utf-8") as f:
        readme = f.read()
    begin, end = f"<!-- {name}: written by bench/compare --readme {name} -->", f"<!-- {name}: to here -->"
    if begin not in readme or end not in readme:
        raise SystemExit(f"compare: {path} has no lines {begin} and {end}")
    words = text(result) + (f"\n![roofline](results/{name}.svg)\n" if result["limits"] else "")
    head, rest = readme.split(begin, 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{head}{begin}\n{words}\n{end}{rest.split(end, 1)[1]}")
    results = os.path.join(folder, "results")
    os.makedirs(results, exist_ok=True)
    with open(os.path.join(results, name + ".json"), "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    if result["limits"]:
        with open(os.path.join(results, name + ".svg"), "w") as f:
            f.write(roofline.svg(result))
