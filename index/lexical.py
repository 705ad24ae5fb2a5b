"""Lexical retriever: TF-IDF over folded words and word pairs; a procedure scores as its best text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

FILE = "lexical.npz"
VOCABULARY = "lexical.json"


def _vectorizer(vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer="word", tokenizer=str.split, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True,
        dtype=np.float32, lowercase=False, vocabulary=vocabulary,
    )  # fmt: skip


class LexicalRetriever:
    """Sparse cosine over words without diacritics.

    >>> retriever = LexicalRetriever.build(["dang ky khai sinh", "cap ho chieu"], np.array([0, 1]))
    >>> int(np.argmax(retriever.run("lam khai sinh")))
    0
    """

    def __init__(self, vectorizer: TfidfVectorizer, by_term: sparse.csr_matrix, owners: NDArray[np.int32]) -> None:
        self.vectorizer, self.by_term, self.owners = vectorizer, by_term, owners
        self.size = int(owners.max()) + 1 if len(owners) else 0
        self.weight = dict(zip(vectorizer.get_feature_names_out(), vectorizer.idf_, strict=True))

    @classmethod
    def build(cls, texts: Sequence[str], owners: NDArray[np.int32]) -> LexicalRetriever:
        """``texts``: folded; ``owners``: the procedure's position for each."""
        vectorizer = _vectorizer()
        matrix = vectorizer.fit_transform(texts)
        return cls(vectorizer, sparse.csr_matrix(matrix.T), np.asarray(owners, np.int32))

    def add(self, texts: Sequence[str], at: int, owner: int) -> None:
        """More texts of one procedure, as rows ``at`` and following; words that are new weigh as much as rare ones."""
        vocabulary = dict(self.vectorizer.vocabulary_)
        idf = self.vectorizer.idf_
        for term in sorted(set().union(*map(self.vectorizer.build_analyzer(), texts)) - vocabulary.keys()):
            vocabulary[term] = len(vocabulary)
        rare = float(np.log((1 + self.by_term.shape[1]) / 2) + 1)
        idf = np.append(idf, np.full(len(vocabulary) - len(idf), rare))
        self.vectorizer = _vectorizer(vocabulary)
        self.vectorizer.idf_ = idf
        new = self.vectorizer.transform(texts).T.tocsc()
        grown = self.by_term.tocsc()
        grown.resize(len(vocabulary), grown.shape[1])
        self.by_term = sparse.hstack([grown[:, :at], new, grown[:, at:]]).tocsr()
        self.owners = np.insert(self.owners, at, [owner] * len(texts))
        self.weight = dict(zip(vocabulary, idf, strict=True))

    def save(self, folder: Path) -> None:
        """Write the matrix and the vocabulary with its weights."""
        sparse.save_npz(folder / FILE, self.by_term)
        terms = self.vectorizer.get_feature_names_out().tolist()
        content = {"terms": terms, "idf": [round(float(x), 6) for x in self.vectorizer.idf_]}
        (folder / VOCABULARY).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, owners: NDArray[np.int32]) -> LexicalRetriever:
        """Read what :meth:`save` wrote."""
        content = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        vectorizer = _vectorizer({term: i for i, term in enumerate(content["terms"])})
        vectorizer.idf_ = np.array(content["idf"])
        return cls(vectorizer, sparse.load_npz(folder / FILE).tocsr(), owners)

    def rows(self, folded: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows that share a word with the query, and their cosines."""
        found = (self.vectorizer.transform([folded]) @ self.by_term).tocoo()
        return np.asarray(found.col, np.int64), np.asarray(found.data, np.float32)

    def run(self, folded: str) -> NDArray[np.float32]:
        """Best cosine of each procedure, 0 where no word is shared."""
        return self.best(*self.rows(folded))

    def best(self, rows: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Best cosine of each procedure among what :meth:`rows` found."""
        scores = np.zeros(self.size, np.float32)
        np.maximum.at(scores, self.owners[rows], weights)
        return scores

    def known(self, folded: str) -> tuple[float, float]:
        """(share of the words that the catalogue knows, mean rarity of those it knows)."""
        words = folded.split()
        weights = [self.weight[w] for w in words if w in self.weight]
        return (len(weights) / len(words) if words else 0.0), (float(np.mean(weights)) if weights else 0.0)
