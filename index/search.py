"""From a question to procedures: both retrievers, fusion, and the decision answer / clarify / none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.dense import DenseRetriever
from index.encoder import Encoder
from index.lexical import LexicalRetriever
from index.ranking import CANDIDATE_FEATURES, LIST_FEATURES, Decision, Logistic, Matrix, Thresholds, list_features
from index.text import Lexicon, Normal, lexicon
from knowledge.errors import RefusedError
from knowledge.model import Level, Procedure
from knowledge.store import FILE as CATALOGUE_FILE
from knowledge.store import Catalogue

FOLDER = "index"
ENCODER = "encoder"
ROWS = "rows.json"
RANKING = "ranking.json"
DEPTH = 120
CANDIDATES = 40
RARE = 6.0
"""Weight of a word that the catalogue does not know."""

_CODE = re.compile(r"(?<![\d.])(\d\.\d{6})(?!\d)")


class Hit(NamedTuple):
    """A candidate. ``score``: the ranker's probability that it is meant; ``matched``: the text it matched by."""

    code: str
    name: str
    score: float
    matched: str


@dataclass(frozen=True)
class SearchResult:
    """Hits best first, and what to do with them. ``answerable`` and ``right`` are calibrated probabilities."""

    query: str
    decision: Decision
    hits: list[Hit] = field(default_factory=list)
    answerable: float = 0.0
    right: float = 0.0


class Candidates(NamedTuple):
    """Procedures (positions) worth ranking and their features. ``texts``: row of the text each matched by."""

    positions: NDArray[np.int64]
    features: Matrix
    texts: NDArray[np.int64]
    dense: float
    lexical: float
    known: tuple[float, float]


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
    ) -> None:
        self.encoder, self.rows, self.dense, self.lexical = encoder, rows, dense, lexical
        self._first = np.searchsorted(rows.owners, np.arange(len(procedures) + 1))
        self._vectors = dense.vectors()
        self._words = [frozenset(text.split()) for text in rows.texts]
        self._totals = [self._weigh(words) for words in self._words]
        self._fixed = np.array(
            [
                [
                    float(np.log1p(self._first[i + 1] - self._first[i])), float(Level.COMMUNE in p.levels),
                    float(Level.PROVINCE in p.levels), float(bool(p.province)),
                ]
                for i, p in enumerate(procedures)
            ]
        )  # fmt: skip

    def run(self, query: Normal) -> Candidates:
        """Candidates of both retrievers, at most ``2 * CANDIDATES`` of them."""
        vector = self.encoder.encode([query.plain], [query.folded])[0]
        dense, _ = self.dense.run(vector, DEPTH)
        rows, weights = self.lexical.rows(query.folded)
        lexical = self.lexical.best(rows, weights)
        chosen = np.union1d(_best(dense, CANDIDATES), _best(lexical, CANDIDATES))
        known = self.lexical.known(query.folded)
        if not len(chosen):
            return Candidates(chosen, np.zeros((0, 1)), chosen, 0.0, 0.0, known)
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
        covered = self._coverage(frozenset(query.folded.split()), texts)
        scores = np.column_stack(
            [
                np.maximum.reduceat(cosine, starts), np.maximum.reduceat(word, starts),
                _top3(cosine, owner, starts, counts),
                joint[best], _top3(joint, owner, starts, counts), cosine[starts], covered,
            ]
        ).astype(float)  # fmt: skip
        gaps = scores.max(axis=0) - scores
        features = np.hstack([scores, self.rows.is_phrase[texts, None], gaps, self._fixed[chosen]])
        top_dense, top_lexical = scores[:, :2].max(axis=0)
        return Candidates(chosen, features, texts, float(top_dense), float(top_lexical), known)

    def _weigh(self, words: frozenset[str]) -> float:
        return float(sum(self.lexical.weight.get(w, RARE) for w in words))

    def _coverage(self, asked: frozenset[str], rows: NDArray[np.int64]) -> Matrix:
        """[n, 2]: share of the question's words that stand in a row, and of the row's in the question, by rarity."""
        weights = {w: self.lexical.weight.get(w, RARE) for w in asked}
        total = sum(weights.values()) or 1.0
        shared = [sum([weights[w] for w in asked if w in self._words[r]]) for r in rows]
        return np.array([(s / total, s / (self._totals[r] or 1.0)) for s, r in zip(shared, rows, strict=True)])


