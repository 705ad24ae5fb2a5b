"""Which of a few dozen things a message describes: being stuck, a dossier returned, something that has happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from index.encoder import Encoder
from index.lexical import LexicalRetriever
from index.text import Lexicon

DENSE = 0.6
"""Share of the dense cosine in a score; the rest is the lexical one's."""


class Near(NamedTuple):
    """A thing and its score, 0 to 1."""

    id: str
    score: float


class Nearest:
    """Phrases of each thing, compared with a message by both measures; a thing counts by its best phrase."""

    def __init__(self, encoder: Encoder, lexicon: Lexicon, phrases: Mapping[str, Sequence[str]]) -> None:
        self.ids = list(phrases)
        self._encoder, self._lexicon = encoder, lexicon
        normal = [lexicon.query(text) for texts in phrases.values() for text in texts]
        self.owners = np.repeat(np.arange(len(self.ids)), [len(texts) for texts in phrases.values()]).astype(np.int32)
        self._vectors = encoder.encode([n.plain for n in normal], [n.folded for n in normal])
        self._lexical = LexicalRetriever.build([n.folded for n in normal], self.owners)

    def run(self, message: str, top: int = 3) -> list[Near]:
        """The ``top`` nearest things, best first; none for a message without a word."""
        query = self._lexicon.query(message)
        if not query.plain:
            return []
        scores = DENSE * (self._vectors @ self._encoder.encode([query.plain], [query.folded])[0])
        rows, weights = self._lexical.rows(query.folded)
        scores[rows] += (1 - DENSE) * weights
        best = np.zeros(len(self.ids), np.float32)
        np.maximum.at(best, self.owners, scores)
        return [Near(self.ids[i], float(best[i])) for i in np.argsort(-best, kind="stable")[:top]]
