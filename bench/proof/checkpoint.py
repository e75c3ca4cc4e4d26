#!/usr/bin/python3
"""Writes a checkpoint of random weights with the sizes of a published Gemma 4: text only, the same weights in any format.

  checkpoint.py [--preset e2b|e4b|31b|26b-a4b] [--tiny] [--hf DIR] [--config DIR] [--gguf TYPE FILE]... [--assistant DIR]
                [--seed N]

--hf writes config.json, model.safetensors (bf16) and tokenizer.json; --config the first of them; --gguf takes bf16, q8_0
or q4_0 as TYPE; --assistant writes the folder of its assistant (bf16), whose guesses are as random as its weights. The numbers follow from the seed and the sizes alone, so that files of different calls belong together.
--tiny: two attention periods of hidden 256 and 1024 tokens, a few MB.

Weights are N(0, 0.02). Norm scales are near 1, but those of queries and keys near head_dim**-0.25, so that attention
scores spread by about 1, and the router's near 2 sqrt(hidden), so that its choices are no ties. A pool of random blocks is
laid end to end from random starts, which makes a file at the speed of the disk.
"""
import argparse
import copy
import hashlib
import json
import math
import os
import struct
import sys

import numpy as np

BLOCK = 32                 # weights that share a scale
POOL_BLOCKS = 1 << 18
TYPES = dict(f32=(0, 128), q4_0=(2, 18), q8_0=(8, 34), bf16=(30, 64))     # GGUF's code, bytes a block
FILE_TYPES = dict(bf16=32, q8_0=7, q4_0=2)

ASSISTANTS = {
    "e2b": dict(hidden=256, intermediate=2048, heads=4, centroids=2048),
    "e4b": dict(hidden=256, intermediate=2048, heads=4, centroids=2048),
    "31b": dict(hidden=1024, intermediate=8192, heads=32, centroids=0),
    "26b-a4b": dict(hidden=1024, intermediate=8192, heads=16, centroids=0),
}

PRESETS = {
    "e2b": dict(hidden=1536, intermediate=6144, layers=35, heads=8, kv_heads=1, global_kv_heads=None,
                window=512, shared=20, per_layer=256, double_wide=True, period=5, k_eq_v=False),
    "e4b": dict(hidden=2560, intermediate=10240, layers=42, heads=8, kv_heads=2, global_kv_heads=None,
                window=512, shared=18, per_layer=256, double_wide=False, period=6, k_eq_v=False),
    "31b": dict(hidden=5376, intermediate=21504, layers=60, heads=32, kv_heads=16, global_kv_heads=4,
                window=1024, shared=0, per_layer=0, double_wide=False, period=6, k_eq_v=True),
    "26b-a4b": dict(hidden=2816, intermediate=2112, layers=30, heads=16, kv_heads=8, global_kv_heads=2,
                    window=1024, shared=0, per_layer=0, double_wide=False, period=6, k_eq_v=True,
                    experts=128, experts_used=8, expert_intermediate=704),
}


# ---- sizes and what follows from them

