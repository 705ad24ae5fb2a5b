"""Lexical retriever: shared words count, rare ones more; saved and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.lexical import LexicalRetriever

TEXTS = ["dang ky khai sinh", "dang ky ket hon", "dang ky tam tru", "giay khai sinh", "cap ho chieu"]
OWNERS = np.array([0, 1, 2, 0, 3], np.int32)


@pytest.fixture
def retriever() -> LexicalRetriever:
    return LexicalRetriever.build(TEXTS, OWNERS)


def test_the_best_text_counts(retriever: LexicalRetriever) -> None:
    scores = retriever.run("khai sinh")
    assert scores.shape == (4,)
    assert np.argmax(scores) == 0
    assert scores[3] == 0
    rows, weights = retriever.rows("khai sinh")
    assert set(rows) == {0, 3}
    assert scores[0] == pytest.approx(weights.max())


def test_the_same_text_has_cosine_one_and_an_unknown_one_none(retriever: LexicalRetriever) -> None:
    assert retriever.run("cap ho chieu")[3] == pytest.approx(1)
    assert retriever.run("nuoi trau").tolist() == [0, 0, 0, 0]
    assert retriever.run("").tolist() == [0, 0, 0, 0]


def test_rare_words_weigh_more(retriever: LexicalRetriever) -> None:
    assert np.argmax(retriever.run("dang ky ho chieu")) == 3
    assert retriever.weight["chieu"] > retriever.weight["dang"]


def test_what_is_known_of_a_question(retriever: LexicalRetriever) -> None:
    assert retriever.known("khai sinh trau bo")[0] == 0.5
    assert retriever.known("chieu")[1] > retriever.known("dang")[1]
    assert retriever.known("trau") == (0.0, 0.0)
    assert retriever.known("") == (0.0, 0.0)


def test_saved_and_read_back(retriever: LexicalRetriever, tmp_path: Path) -> None:
    retriever.save(tmp_path)
    again = LexicalRetriever.load(tmp_path, OWNERS)
    for query in ("khai sinh", "dang ky", "ho chieu moi", "", "trau"):
        assert again.run(query) == pytest.approx(retriever.run(query), abs=1e-5)
        assert again.known(query) == pytest.approx(retriever.known(query), abs=1e-5)
