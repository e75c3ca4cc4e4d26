"""Programs that are timed in turns, and what the system says about them meanwhile."""
import json
import os
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
NOISE = 0.05            # share of the machine that others may take while something is timed


def machine_busy():
    """(all, busy) seconds of the machine's processors since it started."""
    with open("/proc/stat") as f:
        v = [int(x) / TICKS for x in f.readline().split()[1:9]]
    return sum(v), sum(v) - v[3] - v[4]


def calm(seconds):
    """Waits until others leave the machine alone, at most so long."""
    end = time.time() + seconds
    while time.time() < end:
        total, busy = machine_busy()
        time.sleep(0.4)
        total, busy = (b - a for a, b in zip((total, busy), machine_busy()))
        if busy <= NOISE * total:
            return


def status(pid, field):
    """Bytes, from what the system says of a process."""
    with open(f"/proc/{pid}/status") as f:
        return next((1024 * int(line.split()[1]) for line in f if line.startswith(field + ":")), 0)


class OwnMemory(threading.Thread):
    """The most memory, apart from mapped files, that a process had whenever this looked: every ten milliseconds. The
    system itself only keeps the peak of both together."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak = pid, 0
        self.start()

    def run(self):
        try:
            while True:
                self.peak = max(self.peak, status(self.pid, "RssAnon"))
                time.sleep(0.01)
        except OSError:             # it has ended
            pass


class Engine:
    """A program that obeys lines, with one line of JSON for each and one when it is ready."""

    def __init__(self, command, watch=False):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.memory = OwnMemory(self.process.pid) if watch else None
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"compare: {' '.join(self.command)} ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, line):
        """Its answer, and as `others` the share of the machine that was neither idle nor its own meanwhile."""
        total, busy, own = (*machine_busy(), self.own())
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        total, busy, own = (b - a for a, b in zip((total, busy, own), (*machine_busy(), self.own())))
        answer["others"] = round(max(0.0, busy - own) / max(total, 1e-9), 3)
        return answer

    def own(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_bytes(self):
        return status(self.process.pid, "VmHWM")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def median(values):
    v = sorted(values)
    return (v[len(v) // 2] + v[(len(v) - 1) // 2]) / 2


def summary(pairs):
    """Medians of both, and of the pairs' ratios the median, the lowest and the highest."""
    ratios = [a / b for a, b in pairs]
    return dict(carat=median([a for a, _ in pairs]), peer=median([b for _, b in pairs]), ratio=median(ratios),
                low=min(ratios), high=max(ratios), pairs=pairs)


def in_turns(engines, step, rounds, patience):
    """One or two engines do a step as A B B A A B ..., after a short one that warms up and fills the context. A round
    during which others took more than NOISE of the machine is done again, at most twice."""
    words = step.split()
    for engine in engines:
        engine.ask(" ".join([words[0], str(min(int(words[1]), 4)), *words[2:]]))
    order, results, noise = list(range(len(engines))), [], []
    for _ in range(rounds):
        tries = []
        for _ in range(3):
            calm(patience)
            got = {}
            for k in order:
                time.sleep(0.3)         # the other's idle threads may still be waiting for work
                got[k] = engines[k].ask(step)
            order.reverse()
            tries.append((max(g["others"] for g in got.values()), [got[k]["tok_s"] for k in sorted(got)]))
            if tries[-1][0] <= NOISE:
                break
        best = min(tries)
        noise.append(best[0])
        results.append(best[1])
    if len(engines) == 2:
        return dict(summary(results), others=noise)
    return dict(carat=median([r[0] for r in results]), others=noise)