class Sizes:
    def __init__(self, preset, tiny=False):
        self.name = preset
        self.experts = self.experts_used = self.expert_intermediate = 0
        self.head_dim, self.global_head_dim, self.vocab = 256, 512, 262144
        vars(self).update(PRESETS[preset])
        if tiny:
            self.name += "-tiny"
            self.layers, self.hidden, self.intermediate, self.heads = 2 * self.period, 256, 512, 4
            self.head_dim, self.global_head_dim, self.window, self.vocab = 64, 128, 32, 1024
            self.kv_heads = min(self.kv_heads, 2)
            self.shared, self.per_layer = self.period if self.shared else 0, 32 if self.per_layer else 0
            self.global_kv_heads = self.global_kv_heads and 1
            if self.experts:
                self.experts, self.experts_used, self.expert_intermediate = 8, 2, 128
        self.full = [(i + 1) % self.period == 0 or i + 1 == self.layers for i in range(self.layers)]
        self.own = self.layers - self.shared        # layers before this one have keys and values of their own

    def kv_heads_of(self, layer):
        return self.global_kv_heads if self.full[layer] and self.global_kv_heads else self.kv_heads

    def head_dim_of(self, layer):
        return self.global_head_dim if self.full[layer] else self.head_dim

    def intermediate_of(self, layer):
        return self.intermediate * (2 if self.double_wide and layer >= self.own else 1)

    def tensors(self):
        """(name in safetensors, name in GGUF, shape, how it is filled) of each tensor, in the order of the files."""
        hidden, p = self.hidden, self.per_layer
        text = "model.language_model."
        yield text + "embed_tokens.weight", "token_embd.weight", (self.vocab, hidden), "weight"
        if p:
            wide = self.layers * p
            yield text + "embed_tokens_per_layer.weight", "per_layer_token_embd.weight", (self.vocab, wide), "weight"
            yield text + "per_layer_model_projection.weight", "per_layer_model_proj.weight", (wide, hidden), "bf16"
            yield text + "per_layer_projection_norm.weight", "per_layer_proj_norm.weight", (p,), "norm"
        for i in range(self.layers):
            for name, gguf, shape, fill in self.layer(i):
                yield f"{text}layers.{i}.{name}", f"blk.{i}.{gguf}", shape, fill
        yield text + "norm.weight", "output_norm.weight", (hidden,), "norm"

    def layer(self, i):
        hidden, p, wide, d = self.hidden, self.per_layer, self.intermediate_of(i), self.head_dim_of(i)
        q, kv = self.heads * d, self.kv_heads_of(i) * d
        yield "input_layernorm.weight", "attn_norm.weight", (hidden,), "norm"
        yield "self_attn.q_proj.weight", "attn_q.weight", (q, hidden), "weight"
        yield "self_attn.q_norm.weight", "attn_q_norm.weight", (d,), "head_norm"
        if i < self.own:
            yield "self_attn.k_proj.weight", "attn_k.weight", (kv, hidden), "weight"
            yield "self_attn.k_norm.weight", "attn_k_norm.weight", (d,), "head_norm"
            if not (self.full[i] and self.k_eq_v):
                yield "self_attn.v_proj.weight", "attn_v.weight", (kv, hidden), "weight"
        yield "self_attn.o_proj.weight", "attn_output.weight", (hidden, q), "weight"
        yield "post_attention_layernorm.weight", "post_attention_norm.weight", (hidden,), "norm"
        yield "pre_feedforward_layernorm.weight", "ffn_norm.weight", (hidden,), "norm"
        yield "mlp.gate_proj.weight", "ffn_gate.weight", (wide, hidden), "weight"
        yield "mlp.up_proj.weight", "ffn_up.weight", (wide, hidden), "weight"
        yield "mlp.down_proj.weight", "ffn_down.weight", (hidden, wide), "weight"
        yield "post_feedforward_layernorm.weight", "post_ffw_norm.weight", (hidden,), "norm"
        if self.experts:
            e, x = self.experts, self.expert_intermediate
            yield "router.proj.weight", "ffn_gate_inp.weight", (e, hidden), "router"
            yield "router.scale", "ffn_gate_inp.scale", (hidden,), "router_scale"
            yield "router.per_expert_scale", "ffn_down_exps.scale", (e,), "norm"
            yield "experts.gate_up_proj", "ffn_gate_up_exps.weight", (e, 2 * x, hidden), "weight"
            yield "experts.down_proj", "ffn_down_exps.weight", (e, hidden, x), "weight"
            yield "post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight", (hidden,), "norm"
            yield "post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight", (hidden,), "norm"
            yield "pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight", (hidden,), "norm"
        if p:
            yield "per_layer_input_gate.weight", "inp_gate.weight", (p, hidden), "weight"
            yield "per_layer_projection.weight", "proj.weight", (hidden, p), "weight"
            yield "post_per_layer_input_norm.weight", "post_norm.weight", (hidden,), "norm"
        yield "layer_scalar", "layer_output_scale.weight", (1,), "scalar"

    def used(self):
        """(fill, weights read for one token, those of them that a prompt needs for its last token only) of each tensor."""
        for name, gguf, shape, fill in self.tensors():
            n = math.prod(shape)
            if "_per_layer.weight" in name:         # a table: one row is read
                continue
            if "_exps.weight" in gguf:
                n = n // self.experts * self.experts_used
            layer = int(gguf.split(".")[1]) if gguf.startswith("blk.") else 0
            last = n if layer >= self.own or gguf == "token_embd.weight" else 0
            if gguf == "per_layer_model_proj.weight":
                last = n // self.layers * self.shared
            yield fill, n, last

    def token_macs(self):
        """Multiply-adds of one generated token, attention aside."""
        return sum(n for fill, n, _ in self.used() if fill in POOLED)

    def prompt_macs(self):
        """The same of a prompt's token: layers that share keys and values, and the head, run for the last token only."""
        return sum(n - last for fill, n, last in self.used() if fill in POOLED)

    def token_bytes(self, kind):
        """Bytes of weights read for one generated token."""
        rows = (self.layers * self.per_layer + self.hidden) // BLOCK * TYPES[kind][1]
        return rows + sum(n // BLOCK * TYPES[stored_as(fill, kind)][1] if fill in POOLED else 4 * n
                          for fill, n, _ in self.used())

    def cache_bytes(self, depth):
        """Bytes of bf16 keys and values that a token at this depth reads."""
        return sum(2 * 2 * self.kv_heads_of(i) * self.head_dim_of(i) * (depth if self.full[i] else min(depth, self.window))
                   for i in range(self.layers))


