"""Programs of bench/, each compiled for one checkpoint, one weight format, one arithmetic and one type of keys and values,
which is the arithmetic's own if it is not named."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def folder(model, kind, arithmetic, cache=""):
    return os.path.join(ROOT, "build", "compare", f"{os.path.basename(model)}-{kind}-{arithmetic}" + (cache and f"-{cache}"))


def program(model, kind, arithmetic, name="generate", cache=""):
    """Builds it, if it is not up to date; `model` is a folder with a config.json."""
    place = folder(model, kind, arithmetic, cache)
    os.makedirs(place, exist_ok=True)
    target = dict(generate="carat_bench_generate", machine_limits="carat_machine_limits")[name]
    with open(place + ".log", "w") as log:
        for command in (["cmake", "--preset", "release", "-B", place, f"-DCARAT_MODEL={model}", f"-DCARAT_WEIGHTS={kind}",
                         f"-DCARAT_ARITHMETIC={arithmetic}", f"-DCARAT_CACHE={cache}", "-DCARAT_BUILD_TESTS=OFF",
                         "-DCARAT_BUILD_EXAMPLES=OFF"],
                        ["cmake", "--build", place, "--target", target]):
            if subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode:
                raise SystemExit(f"{' '.join(command)} failed, see {log.name}")
    return os.path.join(place, "bench", name)


def compiler(model, kind, arithmetic):
    """What a program was built with."""
    with open(os.path.join(folder(model, kind, arithmetic), "CMakeCache.txt")) as cache:
        path = next(line.split("=", 1)[1].strip() for line in cache if line.startswith("CMAKE_CXX_COMPILER:"))
    version = subprocess.run([path, "--version"], check=True, text=True, capture_output=True).stdout.splitlines()[0]
    return f"{version}, -O3 -march=native"
