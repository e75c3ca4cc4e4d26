#!/usr/bin/python3
"""llama.cpp as it comes prebuilt from npm, obeying the same lines as `generate --serve`.

  llama_cpp.py MODEL.gguf [--context N] [--threads N] [--mmap]

Prints one JSON line once the model is loaded and one token is computed, then one for each line of its standard input:
  pp N            a prompt of N tokens
  tg N [DEPTH]    N tokens one by one, after DEPTH tokens of context
  threads N       threads from now on
The weights are read into memory unless --mmap says otherwise, because mapped pages are slower to read; everything else,
the choice of its best library for this machine and its repacking of weights included, is as its own programs have it.
The package is installed by npm on the first call, into $XDG_CACHE_HOME or ~/.cache; nothing is compiled.
"""
import argparse
import ctypes as C
import glob
import json
import os
import random
import subprocess
import sys
import time

PACKAGE, VERSION = "@node-llama-cpp/linux-x64", "3.22.1"
TOO_OTHER = f"llama_cpp: the library's structs are not laid out as in {PACKAGE} {VERSION}"


class ModelParams(C.Structure):
    _fields_ = [("devices", C.c_void_p), ("overrides", C.c_void_p), ("n_gpu_layers", C.c_int), ("split_mode", C.c_int),
                ("load_mode", C.c_int), ("lazy_mode", C.c_int), ("main_gpu", C.c_int), ("tensor_split", C.c_void_p),
                ("progress", C.c_void_p), ("progress_data", C.c_void_p), ("kv_overrides", C.c_void_p),
                ("vocab_only", C.c_bool), ("check_tensors", C.c_bool), ("use_extra_bufts", C.c_bool),
                ("no_host", C.c_bool), ("no_alloc", C.c_bool), ("load_mtp", C.c_bool), ("room", C.c_byte * 256)]


class ContextParams(C.Structure):
    _fields_ = [("n_ctx", C.c_uint32), ("n_batch", C.c_uint32), ("n_ubatch", C.c_uint32), ("n_seq_max", C.c_uint32),
                ("n_rs_seq", C.c_uint32), ("n_outputs_max", C.c_uint32), ("n_outputs_max_per_seq", C.c_uint32),
                ("n_threads", C.c_int32), ("n_threads_batch", C.c_int32), ("ctx_type", C.c_int),
                ("rope_scaling", C.c_int), ("pooling", C.c_int), ("attention", C.c_int), ("flash_attn", C.c_int),
                ("rope", C.c_float * 7), ("defrag", C.c_float), ("cb_eval", C.c_void_p), ("cb_eval_data", C.c_void_p),
                ("type_k", C.c_int), ("type_v", C.c_int), ("abort", C.c_void_p), ("abort_data", C.c_void_p),
                ("embeddings", C.c_bool), ("offload_kqv", C.c_bool), ("no_perf", C.c_bool), ("op_offload", C.c_bool),
                ("swa_full", C.c_bool), ("kv_unified", C.c_bool), ("room", C.c_byte * 256)]


class Batch(C.Structure):
    _fields_ = [("n_tokens", C.c_int32), ("token", C.POINTER(C.c_int32)), ("embd", C.c_void_p), ("pos", C.c_void_p),
                ("n_seq_id", C.c_void_p), ("seq_id", C.c_void_p), ("logits", C.c_void_p)]


FUNCTIONS = dict(
    llama_backend_init=(None, []), llama_model_default_params=(ModelParams, []),
    llama_context_default_params=(ContextParams, []), llama_model_load_from_file=(C.c_void_p, [C.c_char_p, ModelParams]),
    llama_init_from_model=(C.c_void_p, [C.c_void_p, ContextParams]), llama_model_get_vocab=(C.c_void_p, [C.c_void_p]),
    llama_vocab_n_tokens=(C.c_int32, [C.c_void_p]), llama_batch_get_one=(Batch, [C.POINTER(C.c_int32), C.c_int32]),
    llama_decode=(C.c_int32, [C.c_void_p, Batch]), llama_synchronize=(None, [C.c_void_p]),
    llama_get_memory=(C.c_void_p, [C.c_void_p]), llama_memory_clear=(None, [C.c_void_p, C.c_bool]),
    llama_memory_seq_rm=(C.c_bool, [C.c_void_p, C.c_int32, C.c_int32, C.c_int32]),
    llama_set_n_threads=(None, [C.c_void_p, C.c_int32, C.c_int32]), llama_log_set=(None, [C.c_void_p, C.c_void_p]),
    llama_attach_threadpool=(None, [C.c_void_p, C.c_void_p, C.c_void_p]),
    llama_detach_threadpool=(None, [C.c_void_p]))