POOLED = ("weight", "bf16", "router")


def stored_as(fill, kind):
    """The type that a matrix has in a file of type `kind`."""
    return dict(weight=kind, bf16="bf16", router="f32")[fill]


# ---- numbers

def to_bf16(x):
    bits = np.ascontiguousarray(x, "<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def from_bf16(bits):
    return (bits.astype("<u4") << 16).view("<f4")


def inverse(d):
    return np.where(d != 0, 1 / np.where(d != 0, d, 1), 0).astype(np.float32)[:, None]


def q8_0(x):
    x = x.reshape(-1, BLOCK)
    d = np.abs(x).max(axis=1) / np.float32(127)
    y = x * inverse(d)
    out = np.empty((len(x), 34), np.uint8)
    out[:, :2] = d.astype("<f2").reshape(-1, 1).view(np.uint8)
    out[:, 2:] = np.trunc(y + np.copysign(np.float32(0.5), y)).astype(np.int8).view(np.uint8)
    return out.reshape(-1)


def q4_0(x):
    x = x.reshape(-1, BLOCK)
    extreme = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)[:, 0]
    d = extreme / np.float32(-8)
    q = np.minimum(15, (x * inverse(d) + np.float32(8.5)).astype(np.int8)).astype(np.uint8)
    out = np.empty((len(x), 18), np.uint8)
    out[:, :2] = d.astype("<f2").reshape(-1, 1).view(np.uint8)
    out[:, 2:] = q[:, :16] | q[:, 16:] << 4
    return out.reshape(-1)


