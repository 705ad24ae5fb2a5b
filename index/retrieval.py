"""From a question to candidates: both retrievers over the same texts, and the features that ranking sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.coverage import KINDS, Coverage, pairs, words
from index.dense import DenseRetriever
from index.encoder import Encoder, Vectors
from index.lexical import LexicalRetriever
from index.ranking import Matrix
from index.text import Normal
from knowledge.model import Level, Procedure

DEPTH = 120
CANDIDATES = 40
RARE = 6.0
"""Weight of a word that the catalogue does not know."""


class Candidates(NamedTuple):
    """Procedures (positions) worth ranking and their features. ``texts``: row of the text each matched by."""

    positions: NDArray[np.int64]
    features: Matrix
    texts: NDArray[np.int64]
    dense: float
    lexical: float
    known: tuple[float, float]
    outside: tuple[float, float]
    """Cosine of the nearest message that no procedure answers, and the mean of the three nearest."""


class Rows:
    """The searchable texts: one row a name or phrase, and the procedure it belongs to."""

    def __init__(self, texts: list[str], owners: NDArray[np.int32], is_phrase: NDArray[np.bool_]) -> None:
        self.texts, self.owners, self.is_phrase = texts, owners, is_phrase

    @classmethod
    def of(cls, procedures: list[Procedure], phrases: dict[str, list[str]]) -> Rows:
        """Name, lay name and phrases of every procedure."""
        rows: list[tuple[str, int, bool]] = []
        for position, procedure in enumerate(procedures):
            rows.append((procedure.name, position, False))
            if procedure.short_name and procedure.short_name != procedure.name:
                rows.append((procedure.short_name, position, True))
            rows.extend((phrase, position, True) for phrase in phrases.get(procedure.code, ()))
        texts, owners, flags = zip(*rows, strict=True) if rows else ((), (), ())
        return cls(list(texts), np.array(owners, np.int32), np.array(flags, bool))


class Retrieval:
    """Both retrievers over the same rows, and the features that the ranker sees."""

    def __init__(
        self,
        procedures: list[Procedure],
        rows: Rows,
        encoder: Encoder,
        dense: DenseRetriever,
        lexical: LexicalRetriever,
        coverage: Coverage,
        need: Sequence[int],
        outside: Vectors,
    ) -> None:
        self.encoder, self.rows, self.dense, self.lexical, self.coverage = encoder, rows, dense, lexical, coverage
        self.outside = outside
        self._first = np.searchsorted(rows.owners, np.arange(len(procedures) + 1))
        self._vectors = dense.vectors()
        self._centres = _unit(np.add.reduceat(self._vectors, self._first[:-1]))
        self._words = [words(text) for text in rows.texts]
        self._totals = [self._weigh(held) for held in self._words]
        levels = [[Level.COMMUNE in p.levels, Level.PROVINCE in p.levels, bool(p.province)] for p in procedures]
        self._fixed = np.column_stack([np.log1p(np.diff(self._first)), np.array(levels, float), need])

    def run(self, query: Normal, aside: int = -1) -> Candidates:
        """Candidates of both retrievers, at most ``2 * CANDIDATES`` of them.

        ``aside``: row of :attr:`outside` to leave out, so that a message there can be judged as if it were new.
        """
        vector = self.encoder.encode([query.plain], [query.folded])[0]
        near = self.outside @ vector
        if aside >= 0:
            near[aside] = -1.0
        outside = np.sort(near)[-3:][::-1]
        dense, _ = self.dense.run(vector, DEPTH)
        rows, weights = self.lexical.rows(query.folded)
        lexical = self.lexical.best(rows, weights)
        chosen = np.union1d(_best(dense, CANDIDATES), _best(lexical, CANDIDATES))
        known = self.lexical.known(query.folded)
        if not len(chosen):
            return Candidates(chosen, np.zeros((0, 1)), chosen, 0.0, 0.0, known, _of_outside(outside))
        counts = self._first[chosen + 1] - self._first[chosen]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        every = np.arange(counts.sum()) + np.repeat(self._first[chosen] - starts, counts)
        cosine = self._vectors[every] @ vector
        word = np.zeros(len(self.rows.texts), np.float32)
        word[rows] = weights
        word = word[every]
        joint = cosine + 0.5 * word
        owner = np.repeat(np.arange(len(chosen)), counts)
        best = np.lexsort((-joint, owner))[starts]
        texts = every[best]
        asked = words(query.folded)
        covered = self._coverage(asked, texts)
        terms = {"words": asked, "pairs": pairs(query.folded), "record": asked}
        whole = np.column_stack([self.coverage.run(kind, terms[kind])[chosen] for kind in KINDS])
        scores = np.column_stack(
            [
                np.maximum.reduceat(cosine, starts), np.maximum.reduceat(word, starts),
                _top3(cosine, owner, starts, counts),
                joint[best], _top3(joint, owner, starts, counts), cosine[starts], covered,
                self._centres[chosen] @ vector, whole,
            ]
        ).astype(float)  # fmt: skip
        gaps = scores.max(axis=0) - scores
        features = np.hstack([scores, self.rows.is_phrase[texts, None], gaps, self._fixed[chosen]])
        top_dense, top_lexical = scores[:, :2].max(axis=0)
        return Candidates(chosen, features, texts, float(top_dense), float(top_lexical), known, _of_outside(outside))

    def add(self, position: int, texts: Sequence[Normal]) -> None:
        """Make more phrases of one procedure findable, at once and without training anything."""
        at, count = int(self._first[position + 1]), len(texts)
        folded = [t.folded for t in texts]
        vectors = self.encoder.encode([t.plain for t in texts], folded)
        held = [words(text) for text in folded]
        self._vectors = np.insert(self._vectors, at, vectors, axis=0)  # a copy, before the index moves what was seen
        self.dense.add(vectors, position)
        self.lexical.add(folded, at, position)
        for kind, of in (("words", words), ("pairs", pairs)):
            self.coverage.add(kind, position, frozenset().union(*map(of, folded)))
        rows = self.rows
        self.rows = Rows(
            [*rows.texts[:at], *folded, *rows.texts[at:]],
            np.insert(rows.owners, at, [position] * count),
            np.insert(rows.is_phrase, at, [True] * count),
        )
        self._words[at:at] = held
        self._totals[at:at] = map(self._weigh, held)
        self._first[position + 1 :] += count
        own = slice(self._first[position], self._first[position + 1])
        self._centres[position] = _unit(self._vectors[own].sum(axis=0, keepdims=True))[0]
        self._fixed[position, 0] = np.log1p(own.stop - own.start)

    def _weigh(self, held: frozenset[str]) -> float:
        return float(sum(self.lexical.weight.get(w, RARE) for w in held))

    def _coverage(self, asked: frozenset[str], rows: NDArray[np.int64]) -> Matrix:
        """[n, 2]: share of the question's words that stand in a row, and of the row's in the question, by rarity."""
        weights = {w: self.lexical.weight.get(w, RARE) for w in asked}
        total = sum(weights.values()) or 1.0
        shared = [sum([weights[w] for w in asked if w in self._words[r]]) for r in rows]
        return np.array([(s / total, s / (self._totals[r] or 1.0)) for s, r in zip(shared, rows, strict=True)])


def _of_outside(nearest: NDArray[np.float32]) -> tuple[float, float]:
    return (float(nearest[0]), float(nearest.mean())) if len(nearest) else (0.0, 0.0)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9), np.float32)


def _top3(values: NDArray[Any], owner: NDArray[Any], starts: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Mean of each owner's three best values; ``values`` lie owner by owner."""
    sums = np.concatenate([[0.0], np.cumsum(values[np.lexsort((-values, owner))], dtype=float)])
    kept = np.minimum(3, counts)
    return np.asarray((sums[starts + kept] - sums[starts]) / kept)


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    count = min(count, len(scores))
    found = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, np.int64)
    return np.asarray(found[scores[found] > 0], np.int64)
