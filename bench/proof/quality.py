"""How far rounded weights and rounded arithmetic are from the weights as they were trained."""
import json
import os
import struct

import numpy as np


def tensors(path):
    """The f32 tensors of a safetensors file, mapped."""
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
    return {name: np.memmap(path, "<f4", "r", 8 + size + t["data_offsets"][0], tuple(t["shape"]))
            for name, t in header.items() if name != "__metadata__"}


def log_softmax(z):
    z = z.astype(np.float64)
    z = z - z.max()
    return z - np.log(np.exp(z).sum())


def distance(reference, other):
    """Of rows of logits: KL(reference || other) in nats, its mean and 99th percentile, and how often the most likely
    token is the same."""
    kl, same = [], 0
    for p, q in zip(reference, other):
        p, q = log_softmax(p), log_softmax(q)
        kl.append(max(0.0, float((np.exp(p) * (p - q)).sum())))
        same += int(p.argmax() == q.argmax())
    return dict(rows=len(kl), kl_mean=float(np.mean(kl)), kl_99=float(np.percentile(kl, 99)), top1=same / len(kl))


def pocket_sequences(folder):
    """The prompts with their answers in expected.json, those without pictures and sound."""
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as f:
        records = json.load(f)
    return [step["input_ids"] + step["output_ids"] for record in records for step in record["steps"]
            if not step.get("soft_tokens")]


def random_sequence(vocab, n):
    return [[2, *(int(i) for i in np.random.default_rng(7).integers(300, vocab, n - 1))]]


def write_sequences(path, sequences):
    with open(path, "w") as f:
        f.writelines(" ".join(map(str, s)) + "\n" for s in sequences)