class Numbers:
    def __init__(self, seed):
        self.seed = seed
        normal = np.random.default_rng(seed).standard_normal(POOL_BLOCKS * BLOCK, dtype=np.float32)
        self.pools = {"bf16": to_bf16(normal * np.float32(0.02)).view(np.uint8)}

    def pool(self, kind):
        if kind not in self.pools:
            values = from_bf16(self.pools["bf16"].view("<u2"))
            self.pools[kind] = dict(f32=lambda x: x.view(np.uint8), q8_0=q8_0, q4_0=q4_0)[kind](values)
        return memoryview(self.pools[kind])

    def rng(self, name):
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def write(self, out, name, count, kind):
        """`count` weights, a multiple of the block."""
        pool, size, rng, left = self.pool(kind), TYPES[kind][1], self.rng(name), count // BLOCK
        while left:
            start = int(rng.integers(POOL_BLOCKS))
            n = min(left, POOL_BLOCKS - start)
            left -= n
            out.write(pool[start * size:(start + n) * size])

    def vector(self, name, n, fill):
        """A tensor made number by number, as bf16."""
        rng = self.rng(name)
        jitter = 1 + 0.05 * rng.standard_normal(n)
        if fill == "scalar":
            jitter = rng.uniform(0.7, 1.0, n)
        return to_bf16((jitter * dict(norm=1, head_norm=n ** -0.25, router_scale=2 * n ** 0.5, scalar=1)[fill])
                       .astype(np.float32))


# ---- the vocabulary: special tokens and bytes at their published places, then strings of letters

SPECIAL = {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 105: "<|turn>", 106: "<turn|>",
           255999: "<|image>", 256000: "<|audio>", 258880: "<|image|>", 258881: "<|audio|>", 258882: "<image|>",
           258883: "<audio|>", 258884: "<|video|>"}
FIRST_BYTE = 238
LETTERS = "\u2581abcdefghijklmnopqrstuvwxyz"
NORMAL, CONTROL, UNUSED, BYTE = 1, 3, 5, 6          # GGUF's kinds


def vocabulary(n):
    """(texts, kinds, merges) of n tokens."""
    texts, kinds = [None] * n, [NORMAL] * n
    for i, text in SPECIAL.items():
        if i < n:
            texts[i], kinds[i] = text, CONTROL
    for b in range(256):
        texts[FIRST_BYTE + b], kinds[FIRST_BYTE + b] = f"<0x{b:02X}>", BYTE
    texts[107] = "\n"
    if n >= 4096:
        for i in range(5, FIRST_BYTE):
            if texts[i] is None:
                texts[i], kinds[i] = f"<unused{i}>", UNUSED

    def words():
        for c in LETTERS:
            yield c, None
        for c in map(chr, range(33, 127)):
            if c not in LETTERS:
                yield c, None
        level = list(LETTERS)
        while True:
            longer = []
            for a in level:
                for b in LETTERS:
                    yield a + b, (a, b)
                    longer.append(a + b)
            level = longer

    merges, word = [], words()
    for i in range(n):
        if texts[i] is None:
            texts[i], merge = next(word)
            if merge:
                merges.append(merge)
    return texts, kinds, merges


def tokenizer_json(sizes):
    texts, kinds, merges = vocabulary(sizes.vocab)
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    replace = dict(type="Replace")
    bos, one, two = dict(SpecialToken=dict(id="<bos>", type_id=0)), *(
        dict(Sequence=dict(id=id, type_id=type_id)) for id, type_id in (("A", 0), ("B", 1)))
    return dict(
        version="1.0", truncation=None, padding=None,
        added_tokens=[dict(id=i, content=t, **flags) for i, (t, k) in enumerate(zip(texts, kinds)) if k == CONTROL],
        normalizer=dict(replace, pattern=dict(String=" "), content="\u2581"),
        pre_tokenizer=dict(type="Split", pattern=dict(String=" "), behavior="MergedWithPrevious", invert=False),
        post_processor=dict(type="TemplateProcessing", single=[bos, one], pair=[bos, one, two],
                            special_tokens={"<bos>": dict(id="<bos>", ids=[2], tokens=["<bos>"])}),
        decoder=dict(type="Sequence", decoders=[dict(replace, pattern=dict(String="\u2581"), content=" "),
                                                dict(type="ByteFallback"), dict(type="Fuse")]),
        model=dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None,
                   end_of_word_suffix=None, fuse_unk=True, byte_fallback=True, ignore_merges=False,
                   vocab={t: i for i, t in enumerate(texts)}, merges=[list(m) for m in merges]))


# ---- the Hugging Face folder

