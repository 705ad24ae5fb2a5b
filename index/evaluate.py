"""Questions with known answers, and how well a search does on them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import ValidationError

from knowledge.errors import DataError
from knowledge.model import Strict


class Question(Strict):
    """``gold_codes``: every acceptable procedure; empty when the right answer is that there is none."""

    question: str
    gold_codes: tuple[str, ...] = ()
    slice: str = "all"


class _Result(Protocol):
    @property
    def decision(self) -> str: ...
    @property
    def hits(self) -> Sequence[Any]: ...


def load_questions(path: Path) -> list[Question]:
    """Questions of a JSON-lines file (other keys are ignored). Raises DataError with file and line."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            found.append(Question(**{k: data[k] for k in ("question", "gold_codes", "slice") if k in data}))
        except (json.JSONDecodeError, ValidationError, TypeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise DataError(f"not a question: {reason}", path, number) from error
    if not found:
        raise DataError("no question in this file", path)
    return found


def rank_of(question: Question, hits: Iterable[Any]) -> int:
    """Position (from 0) of the first acceptable hit, or a large number."""
    return next((i for i, hit in enumerate(hits) if hit.code in question.gold_codes), 10**6)


def _row(pairs: list[tuple[Question, _Result]]) -> dict[str, float]:
    real = [(q, r) for q, r in pairs if q.gold_codes]
    row: dict[str, float] = {"questions": len(pairs)}
    if real:
        ranks = np.array([rank_of(q, r.hits) for q, r in real])
        row |= {f"recall@{k}": float(np.mean(ranks < k)) for k in (1, 3, 5, 10)}
        row["mrr"] = float(np.mean(np.where(ranks < 10, 1 / (1.0 + ranks), 0)))
        row["ndcg@10"] = float(np.mean([_ndcg(q, r.hits[:10]) for q, r in real]))
        row["answered"] = float(np.mean([r.decision == "answer" for _, r in real]))
        right = [rank_of(q, r.hits) == 0 for q, r in real if r.decision == "answer"]
        row["answered_right"] = float(np.mean(right)) if right else 0.0
    said_none = [not q.gold_codes for q, r in pairs if r.decision == "none"]
    is_none = [r.decision == "none" for q, r in pairs if not q.gold_codes]
    if is_none:
        row["none_recall"] = float(np.mean(is_none))
    if said_none:
        row["none_precision"] = float(np.mean(said_none))
    if real:
        row["false_none"] = float(np.mean([r.decision == "none" for _, r in real]))
    return row


def _ndcg(question: Question, hits: Sequence[Any]) -> float:
    gains = [1 / np.log2(2 + i) for i, hit in enumerate(hits) if hit.code in question.gold_codes]
    ideal = sum(1 / np.log2(2 + i) for i in range(min(len(question.gold_codes), 10)))
    return float(sum(gains) / ideal)


def evaluate(questions: Sequence[Question], results: Sequence[_Result]) -> dict[str, dict[str, float]]:
    """Measures for all questions and by slice (recall, MRR, nDCG over questions with gold; none-precision, -recall)."""
    slices: dict[str, list[tuple[Question, _Result]]] = defaultdict(list)
    for pair in zip(questions, results, strict=True):
        slices["all"].append(pair)
        if pair[0].slice != "all":
            slices[pair[0].slice].append(pair)
    return {name: _row(pairs) for name, pairs in slices.items()}