def _top3(values: NDArray[Any], owner: NDArray[Any], starts: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Mean of each owner's three best values; ``values`` lie owner by owner."""
    sums = np.concatenate([[0.0], np.cumsum(values[np.lexsort((-values, owner))], dtype=float)])
    kept = np.minimum(3, counts)
    return np.asarray((sums[starts + kept] - sums[starts]) / kept)


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    count = min(count, len(scores))
    found = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, np.int64)
    return np.asarray(found[scores[found] > 0], np.int64)


@dataclass(frozen=True)
class Ranking:
    """The fitted models of one release."""

    ranker: Logistic
    answerable: Logistic
    right: Logistic
    thresholds: Thresholds

    @classmethod
    def load(cls, path: Path) -> Ranking:
        """Read ``ranking.json``. Raises RefusedError when it was fitted on other features than this code computes."""
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        models = {k: Logistic(**data[k]) for k in ("ranker", "answerable", "right")}
        wanted = {"ranker": CANDIDATE_FEATURES, "answerable": LIST_FEATURES, "right": LIST_FEATURES}
        if any(len(models[k].weights) != len(features) for k, features in wanted.items()):
            raise RefusedError(f"{path}: made by another version; run `make setup`, or import and build again")
        return cls(**models, thresholds=Thresholds(**data["thresholds"]))


class Searcher:
    """Search over one release folder.

    ``Searcher(folder).run("mất giấy khai sinh giờ xin lại ở đâu").hits[0].code`` is ``"2.000635"``.
    """

    def __init__(self, release: Path) -> None:
        self.catalogue = Catalogue(release / CATALOGUE_FILE)
        folder = release / FOLDER
        stored: dict[str, Any] = json.loads((folder / ROWS).read_text(encoding="utf-8"))
        self.codes: list[str] = stored["codes"]
        self.names: list[str] = stored["names"]
        self.lexicon: Lexicon = lexicon()
        owners = np.array(stored["owners"], np.int32)
        rows = Rows(stored["texts"], owners, np.array(stored["is_phrase"], bool))
        procedures = list(self.catalogue)
        self.retrieval = Retrieval(
            procedures,
            rows,
            Encoder(release / ENCODER),
            DenseRetriever.load(folder),
            LexicalRetriever.load(folder, owners),
        )
        self.ranking = Ranking.load(folder / RANKING)
        self._position = {code: i for i, code in enumerate(self.codes)}

    def run(self, text: str, top: int = 10) -> SearchResult:
        """The best ``top`` procedures for ``text`` and the decision. A code in the text is taken at its word."""
        if found := _CODE.search(text):
            return self._by_code(text, found[1])
        query = self.lexicon.normalise(text)
        if not any(c.isalpha() for c in query.plain):
            return SearchResult(text, "none")
        candidates = self.retrieval.run(query)
        return self._decide(text, query, candidates, top)

    def _by_code(self, text: str, code: str) -> SearchResult:
        position = self._position.get(code)
        if position is None:
            return SearchResult(text, "none")
        return SearchResult(text, "answer", [Hit(code, self.names[position], 1.0, code)], 1.0, 1.0)

    def _decide(self, text: str, query: Normal, found: Candidates, top: int) -> SearchResult:
        if not len(found.positions):
            return SearchResult(text, "none")
        scores = self.ranking.ranker.run(found.features)
        order = np.argsort(-scores, kind="stable")
        row = list_row(scores, order, query, found)
        answerable = float(self.ranking.answerable.run(row)[0])
        right = float(self.ranking.right.run(row)[0])
        limits = self.ranking.thresholds
        sure = right >= limits.answer
        decision: Decision = "answer" if sure else "clarify" if answerable >= limits.none else "none"
        hits = [
            Hit(self.codes[p], self.names[p], round(float(scores[i]), 4), self.retrieval.rows.texts[found.texts[i]])
            for i in order[:top]
            for p in (found.positions[i],)
        ]
        return SearchResult(text, decision, hits, answerable, right)

    def run_many(self, texts: list[str], top: int = 10) -> Iterator[SearchResult]:
        """One result a text."""
        return (self.run(text, top) for text in texts)


def list_row(scores: Matrix, order: NDArray[np.int64], query: Normal, found: Candidates) -> Matrix:
    """The decision's features for ``found`` ranked by ``scores``, shape [1, k]."""
    words, first = len(query.plain.split()), found.features[order[0]]
    return np.array([list_features(scores[order], found.dense, found.lexical, found.known, words, first)])