def config_json(s):
    text = dict(
        model_type="gemma4_text", vocab_size=s.vocab, hidden_size=s.hidden, intermediate_size=s.intermediate,
        num_hidden_layers=s.layers, num_attention_heads=s.heads, num_key_value_heads=s.kv_heads,
        num_global_key_value_heads=s.global_kv_heads, head_dim=s.head_dim, global_head_dim=s.global_head_dim,
        hidden_activation="gelu_pytorch_tanh", max_position_embeddings=131072, initializer_range=0.02,
        rms_norm_eps=1e-6, use_cache=True, pad_token_id=0, eos_token_id=1, bos_token_id=2, tie_word_embeddings=True,
        rope_parameters=dict(
            full_attention=dict(rope_type="proportional", partial_rotary_factor=0.25, rope_theta=1000000.0),
            sliding_attention=dict(rope_type="default", rope_theta=10000.0)),
        attention_bias=False, attention_dropout=0.0, sliding_window=s.window,
        layer_types=["full_attention" if full else "sliding_attention" for full in s.full],
        final_logit_softcapping=30.0, use_bidirectional_attention="vision" if s.k_eq_v else None,
        vocab_size_per_layer_input=s.vocab, hidden_size_per_layer_input=s.per_layer, attention_k_eq_v=s.k_eq_v,
        num_kv_shared_layers=s.shared, enable_moe_block=bool(s.experts), use_double_wide_mlp=s.double_wide,
        num_experts=s.experts or None, top_k_experts=s.experts_used or None,
        moe_intermediate_size=s.expert_intermediate or None, dtype="bfloat16")
    return dict(
        architectures=["Gemma4ForConditionalGeneration"], model_type="gemma4", dtype="bfloat16", text_config=text,
        vision_config=None, audio_config=None, boi_token_id=255999, eoi_token_id=258882, image_token_id=258880,
        video_token_id=258884, boa_token_id=256000, eoa_token_index=258883, audio_token_id=258881,
        initializer_range=0.02, tie_word_embeddings=True, eos_token_id=[1, 106], bos_token_id=2, pad_token_id=0)


def write_config(folder, sizes):
    """config.json alone: what a build needs to know of a checkpoint."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config_json(sizes), f, indent=2)


def write_hf(folder, sizes, numbers):
    write_config(folder, sizes)
    for name, value in (("generation_config.json", dict(bos_token_id=2, eos_token_id=[1, 106], pad_token_id=0,
                                                        do_sample=True, temperature=1.0, top_k=64, top_p=0.95)),
                        ("tokenizer.json", tokenizer_json(sizes)),
                        ("tokenizer_config.json", dict(bos_token="<bos>", eos_token="<eos>", pad_token="<pad>",
                                                       unk_token="<unk>", tokenizer_class="GemmaTokenizer"))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f, ensure_ascii=False)
    write_safetensors(folder, [(name, shape, fill) for name, _, shape, fill in sizes.tensors()], numbers)


def write_safetensors(folder, tensors, numbers):
    """(name, shape, fill) of each tensor; fill "order" is a permutation of 64-bit integers, the others are bf16."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, fill in tensors:
        end = at + (8 if fill == "order" else 2) * math.prod(shape)
        header[name] = dict(dtype="I64" if fill == "order" else "BF16", shape=shape, data_offsets=[at, end])
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with whole(os.path.join(folder, "model.safetensors")) as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, shape, fill in tensors:
            if fill in POOLED:
                numbers.write(out, name, math.prod(shape), "bf16")
            elif fill == "order":
                out.write(numbers.rng(name).permutation(math.prod(shape)).astype("<i8").tobytes())
            else:
                out.write(numbers.vector(name, math.prod(shape), fill).tobytes())


# ---- the assistant

def assistant(sizes):
    """The sizes of its layers, which read the model's keys and values."""
    a = copy.copy(sizes)
    vars(a).update(ASSISTANTS[sizes.name.removesuffix("-tiny")])
    if sizes.name.endswith("-tiny"):
        a.hidden, a.intermediate, a.heads, a.centroids = 64, 128, 4, 64 if a.centroids else 0
    a.layers = a.shared = 4
    a.full, a.own, a.per_layer, a.double_wide, a.experts = [False] * 3 + [True], 0, 0, False, 0
    return a


