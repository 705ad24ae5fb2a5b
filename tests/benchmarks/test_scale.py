"""The scale benchmark on a toy: vectors grow as they should, every index is measured, and exact search is exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest

from benchmarks import scale


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """As many threads afterwards as before."""
    before = faiss.omp_get_max_threads()
    yield
    faiss.omp_set_num_threads(before)


def real(count: int) -> Any:
    return scale.halves(np.random.default_rng(1).normal(size=(count, 16)).astype(np.float32))


def test_vectors_grow_in_the_encoders_shape() -> None:
    own = real(50)
    made = scale.grown(own, 400)
    assert made.shape == (400, 16)
    assert made.dtype == np.float32
    for half in (made[:, :8], made[:, 8:]):
        assert np.linalg.norm(half, axis=1) == pytest.approx(np.full(400, 0.5**0.5), abs=1e-5)
    assert {tuple(v) for v in own} == {tuple(v) for v in made[:50]}
    assert len(np.unique(made, axis=0)) == 400
    assert np.array_equal(made, scale.grown(own, 400))
    assert {tuple(v) for v in scale.grown(own, 20)} <= {tuple(v) for v in own}


def test_all_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    found = scale.measure(real(200), real(30), [300, 600], [100, 300])
    assert [(r["vectors"], r["index"]) for r in found["sizes"] if r["index"] != "HNSW, tuned"] == [
        (n, name) for n in (300, 600) for name in ("Flat", "HNSW, ours", "IVF, tuned")
    ]
    assert {r["recall"] for r in found["sizes"] if r["index"] == "Flat"} == {1.0}
    assert all(r["recall"] > 0.8 and r["mb"] > 0 and 0 < r["p50_ms"] <= r["p95_ms"] for r in found["sizes"])
    assert [r["vectors"] for r in found["crossing"]["rows"]] == [100, 300]
    said = capsys.readouterr().out
    assert "recall@60" in said
    assert "FLAT_UP_TO" in said


def test_tuning_stops_at_enough_and_at_the_most() -> None:
    class Parameters:
        value = 0

    own = Parameters()
    assert scale.tune(own, "value", 1, 100, lambda: own.value >= 5) == own.value == 6
    assert scale.tune(own, "value", 1, 10, lambda: False) == own.value == 10
