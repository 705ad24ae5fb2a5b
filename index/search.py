"""From a question to procedures: candidates, ranking, and the decision answer / clarify / none."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.coverage import Coverage
from index.dense import DenseRetriever
from index.encoder import Encoder
from index.lexical import LexicalRetriever
from index.ranking import (
    CANDIDATE_FEATURES,
    LIST_FEATURES,
    VERSION,
    Decision,
    Logistic,
    Matrix,
    Ranker,
    Thresholds,
    chances,
    list_features,
)
from index.retrieval import Candidates, Retrieval, Rows
from index.text import Lexicon, Normal, lexicon
from knowledge.errors import RefusedError
from knowledge.store import FILE as CATALOGUE_FILE
from knowledge.store import Catalogue

FOLDER = "index"
ENCODER = "encoder"
ROWS = "rows.json"
OUTSIDE = "outside.npy"
RANKING = "ranking.json"

_CODE = re.compile(r"(?<![\d.])(\d\.\d{6})(?!\d)")


class Hit(NamedTuple):
    """A candidate. ``score``: probability that it is meant, if one of them is; ``matched``: the text it matched by."""

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


@dataclass(frozen=True)
class Ranking:
    """The fitted models of one release."""

    ranker: Ranker
    answerable: Logistic
    right: Logistic
    thresholds: Thresholds

    @classmethod
    def load(cls, path: Path) -> Ranking:
        """Read ``ranking.json``. Raises RefusedError when it was fitted on other features than this code computes."""
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        wanted = {"ranker": CANDIDATE_FEATURES, "answerable": LIST_FEATURES, "right": LIST_FEATURES}
        if data.get("version") != VERSION or any(len(data[k]["weights"]) != len(wanted[k]) for k in wanted):
            raise RefusedError(f"{path}: made by another version; run `make setup`, or import and build again")
        models = {k: Logistic(**data[k]) for k in ("answerable", "right")}
        return cls(Ranker(**data["ranker"]), **models, thresholds=Thresholds(**data["thresholds"]))


class Searcher:
    """Search over one release folder.

    ``Searcher(folder).run("mất giấy khai sinh giờ xin lại ở đâu").hits[0].code`` is ``"2.000635"``.
    """

    def __init__(self, release: Path) -> None:
        self.catalogue = Catalogue(release / CATALOGUE_FILE)
        folder = release / FOLDER
        self.ranking = Ranking.load(folder / RANKING)
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
            Coverage.load(folder),
            stored["need"],
            np.load(folder / OUTSIDE),
        )
        self._position = {code: i for i, code in enumerate(self.codes)}
        self._held = {code: set(texts) for code, texts in self.catalogue.phrases().items()}
        self._lock = threading.RLock()

    def learn(self, phrases: Mapping[str, Sequence[str]]) -> int:
        """Find by more ``phrases`` (code -> texts) from now on, without training; returns how many were new.

        Those that the release holds already, or whose procedure it lacks, are left out.
        """
        with self._lock:
            found = 0
            for code, texts in phrases.items():
                if (position := self._position.get(code)) is None:
                    continue
                held = self._held.setdefault(code, set())
                if new := [t for t in texts if t not in held]:
                    self.retrieval.add(position, [self.lexicon.normalise(t) for t in new])
                    held.update(new)
                    found += len(new)
            return found

    def run(self, text: str, top: int = 10) -> SearchResult:
        """The best ``top`` procedures for ``text`` and the decision. A code in the text is taken at its word."""
        if found := _CODE.search(text):
            return self._by_code(text, found[1])
        query = self.lexicon.query(text)
        if not any(c.isalpha() for c in query.plain):
            return SearchResult(text, "none")
        with self._lock:
            return self._decide(text, query, self.retrieval.run(query), top)

    def _by_code(self, text: str, code: str) -> SearchResult:
        position = self._position.get(code)
        if position is None:
            return SearchResult(text, "none")
        return SearchResult(text, "answer", [Hit(code, self.names[position], 1.0, code)], 1.0, 1.0)

    def _decide(self, text: str, query: Normal, found: Candidates, top: int) -> SearchResult:
        if not len(found.positions):
            return SearchResult(text, "none")
        utilities = self.ranking.ranker.run(found.features)
        order = np.argsort(-utilities, kind="stable")
        row, scores = list_row(utilities, order, query, found), chances(utilities)
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


def list_row(utilities: Matrix, order: NDArray[np.int64], query: Normal, found: Candidates) -> Matrix:
    """The decision's features for ``found`` ranked by ``utilities``, shape [1, k]."""
    words, first = len(query.plain.split()), found.features[order[0]]
    return np.array(
        [list_features(utilities[order], found.dense, found.lexical, found.known, found.outside, words, first)]
    )