def library_folder():
    """Where the package's libraries are, installed once."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    home = os.path.join(cache, "carat", f"llama-cpp-{VERSION}")
    libraries = os.path.join(home, "node_modules", *PACKAGE.split("/"), "bins", "linux-x64")
    if not glob.glob(os.path.join(libraries, "libllama.*so")):
        os.makedirs(home, exist_ok=True)
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", home,
                        f"{PACKAGE}@{VERSION}"], check=True, stdout=subprocess.DEVNULL)
    return libraries


def one(folder, pattern):
    found = sorted(glob.glob(os.path.join(folder, pattern)))
    if not found:
        sys.exit(f"llama_cpp: no {pattern} in {folder}")
    return found[0]


class LlamaCpp:
    def __init__(self, args):
        folder = library_folder()
        self.base = C.CDLL(one(folder, "libggml-base.so*"), mode=C.RTLD_GLOBAL)
        ggml = C.CDLL(one(folder, "libggml.*so*"), mode=C.RTLD_GLOBAL)
        self.lib = lib = C.CDLL(one(folder, "libllama.*so*"), mode=C.RTLD_GLOBAL)
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self.log = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)(
            lambda level, text, _: level == 4 and sys.stderr.write(text.decode("utf-8", "replace")))    # 4: errors
        lib.llama_log_set(C.cast(self.log, C.c_void_p), None)
        ggml.ggml_backend_load_all_from_path.argtypes = [C.c_char_p]
        ggml.ggml_backend_load_all_from_path(folder.encode())
        with open("/proc/self/maps") as maps:
            self.backend = next(line.rsplit("libggml-cpu-", 1)[1].split(".so")[0] for line in maps
                                if "libggml-cpu-" in line)
        self.cpu = C.CDLL(one(folder, f"libggml-cpu-{self.backend}.so"))
        lib.llama_backend_init()

        mp, cp = lib.llama_model_default_params(), lib.llama_context_default_params()
        if (cp.n_ctx, cp.n_batch, cp.n_threads, cp.type_k, cp.type_v, mp.use_extra_bufts) != (512, 2048, 4, 1, 1, True):
            sys.exit(TOO_OTHER)
        mp.n_gpu_layers = 0
        if not args.mmap:
            mp.load_mode = 0
        self.context_tokens = cp.n_ctx = -(-args.context // 256) * 256
        self.batch = cp.n_batch
        start = time.perf_counter()
        model = lib.llama_model_load_from_file(args.model.encode(), mp)
        self.context = lib.llama_init_from_model(model, cp) if model else None
        if not self.context:
            sys.exit(f"llama_cpp: {args.model} does not load")
        self.load_ms = 1e3 * (time.perf_counter() - start)
        self.memory = lib.llama_get_memory(self.context)
        self.at = 0
        self.pool = None
        self.threads(args.threads)
        vocab, rng = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model)), random.Random(1)
        self.tokens = (C.c_int32 * self.context_tokens)(*(rng.randrange(vocab) for _ in range(self.context_tokens)))
        self.append(1)
        self.first_token_ms = 1e3 * (time.perf_counter() - start)

    def threads(self, n):
        """One pool of threads for as long as their number stays, as the library's own programs make."""
        if self.pool:
            self.lib.llama_detach_threadpool(self.context)
            self.cpu.ggml_threadpool_free.argtypes = [C.c_void_p]
            self.cpu.ggml_threadpool_free(self.pool)
        params = (C.c_byte * 4096)()        # begins with 512 flags, one a processor; then the number of threads
        self.base.ggml_threadpool_params_init.argtypes = [C.c_void_p, C.c_int]
        self.base.ggml_threadpool_params_init(params, n)
        if C.c_int.from_buffer(params, 512).value != n:
            sys.exit(TOO_OTHER)
        self.cpu.ggml_threadpool_new.argtypes, self.cpu.ggml_threadpool_new.restype = [C.c_void_p], C.c_void_p
        self.pool = self.cpu.ggml_threadpool_new(params)
        self.lib.llama_attach_threadpool(self.context, self.pool, self.pool)
        self.lib.llama_set_n_threads(self.context, n, n)

    def append(self, n):
        done = 0
        while done < n:
            step = min(n - done, self.batch)
            part = C.cast(C.byref(self.tokens, 4 * self.at), C.POINTER(C.c_int32))
            code = self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(part, step))
            if code:
                sys.exit(f"llama_cpp: llama_decode gives {code}")
            done += step
            self.at += step
        self.lib.llama_synchronize(self.context)

    def go_to(self, depth):
        """Leaves exactly `depth` tokens in the context."""
        if self.at > depth and not (depth and self.lib.llama_memory_seq_rm(self.memory, 0, depth, -1)):
            self.lib.llama_memory_clear(self.memory, True)
            self.at = 0
        self.at = min(self.at, depth)
        self.append(depth - self.at)

    def prompt(self, n):
        self.go_to(0)
        start = time.perf_counter()
        self.append(n)
        return n / (time.perf_counter() - start)

    def generate(self, n, depth=0):
        self.go_to(depth)
        start = time.perf_counter()
        for _ in range(n):
            self.append(1)
        return n / (time.perf_counter() - start)


def main():
    p = argparse.ArgumentParser(usage=__doc__, add_help=False)
    p.add_argument("-h", "--help", action="store_true")
    p.add_argument("model", nargs="?")
    p.add_argument("--context", type=int, default=4608)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--mmap", action="store_true")
    args = p.parse_args()
    if args.help or not args.model:
        print(__doc__.strip())
        return 0 if args.help else 2
    engine = LlamaCpp(args)
    print(json.dumps(dict(engine=f"llama.cpp, {PACKAGE} {VERSION}, {engine.backend}", load_ms=round(engine.load_ms, 1),
                          first_token_ms=round(engine.first_token_ms, 1))), flush=True)
    for line in sys.stdin:
        what, *numbers = line.split()
        numbers = [int(n) for n in numbers]
        if what == "threads":
            engine.threads(*numbers)
            print(json.dumps(dict(threads=numbers[0])), flush=True)
        else:
            rate = (engine.prompt if what == "pp" else engine.generate)(*numbers)
            print(json.dumps(dict(tok_s=round(rate, 3))), flush=True)
    sys.stdout.flush()
    os._exit(0)         # without waiting for the library to tidy up


if __name__ == "__main__":
    sys.exit(main())
