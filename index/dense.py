"""Dense retriever: every name and phrase is a vector in FAISS; a procedure scores as its best vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.encoder import Vectors

FILE = "dense.faiss"
OWNERS = "owners.npy"
FLAT_UP_TO = 6_000
"""Vectors up to which exact search is as quick as HNSW (docs/benchmarks.md)."""
LINKS, EFFORT = 24, 160
LARGE, EFFORT_WHEN_LARGE = 200_000, 360
"""From so many vectors on a search looks at more of the graph, to find as many of the nearest."""


class DenseRetriever:
    """Inner-product search over unit vectors, several of them a procedure: exact while they are few, else HNSW.

    >>> retriever = DenseRetriever.build(np.eye(3, dtype=np.float32), np.array([0, 0, 1]))
    >>> scores, rows = retriever.run(np.array([0.0, 0.0, 1.0], np.float32), 2)
    >>> int(np.argmax(scores)), int(rows[1])
    (1, 2)
    """

    def __init__(self, index: faiss.Index, owners: NDArray[np.int32]) -> None:
        faiss.omp_set_num_threads(1)  # a search is too short to be worth sharing out
        self.index, self.owners = index, owners
        if hasattr(index, "hnsw"):
            index.hnsw.efSearch = EFFORT if index.ntotal < LARGE else EFFORT_WHEN_LARGE
        self.size = int(owners.max()) + 1 if len(owners) else 0

    @classmethod
    def build(cls, vectors: Vectors, owners: NDArray[np.int32]) -> DenseRetriever:
        """``vectors`` [n, d] float32, unit length; ``owners`` [n]: the procedure's position for each."""
        index: Any
        if len(vectors) <= FLAT_UP_TO:
            index = faiss.IndexFlatIP(vectors.shape[1])
        else:
            index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = EFFORT
        index.add(vectors)
        return cls(index, np.asarray(owners, np.int32))

    def add(self, vectors: Vectors, owner: int) -> None:
        """More vectors of one procedure; their rows follow all others."""
        self.index.add(vectors)
        self.owners = np.append(self.owners, np.full(len(vectors), owner, np.int32))

    def save(self, folder: Path) -> None:
        """Write the index and the owners."""
        faiss.write_index(self.index, str(folder / FILE))
        np.save(folder / OWNERS, self.owners)

    @classmethod
    def load(cls, folder: Path) -> DenseRetriever:
        """Read what :meth:`save` wrote."""
        return cls(faiss.read_index(str(folder / FILE)), np.load(folder / OWNERS))

    def vectors(self) -> Vectors:
        """All vectors, [n, d], as a view of the index: valid as long as this retriever lives and nothing is added."""
        held: Any = faiss.downcast_index(self.index.storage) if hasattr(self.index, "storage") else self.index
        flat = faiss.rev_swig_ptr(held.get_xb(), held.ntotal * held.d)
        return np.asarray(flat, np.float32).reshape(held.ntotal, held.d)

    def run(self, query: Vectors, depth: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Best cosine of each procedure among the ``depth`` nearest vectors (-1: none is), and that vector's row."""
        found, rows = self.index.search(query.reshape(1, -1), min(depth, self.index.ntotal))
        scores = np.full(self.size, -1.0, np.float32)
        best = np.full(self.size, -1, np.int64)
        for score, row in zip(found[0][::-1], rows[0][::-1], strict=True):
            if row < 0:  # a graph may reach fewer vectors than asked for
                continue
            owner = self.owners[row]
            scores[owner], best[owner] = score, row
        return scores, best