def assistant_tensors(a, backbone):
    if a.centroids:
        yield "masked_embedding.token_ordering", (a.vocab,), "order"
        yield "masked_embedding.centroids.weight", (a.centroids, a.hidden), "weight"
    yield "model.embed_tokens.weight", (a.vocab, a.hidden), "weight"
    for i in range(a.layers):
        for name, _, shape, fill in a.layer(i):
            yield f"model.layers.{i}.{name}", shape, fill
    yield "model.norm.weight", (a.hidden,), "norm"
    yield "post_projection.weight", (backbone, a.hidden), "weight"
    yield "pre_projection.weight", (a.hidden, 2 * backbone), "weight"


def write_assistant(folder, sizes, numbers):
    a = assistant(sizes)
    os.makedirs(folder, exist_ok=True)
    text = config_json(a)["text_config"]
    text.update(final_logit_softcapping=None, use_bidirectional_attention=None, vocab_size_per_layer_input=0)
    config = dict(
        architectures=["Gemma4AssistantForCausalLM"], model_type="gemma4_assistant", backbone_hidden_size=sizes.hidden,
        use_ordered_embeddings=a.centroids > 0, num_centroids=a.centroids or 2048,
        centroid_intermediate_top_k=min(32, a.centroids or 32), tie_word_embeddings=True, text_config=text)
    for name, value in (("config.json", config), ("generation_config.json", dict(num_assistant_tokens=4))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f, indent=2)
    write_safetensors(folder, list(assistant_tensors(a, sizes.hidden)), numbers)


