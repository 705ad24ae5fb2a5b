"""Dense retriever: best vector a procedure, flat and HNSW alike, saved and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import dense
from index.dense import DenseRetriever


def unit(count: int, size: int, seed: int = 0) -> Any:
    made = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def owners_of(count: int, each: int) -> Any:
    return np.repeat(np.arange(-(-count // each)), each)[:count].astype(np.int32)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 1000))
def test_a_procedure_scores_as_its_best_vector(count: int, each: int, seed: int) -> None:
    vectors, owners = unit(count, 8, seed), owners_of(count, each)
    query = unit(1, 8, seed + 1)[0]
    scores, rows = DenseRetriever.build(vectors, owners).run(query, count)
    cosines = vectors @ query
    for owner in range(owners.max() + 1):
        own = np.flatnonzero(owners == owner)
        assert scores[owner] == pytest.approx(cosines[own].max(), abs=1e-5)
        assert rows[owner] in own
        assert cosines[rows[owner]] == pytest.approx(scores[owner], abs=1e-5)


def test_beyond_the_depth_nothing_is_said() -> None:
    vectors = np.eye(4, dtype=np.float32)
    scores, rows = DenseRetriever.build(vectors, np.arange(4)).run(np.array([1, 0.5, 0, 0], np.float32), 2)
    assert scores.tolist() == [1.0, 0.5, -1.0, -1.0]
    assert rows.tolist() == [0, 1, -1, -1]


def test_saved_and_read_back(tmp_path: Path) -> None:
    made = DenseRetriever.build(unit(50, 16), owners_of(50, 3))
    made.save(tmp_path)
    again = DenseRetriever.load(tmp_path)
    query = unit(1, 16, 9)[0]
    for one, other in zip(made.run(query, 20), again.run(query, 20), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(again.vectors(), unit(50, 16))
    assert again.size == made.size == 17


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> DenseRetriever:
    monkeypatch.setattr(dense, "FLAT_UP_TO", 100)
    return DenseRetriever.build(unit(3000, 24), owners_of(3000, 4))


def test_hnsw_agrees_with_exact_search(graph: DenseRetriever, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    flat = DenseRetriever.build(unit(3000, 24), owners_of(3000, 4))
    assert hasattr(graph.index, "hnsw")
    assert not hasattr(flat.index, "hnsw")
    shared = 0.0
    for query in unit(50, 24, 77):
        exact, near = flat.run(query, 40)[0], graph.run(query, 40)[0]
        assert np.argmax(exact) == np.argmax(near)
        best = set(np.argsort(-exact)[:10])
        shared += len(best & set(np.argsort(-near)[:10])) / 10
    assert shared / 50 > 0.97


def test_hnsw_is_saved_and_read_back(graph: DenseRetriever, tmp_path: Path) -> None:
    graph.save(tmp_path)
    again = DenseRetriever.load(tmp_path)
    assert again.index.hnsw.efSearch == dense.EFFORT
    query = unit(1, 24, 5)[0]
    assert np.array_equal(graph.run(query, 30)[0], again.run(query, 30)[0])
    assert np.array_equal(again.vectors(), graph.vectors())
    assert np.array_equal(graph.vectors(), unit(3000, 24))


def test_a_graph_that_finds_fewer_than_asked_credits_nobody() -> None:
    made = DenseRetriever.build(np.eye(3, dtype=np.float32), np.arange(3))

    class Short:
        ntotal = 3

        def search(self, *_: object) -> Any:
            return np.array([[0.9, -3e38, -3e38]], np.float32), np.array([[0, -1, -1]])

    made.index = Short()
    scores, rows = made.run(np.array([1, 0, 0], np.float32), 3)
    assert scores.tolist() == pytest.approx([0.9, -1, -1])
    assert rows.tolist() == [0, -1, -1]


def test_vectors_that_come_later() -> None:
    made = DenseRetriever.build(np.eye(4, dtype=np.float32)[:2], np.array([0, 1]))
    made.add(np.eye(4, dtype=np.float32)[2:3], 0)
    assert made.run(np.array([0, 0, 1, 0], np.float32), 3)[0].tolist() == pytest.approx([1, 0])


def test_a_large_graph_is_searched_more_widely(graph: DenseRetriever, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "LARGE", 3000)
    assert DenseRetriever(graph.index, graph.owners).index.hnsw.efSearch == dense.EFFORT_WHEN_LARGE
