"""What each part of the search brings: the ranking fitted again without it, on the project's own questions.

Every variant is fitted on the tuning questions and measured on the test questions of the published release; the encoder
stays the same. Differences are question by question against the whole, with the middle 95% of 1,000 resamples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import emit, progress, table
from benchmarks.retrieval import OWN, Array, interval
from bot.settings import settings
from index.build import QUESTIONS
from index.coverage import KINDS
from index.evaluate import Question, load_questions
from index.ranking import CANDIDATE_FEATURES, Logistic, Ranker
from index.retrieval import Candidates
from index.search import Searcher
from index.text import Normal
from knowledge.release import Releases

WHOLE = "everything"
COVERAGE = tuple(f"{kind}_covered" for kind in KINDS)
DROPPED: dict[str, tuple[str, ...]] = {
    "without what the whole procedure covers": COVERAGE,
    "without words of the record": ("record_covered",),
    "without the centre of its vectors": ("centre",),
    "without word pairs": ("pairs_covered",),
    "without coverage by the best text": ("query_covered", "text_covered"),
    "without the mean of the three best": ("dense_top3", "joint_top3"),
    "without lexical scores": ("lexical", "joint", "joint_top3"),
    "without dense scores": ("dense", "dense_top3", "joint", "joint_top3", "name", "centre"),
    "without need": ("need",),
    "without level, province, need, number of texts": ("texts", "commune", "province", "local", "need"),
}
Asked = list[tuple[Candidates, Array]]
"""Candidates of each question and which of them are right."""


def ask(searcher: Searcher, questions: Sequence[Question], form: Callable[[str], Normal]) -> Asked:
    """Candidates for questions with an answer in the release."""
    position = {code: i for i, code in enumerate(searcher.codes)}
    found = []
    for question in questions:
        gold = [position[c] for c in question.gold_codes if c in position]
        if gold:
            candidates = searcher.retrieval.run(form(question.question))
            found.append((candidates, np.isin(candidates.positions, gold)))
    return found


def kept(dropped: Sequence[str]) -> Array:
    """Positions of the features that stay; a dropped one takes its gap along."""
    gone = {*dropped, *(f"{name}_gap" for name in dropped)}
    return np.array([i for i, name in enumerate(CANDIDATE_FEATURES) if name not in gone])


def ranks(fit: Asked, asked: Asked, columns: Array, *, pointwise: bool = False) -> Array:
    """Position of the first right procedure of each question in ``asked``, large where it is no candidate."""
    able = [(c.features[:, columns], right) for c, right in fit if right.any()]
    lists, labels = [x for x, _ in able], [y for _, y in able]
    model: Any = (
        Logistic.fit(np.vstack(lists), np.concatenate(labels).astype(int)) if pointwise else Ranker.fit(lists, labels)
    )
    found = []
    for candidates, right in asked:
        order = np.argsort(-model.run(candidates.features[:, columns]), kind="stable") if len(right) else right
        hit = np.flatnonzero(right[order]) if len(right) else order
        found.append(int(hit[0]) if len(hit) else 10**6)
    return np.array(found)


def run(_: argparse.Namespace) -> dict[str, Any]:
    """Measure every variant; print a table; return all figures."""
    searcher = Searcher(Releases(settings().home).current())
    tuning, test = load_questions(Path(QUESTIONS)), load_questions(OWN)
    words = searcher.lexicon
    progress("candidates…")
    fit, asked = (ask(searcher, questions, words.query) for questions in (tuning, test))
    whole = kept(())
    variants = {WHOLE: ranks(fit, asked, whole)}
    for name, dropped in DROPPED.items():
        progress(name)
        variants[name] = ranks(fit, asked, kept(dropped))
    variants["a logistic model instead of the conditional logit"] = ranks(fit, asked, whole, pointwise=True)
    plain = [ask(searcher, questions, words.normalise) for questions in (tuning, test)]
    variants["aspect words and chatter left in the question"] = ranks(plain[0], plain[1], whole)
    alone = kept([f for f in CANDIDATE_FEATURES if f not in ("dense", "lexical", "dense_gap", "lexical_gap")])
    variants["two scores alone: dense and lexical"] = ranks(fit, asked, alone)
    rows, figures = [], {}
    base = variants[WHOLE]
    for name, found in variants.items():
        figures[name] = {f"recall@{k}": float((found < k).mean()) for k in (1, 5)}
        low, high = interval((found < 1).astype(float) - (base < 1))
        change = float((found < 1).mean() - (base < 1).mean())
        figures[name] |= {"change": change, "interval": (low, high)}
        told = "–" if name == WHOLE else f"{change:+.3f} ({low:+.3f} to {high:+.3f})"
        rows.append([name, f"{figures[name]['recall@1']:.3f}", f"{figures[name]['recall@5']:.3f}", told])
    emit(f"## What each part brings\n\n{len(asked)} test questions; the encoder is the same in all.\n")
    emit(table(("ranking", "recall@1", "recall@5", "recall@1 against everything"), rows))
    return figures
