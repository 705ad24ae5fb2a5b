"""Finding the procedure: ours beside BM25, TF-IDF and e5 over the official names, on questions with known answers.

All methods see the same questions and the same procedures in one run, one after another in one thread. An interval is
the middle 95% of 1,000 resamples of the questions (fixed seed).
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.e5 import E5, FUSED, fused
from benchmarks.report import ROOT, curve, emit, outside, progress, quantile, table
from bot.settings import settings
from index.analysis import outcomes, reliability, risk_coverage
from index.evaluate import Question, evaluate, load_questions
from index.retrieval import DEPTH
from index.search import Searcher, SearchResult
from index.text import fold
from knowledge.release import Releases, read_manifest

OWN = ROOT / "index" / "questions" / "test.jsonl"
OTHERS = "dev-questions.jsonl"
OURS = "ours (Searcher)"
TOP = 10
RESAMPLES, SEED = 1_000, 5299
SHARES = tuple(i / 10 for i in range(2, 11))
"""Shares of questions answered at which the risk is told."""
_WORD = re.compile(r"\w+")
Array = NDArray[Any]
Method = Callable[[str], Sequence[int]]
"""Positions of the best procedures for a question, best first, at most :data:`TOP`."""


def best(scores: Array, count: int = TOP) -> list[int]:
    """Positions of the highest scores above zero, best first; at equal scores the earlier one."""
    return [int(i) for i in np.argsort(-scores, kind="stable")[:count] if scores[i] > 0]


def bm25(texts: Sequence[str], owners: Array, form: Callable[[str], str], count: int = TOP) -> Method:
    """BM25 (bm25s, its defaults: k1 1.5, b 0.75) over words; a procedure scores as its best text."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.ERROR)
    model = bm25s.BM25()
    model.index([_WORD.findall(text) for text in texts], show_progress=False)
    size = int(owners.max()) + 1

    def run(question: str) -> list[int]:
        words = _WORD.findall(form(question))
        scores = np.zeros(size, np.float32)
        if words:
            np.maximum.at(scores, owners, model.get_scores(words))
        return best(scores, count)

    return run


def tfidf(names: Sequence[str]) -> Method:
    """TF-IDF (sklearn) over words and word pairs of folded names, cosine."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", dtype=np.float32)
    by_term = vectorizer.fit_transform([fold(name) for name in names]).T.tocsr()
    return lambda question: best((vectorizer.transform([fold(question)]) @ by_term).toarray()[0])


def methods(searcher: Searcher, e5: E5 | None = None) -> dict[str, Method]:
    """The rivals and our parts, each from a question as typed to positions of procedures; without ``e5`` not that."""
    normal, parts = searcher.lexicon.query, searcher.retrieval
    every = np.arange(len(searcher.names))
    names = [fold(name) for name in searcher.names]

    def dense(question: str) -> list[int]:
        query = normal(question)
        return best(parts.dense.run(parts.encoder.encode([query.plain], [query.folded])[0], DEPTH)[0])

    rivals: dict[str, Method] = {
        "BM25, names": bm25(names, every, fold),
        "TF-IDF 1–2-grams, names": tfidf(searcher.names),
    }
    if e5:
        lexical = bm25(names, every, fold, FUSED)
        rivals["e5-small, names"] = lambda question: e5.best(question, TOP)
        rivals["e5-small + BM25 by RRF, names"] = fused(lambda question: e5.best(question, FUSED), lexical, TOP)
    return {
        **rivals,
        "BM25, our phrases and lexicon": bm25(parts.rows.texts, parts.rows.owners, lambda q: normal(q).folded),
        "our lexical alone": lambda question: best(parts.lexical.run(normal(question).folded)),
        "our dense alone": dense,
    }


def rank_measures(ranks: Array) -> dict[str, Array]:
    """What each question gives to recall@1, recall@5 and MRR (the first :data:`TOP` count)."""
    return {"recall@1": ranks < 1, "recall@5": ranks < 5, "mrr": np.where(ranks < TOP, 1 / (1.0 + ranks), 0.0)}


def interval(values: Array) -> tuple[float, float]:
    """Middle 95% of the mean over resampled questions."""
    rng = np.random.default_rng(SEED)
    means = [float(values[rng.integers(0, len(values), len(values))].mean()) for _ in range(RESAMPLES)]
    return quantile(means, 0.025), quantile(means, 0.975)


def timed(run: Callable[[str], Any], questions: Sequence[str]) -> tuple[list[Any], list[float]]:
    """Answers to all questions and the milliseconds of each; the first few are asked once before."""
    for question in questions[:20]:
        run(question)
    answers, taken = [], []
    for question in questions:
        began = time.perf_counter()
        answers.append(run(question))
        taken.append((time.perf_counter() - began) * 1e3)
    return answers, taken


def measure(
    searcher: Searcher, asked: Sequence[Question], unanswerable: Sequence[Question], e5: E5 | None = None
) -> dict[str, Any]:
    """Every method on ``asked`` (with gold); ours also by slice, and its decision with ``unanswerable`` added."""
    position = {code: i for i, code in enumerate(searcher.codes)}
    gold = [{position[c] for c in q.gold_codes if c in position} for q in asked]
    texts = [q.question for q in asked]
    found: dict[str, Any] = {"questions": len(asked), "methods": {}}
    each: dict[str, Array] = {}
    runs: dict[str, Callable[[str], Any]] = {**methods(searcher, e5), OURS: lambda q: searcher.run(q, TOP)}
    for name, run in runs.items():
        progress(f"{name}…")
        answers, taken = timed(run, texts)
        if name == OURS:
            results: list[SearchResult] = answers
            answers = [[position[hit.code] for hit in result.hits] for result in results]
        each[name] = np.array(
            [next((i for i, p in enumerate(a) if p in g), 10**6) for a, g in zip(answers, gold, strict=True)]
        )
        row: dict[str, Any] = {"p50_ms": quantile(taken, 0.5), "p95_ms": quantile(taken, 0.95)}
        for key, values in rank_measures(each[name]).items():
            row[key], row[f"{key}_interval"] = float(values.mean()), interval(values)
        found["methods"][name] = row
    rivals = [name for name in found["methods"] if name.endswith("names")]
    rival = max(rivals, key=lambda name: float(found["methods"][name]["recall@1"]))
    gain = (each[OURS] < 1).astype(float) - (each[rival] < 1)
    found["gain"] = {"over": rival, "recall@1": float(gain.mean()), "interval": interval(gain)}
    everything = [*asked, *unanswerable]
    told = [*results, *searcher.run_many([q.question for q in unanswerable], TOP)]
    found["slices"] = evaluate(everything, told)
    judged = outcomes(everything, told, searcher.codes)
    stated, right = (np.array([float(of(o)) for o in judged]) for of in (lambda o: o.result.right, lambda o: o.right))
    found["reliability"] = [b._asdict() for b in reliability(stated, right)]
    points = risk_coverage(stated, right)
    found["risk"] = [(share, min(points, key=lambda point: abs(point[0] - share))[1]) for share in SHARES]
    return found


def others_questions(path: Path) -> list[Question]:
    """Questions by others; slice: their origin. Those without a code are unlabelled (not "none") and left out."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Question(question=d["question"], gold_codes=tuple(d["gold_codes"]), slice=str(d.get("origin") or "all"))
        for d in lines
        if d["gold_codes"]
    ]


