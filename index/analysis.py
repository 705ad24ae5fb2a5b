"""What lies behind the measures: worst questions, confused procedures, calibration, intervals; as numbers and text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.evaluate import Question, rank_of
from index.search import SearchResult

BINS = 10
RESAMPLES, SEED = 1000, 5299
OFFERED = 4
"""So many procedures the bot names when it asks back."""
Values = NDArray[np.float64]
Fault = Literal["told wrong", "said none", "asked in vain", "asked for nothing"]

FAULTS: tuple[Fault, ...] = ("told wrong", "said none", "asked in vain", "asked for nothing")
"""Worst first."""


@dataclass(frozen=True)
class Outcome:
    """A question, what came back, the ``rank`` of the first acceptable hit, and whether the catalogue holds one."""

    question: Question
    result: SearchResult
    rank: int
    held: bool

    @property
    def right(self) -> bool:
        """Whether the first hit is acceptable."""
        return self.rank == 0

    @property
    def fault(self) -> Fault | None:
        """What went wrong for the person asking; None when nothing did."""
        if self.result.decision == "answer":
            return None if self.right else "told wrong"
        if not self.held:
            return "asked for nothing" if self.result.decision == "clarify" else None
        if self.result.decision == "none":
            return "said none"
        return None if self.rank < OFFERED else "asked in vain"


class Bin(NamedTuple):
    """Questions of nearly the same stated probability: its mean, how often it came true (with 95% bounds), how many."""

    stated: float
    real: float
    low: float
    high: float
    questions: int


class Confusion(NamedTuple):
    """``got`` came first ``times`` times where ``wanted`` (empty: nothing) was right."""

    got: str
    wanted: str
    times: int


def outcomes(questions: Sequence[Question], results: Sequence[SearchResult], held: Iterable[str]) -> list[Outcome]:
    """One a question; ``held``: codes of the catalogue."""
    codes = set(held)
    return [
        Outcome(q, r, rank_of(q, r.hits), not codes.isdisjoint(q.gold_codes))
        for q, r in zip(questions, results, strict=True)
    ]


def interval(values: Values) -> tuple[float, float]:
    """95% bootstrap interval of the mean of ``values`` (percentiles, always the same resamples)."""
    rng = np.random.default_rng(SEED)
    picked = rng.integers(len(values), size=(RESAMPLES, len(values)), dtype=np.int32)
    low, high = np.percentile(values[picked].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def per_question(found: Sequence[Outcome]) -> dict[str, Values]:
    """For each measure of :func:`index.evaluate.evaluate` the values whose mean it is; without those of no question."""
    real, empty = ([o for o in found if bool(o.question.gold_codes) is has] for has in (True, False))
    told = [o for o in real if o.result.decision == "answer"]
    values = {f"recall@{k}": [o.rank < k for o in real] for k in (1, 3, 5)} | {
        "mrr": [1 / (1 + o.rank) if o.rank < 10 else 0.0 for o in real],
        "answered": [o.result.decision == "answer" for o in real],
        "answered_right": [o.right for o in told],
        "none_recall": [o.result.decision == "none" for o in empty],
        "false_none": [o.result.decision == "none" for o in real],
    }
    return {name: np.array(v, float) for name, v in values.items() if v}


def slices(found: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """All, then by slice in the order of the file."""
    parts: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in found:
        parts["all"].append(outcome)
        if outcome.question.slice != "all":
            parts[outcome.question.slice].append(outcome)
    return parts


def reliability(stated: Values, came_true: Values) -> list[Bin]:
    """Ten bins of equal width; empty ones are left out."""
    place = np.minimum((stated * BINS).astype(int), BINS - 1)
    kept = [place == i for i in range(BINS) if (place == i).any()]
    return [
        Bin(float(stated[m].mean()), float(came_true[m].mean()), *interval(came_true[m]), int(m.sum())) for m in kept
    ]


def risk_coverage(stated: Values, right: Values) -> list[tuple[float, float]]:
    """(share of questions answered, share of wrong ones among them), answering the surest first."""
    if not len(stated):
        return []
    order = np.argsort(-stated, kind="stable")
    count = np.arange(1, len(order) + 1)
    risk = np.cumsum(1 - right[order]) / count
    last = np.append(stated[order][1:] != stated[order][:-1], True)  # equal probabilities are answered together
    return [(float(c), float(r)) for c, r in zip(count[last] / len(order), risk[last], strict=True)]


def confusions(found: Sequence[Outcome]) -> list[Confusion]:
    """Wrong first hits and what was wanted, most frequent first; where nothing was wanted, only what was told."""
    pairs = Counter(
        (o.result.hits[0].code, next(iter(o.question.gold_codes), ""))
        for o in found
        if o.result.hits and not o.right and (o.held or o.fault == "told wrong")
    )
    return sorted((Confusion(*pair, n) for pair, n in pairs.items()), key=lambda c: (-c.times, c.wanted, c.got))


def worst(found: Sequence[Outcome]) -> list[Outcome]:
    """Questions with a fault, the worst kind first (a wrong answer), within a kind where the search was surest."""

    def badness(outcome: Outcome) -> tuple[int, float]:
        sure = {"told wrong": outcome.result.right, "said none": -outcome.result.answerable}
        return FAULTS.index(outcome.fault or FAULTS[-1]), -sure.get(outcome.fault or "", outcome.result.answerable)

    return sorted((o for o in found if o.fault), key=badness)


# -- as text


def worst_text(found: Sequence[Outcome], names: Mapping[str, str], count: int) -> str:
    """The ``count`` worst questions: fault, probabilities, wanted and got with names."""
    lines = []
    for outcome in worst(found)[:count]:
        result = outcome.result
        lines.append(f"{outcome.question.question}  [{outcome.question.slice}]")
        lines.append(f"  {outcome.fault}: right {result.right:.2f}, answerable {result.answerable:.2f}")
        lines += [f"  wanted {named(code, names, 'not in the catalogue')}" for code in outcome.question.gold_codes]
        lines += [f"  got    {hit.score:.3f} {hit.code} {hit.name}" for hit in result.hits[:3]]
    return "\n".join(lines)


def confused_text(found: Sequence[Outcome], names: Mapping[str, str], count: int) -> str:
    """The ``count`` most frequent confusions, got → wanted, with names."""
    return "\n".join(
        f"{c.times:4} {named(c.got, names)}\n   → {named(c.wanted, names, 'not in the catalogue') if c.wanted else '-'}"
        for c in confusions(found)[:count]
    )


def named(code: str, names: Mapping[str, str], unknown: str = "") -> str:
    """Code and name; ``unknown`` in brackets for a code that the catalogue does not hold."""
    return f"{code} {names.get(code, f'({unknown})')}"