class whole:
    """A file that has its name only once it is complete."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.file = open(self.path + ".part", "wb")
        return self.file

    def __exit__(self, kind, *_):
        self.file.close()
        os.remove(self.file.name) if kind else os.replace(self.file.name, self.path)


# ---- GGUF

def gguf_string(text):
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def gguf_pair(key, kind, value):
    code, form = dict(u32=(4, "<I"), i32=(5, "<i"), f32=(6, "<f"), bool=(7, "<?"), str=(8, None))[kind.strip("[]")]
    pack = gguf_string if kind.strip("[]") == "str" else lambda v: struct.pack(form, v)
    if not kind.startswith("["):
        return gguf_string(key) + struct.pack("<I", code) + pack(value)
    return gguf_string(key) + struct.pack("<IIQ", 9, code, len(value)) + b"".join(map(pack, value))


def metadata(s, kind):
    texts, kinds, merges = vocabulary(s.vocab)
    for key, type_, value in (
            ("context_length", "u32", 131072), ("embedding_length", "u32", s.hidden), ("block_count", "u32", s.layers),
            ("feed_forward_length", "[i32]", [s.intermediate_of(i) for i in range(s.layers)]),
            ("attention.head_count", "u32", s.heads),
            ("attention.head_count_kv", "[i32]", [s.kv_heads_of(i) for i in range(s.layers)]),
            ("attention.key_length", "u32", s.global_head_dim), ("attention.value_length", "u32", s.global_head_dim),
            ("attention.key_length_swa", "u32", s.head_dim), ("attention.value_length_swa", "u32", s.head_dim),
            ("attention.layer_norm_rms_epsilon", "f32", 1e-6), ("attention.sliding_window", "u32", s.window),
            ("attention.sliding_window_pattern", "[bool]", [not full for full in s.full]),
            ("attention.shared_kv_layers", "u32", s.shared), ("embedding_length_per_layer_input", "u32", s.per_layer),
            ("final_logit_softcapping", "f32", 30.0), ("rope.dimension_count", "u32", s.global_head_dim),
            ("rope.dimension_count_swa", "u32", s.head_dim), ("rope.freq_base", "f32", 1000000.0),
            ("rope.freq_base_swa", "f32", 10000.0)):
        yield "gemma4." + key, type_, value
    if s.experts:
        yield "gemma4.expert_count", "u32", s.experts
        yield "gemma4.expert_used_count", "u32", s.experts_used
        yield "gemma4.expert_feed_forward_length", "u32", s.expert_intermediate
    for key, type_, value in (
            ("model", "str", "gemma4"), ("tokens", "[str]", texts),
            ("scores", "[f32]", [-float(i) for i in range(len(texts))]), ("token_type", "[i32]", kinds),
            ("merges", "[str]", [a + " " + b for a, b in merges]), ("bos_token_id", "u32", 2),
            ("eos_token_id", "u32", 1), ("unknown_token_id", "u32", 3), ("padding_token_id", "u32", 0),
            ("add_bos_token", "bool", True), ("add_space_prefix", "bool", False)):
        yield "tokenizer.ggml." + key, type_, value


def write_gguf(path, kind, sizes, numbers):
    pairs = [("general.architecture", "str", "gemma4"), ("general.name", "str", f"random {sizes.name}"),
             ("general.file_type", "u32", FILE_TYPES[kind]), ("general.quantization_version", "u32", 2),
             *metadata(sizes, kind)]
    infos, bodies, at = [], [], 0

    def place(name, shape, type_, write):
        nonlocal at
        code, block_bytes = TYPES[type_]
        size = math.prod(shape) * 4 if type_ == "f32" else math.prod(shape) // BLOCK * block_bytes
        infos.append(gguf_string(name) + struct.pack("<I", len(shape)) +
                     b"".join(struct.pack("<Q", d) for d in reversed(shape)) + struct.pack("<IQ", code, at))
        bodies.append((size, write))
        at += size + -size % 32

    def pooled(name, shape, type_):
        return lambda out: numbers.write(out, name, math.prod(shape), type_)

    def vector(name, shape, fill):
        return lambda out: out.write(from_bf16(numbers.vector(name, math.prod(shape), fill)).tobytes())

    rope = np.ones(sizes.global_head_dim // 2, "<f4")
    rope[sizes.global_head_dim // 8:] = 1e30            # three quarters that proportional rope leaves alone
    place("rope_freqs.weight", rope.shape, "f32", lambda out: out.write(rope.tobytes()))
    for name, gguf, shape, fill in sizes.tensors():
        if fill in POOLED:
            place(gguf, shape, stored_as(fill, kind), pooled(name, shape, stored_as(fill, kind)))
        else:
            place(gguf, shape, "f32", vector(name, shape, fill))
    with whole(path) as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs)))
        for part in [gguf_pair(*pair) for pair in pairs] + infos:
            out.write(part)
        out.write(b"\0" * (-out.tell() % 32))
        for size, write in bodies:
            write(out)
            out.write(b"\0" * (-size % 32))


def main():
    p = argparse.ArgumentParser(usage=__doc__, add_help=False)
    p.add_argument("-h", "--help", action="store_true")
    p.add_argument("--preset", choices=sorted(PRESETS), default="e2b")
    p.add_argument("--tiny", action="store_true")
    p.add_argument("--hf")
    p.add_argument("--config")
    p.add_argument("--gguf", nargs=2, action="append", default=[])
    p.add_argument("--assistant")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    if args.help or not (args.hf or args.gguf or args.config or args.assistant) or any(kind not in FILE_TYPES for kind, _ in args.gguf):
        print(__doc__.strip())
        return 0 if args.help else 2
    sizes = Sizes(args.preset, args.tiny)
    if args.config:
        write_config(args.config, sizes)
    if not (args.hf or args.gguf or args.assistant):
        return 0
    numbers = Numbers(args.seed)
    if args.hf:
        write_hf(args.hf, sizes, numbers)
    for kind, path in args.gguf:
        write_gguf(path, kind, sizes, numbers)
    if args.assistant:
        write_assistant(args.assistant, sizes, numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
