"""How much of a question the whole of a procedure covers: its phrases together, and the text of its record.

A question often borrows words from several phrases at once ("mất", "xe", "người mua ở tỉnh khác"), which no single text
holds. A share is of the question's terms, weighted by how few procedures have them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from index.text import Lexicon
from knowledge.model import Procedure

FILE = "coverage.npz"
VOCABULARY = "coverage.json"
KINDS = ("words", "pairs", "record")
"""Words of the names and phrases, their word pairs, words of the record."""
LONGEST = {"requirements": 600, "document": 200, "step": 400}
"""Characters of a record's longer parts that are read; what follows is rarely about the matter itself."""
UNKNOWN = {"words": 9.0, "pairs": 0.0, "record": 9.0}
"""Weight of a term that no procedure has; an unknown pair says nothing."""
Shares = NDArray[np.float32]


def words(folded: str) -> frozenset[str]:
    """The different words of a folded text."""
    return frozenset(folded.split())


def pairs(folded: str) -> frozenset[str]:
    """The different word pairs of a folded text."""
    return frozenset(f"{a} {b}" for a, b in pairwise(folded.split()))


def record_words(procedure: Procedure, lexicon: Lexicon) -> frozenset[str]:
    """Words of a record's name, field, results, conditions, papers and first steps."""
    parts = [procedure.name, procedure.short_name, procedure.summary, procedure.field, *procedure.results]
    parts += [procedure.requirements[: LONGEST["requirements"]], *procedure.cases[:8], *procedure.applicants]
    parts += [d.name[: LONGEST["document"]] for d in procedure.documents[:12]]
    parts += [step[: LONGEST["step"]] for step in procedure.steps[:4]]
    return words(lexicon.normalise(" ".join(parts)).folded)


class Coverage:
    """Which procedures have which terms.

    >>> held = Coverage.build({"words": [words("mat xe"), words("mua xe cu")]}, 2)
    >>> [round(float(share), 2) for share in held.run("words", words("mat xe"))]
    [1.0, 0.39]
    """

    def __init__(self, terms: Mapping[str, dict[str, int]], holds: Mapping[str, sparse.csr_matrix]) -> None:
        self._terms, self._holds = dict(terms), dict(holds)
        self._weights = {kind: self._weigh(matrix) for kind, matrix in holds.items()}

    @classmethod
    def build(cls, held: Mapping[str, Sequence[Collection[str]]], size: int) -> Coverage:
        """``held``: kind -> the terms of each of ``size`` procedures."""
        terms, matrices = {}, {}
        for kind, each in held.items():
            known = {term: i for i, term in enumerate(sorted(set().union(*each)))}
            at = [(known[t], owner) for owner, own in enumerate(each) for t in own]
            rows, owners = np.array(at, np.int64).reshape(-1, 2).T
            ones = np.ones(len(rows), np.float32)
            terms[kind], matrices[kind] = known, sparse.csr_matrix((ones, (rows, owners)), (len(known), size))
        return cls(terms, matrices)

    def run(self, kind: str, asked: Collection[str]) -> Shares:
        """Share of ``asked`` that each procedure has, 0–1, by rarity; zeros when nothing asked weighs anything."""
        known, weights, matrix = self._terms[kind], self._weights[kind], self._holds[kind]
        rows = [known[t] for t in sorted(asked) if t in known]
        total = float(weights[rows].sum()) + UNKNOWN[kind] * (len(asked) - len(rows))
        shares = np.zeros(matrix.shape[1], np.float32)
        for row in rows:
            shares[matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]] += weights[row]
        return np.asarray(shares / (total or 1.0), np.float32)

    def add(self, kind: str, owner: int, new: frozenset[str]) -> None:
        """Give one procedure more terms."""
        known, matrix = self._terms[kind], self._holds[kind]
        for term in sorted(new - known.keys()):
            known[term] = len(known)
        grown = matrix.copy()
        grown.resize(len(known), matrix.shape[1])
        rows = [known[t] for t in new]
        one = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, [owner] * len(rows))), grown.shape)
        self._holds[kind] = sparse.csr_matrix(grown.maximum(one))
        self._weights[kind] = self._weigh(self._holds[kind])

    @staticmethod
    def _weigh(matrix: sparse.csr_matrix) -> Shares:
        having = np.maximum(np.diff(matrix.indptr), 1)
        return np.asarray(np.log1p(matrix.shape[1] / having), np.float32)

    def save(self, folder: Path) -> None:
        """Write terms and matrices."""
        arrays: dict[str, Any] = {}
        for kind, matrix in self._holds.items():
            arrays |= {f"{kind}_indices": matrix.indices.astype(np.int32), f"{kind}_indptr": matrix.indptr}
        np.savez_compressed(folder / FILE, size=next(iter(self._holds.values())).shape[1], **arrays)
        content = {kind: sorted(known, key=known.__getitem__) for kind, known in self._terms.items()}
        (folder / VOCABULARY).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Coverage:
        """Read what :meth:`save` wrote."""
        content = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        arrays = np.load(folder / FILE)
        size, holds = int(arrays["size"]), {}
        for kind, terms in content.items():
            indices, starts = arrays[f"{kind}_indices"], arrays[f"{kind}_indptr"]
            holds[kind] = sparse.csr_matrix((np.ones(len(indices), np.float32), indices, starts), (len(terms), size))
        return cls({kind: {t: i for i, t in enumerate(terms)} for kind, terms in content.items()}, holds)