def show(title: str, note: str, found: dict[str, Any]) -> None:
    """Print one set's tables."""
    emit(f"### {title}\n\n{note}\n")
    rows = []
    for name, row in found["methods"].items():
        cells = [f"{row[k]:.3f} ({row[f'{k}_interval'][0]:.3f}–{row[f'{k}_interval'][1]:.3f})" for k in (
            "recall@1", "recall@5", "mrr")]  # fmt: skip
        rows.append([name, *cells, f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}"])
    emit(table(("method", "recall@1 (95%)", "recall@5 (95%)", "MRR (95%)", "p50 ms", "p95 ms"), rows))
    gain = found["gain"]
    emit(
        f"Ours over {gain['over']}, question by question: recall@1 {gain['recall@1']:+.3f} "
        f"({gain['interval'][0]:+.3f} to {gain['interval'][1]:+.3f}).\n"
    )
    keys = ("recall@1", "recall@5", "mrr", "answered", "answered_right", "false_none", "none_recall")
    rows = [
        [name, int(row["questions"]), *(f"{row[k]:.3f}" if k in row else "–" for k in keys)]
        for name, row in found["slices"].items()
    ]
    emit(table(("ours by slice", "questions", *keys), rows))
    emit("How far the stated probability that the first one is right can be trusted:\n")
    bins = found["reliability"]
    emit(curve("stated", [b["stated"] for b in bins], {"came true": [b["real"] for b in bins]}))
    cells = [(f"{b['stated']:.2f}", f"{b['real']:.2f} ({b['low']:.2f}–{b['high']:.2f})", b["questions"]) for b in bins]
    emit(table(("stated", "came true (95%)", "questions"), cells))
    emit("Answering the surest first, how many of the answers are wrong:\n")
    shares, risks = zip(*found["risk"], strict=True)
    emit(curve("share answered", shares, {"wrong among them": risks}))
    emit(table(("answered", *(f"{s:.0%}" for s in shares)), [("wrong", *(f"{r:.3f}" for r in risks))]))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the published release; print tables; return all figures."""
    import torch
    from threadpoolctl import threadpool_limits

    release = Releases(settings().home).current()
    manifest = read_manifest(release)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"release": manifest.id, "procedures": manifest.procedures, "imported": manifest.imported}
    emit(f"## Retrieval\n\nRelease {manifest.id}: {manifest.procedures} procedures, {manifest.imported} imported.\n")
    note = "For reporting only (index/questions/README.md)."
    sets = [("own", "The project's own test questions", note, load_questions(OWN))]
    if path := outside(OTHERS):
        note = "Labels partly matched fuzzily or made by AI: good for comparing methods, not for what people meet."
        sets.append(("others", "Questions by others", note, others_questions(path)))
    else:
        emit(f"Questions by others: skipped, no {OTHERS} in the data folder (TTHC_SHARED).\n")
    with threadpool_limits(1):
        searcher = Searcher(release)
        held = set(searcher.codes)
        e5 = None
        if not args.no_e5:
            progress("e5-small: names…")
            began = time.perf_counter()
            e5 = E5(searcher.names)
            found["e5_names_seconds"] = round(time.perf_counter() - began, 1)
            emit(
                f"e5-small: put together, and {len(searcher.names)} names encoded, in {found['e5_names_seconds']} s.\n"
            )
        for key, title, note, questions in sets:
            gold = [q for q in questions if q.gold_codes]
            asked = [q for q in gold if held & set(q.gold_codes)]
            none = [q for q in questions if not q.gold_codes]
            left = len(gold) - len(asked)
            note += f" {len(asked)} questions with an answer in this release, {len(none)} that nothing answers"
            note += f"; {left} left out because their procedures are not in this release." if left else "."
            if asked:
                found[key] = measure(searcher, asked, none, e5)
                show(title, note, found[key])
    return found
