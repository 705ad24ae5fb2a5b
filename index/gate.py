"""The gate before publishing: a draft must not find clearly less of what people ask than the current release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from index.evaluate import Question, evaluate, load_questions, rank_of
from index.search import FOLDER, Searcher
from knowledge.errors import DataError, RefusedError

MEASURES = "measures.json"
SETS = {name: Path(__file__).with_name("questions") / f"{name}.jsonl" for name in ("tuning", "test")}
GUARDED = {"recall@1": 1, "recall@5": 5}
FALL = 0.01
"""A set's recall may fall by this much (one point of a hundred)."""
SAME = 0.9
"""Share of questions that both releases hold, below which they are too different to compare."""

Measures = dict[str, dict[str, Any]]


def measure(release: Path) -> Measures:
    """Set -> ``questions``, ``recall@1``, ``recall@5``, ``mrr`` and ``ranks`` of the project's own questions.

    Only questions count whose procedures ``release`` (a draft or a release folder) holds. ``ranks`` maps a question's
    key to the position of its first acceptable hit, null beyond the tenth.
    """
    searcher = Searcher(release)
    held, found = set(searcher.codes), Measures()
    for name, path in SETS.items():
        asked = [q for q in load_questions(path) if held.intersection(q.gold_codes)]
        results = list(searcher.run_many([q.question for q in asked]))
        row = evaluate(asked, results).get("all", {})
        ranks = [rank_of(q, r.hits) for q, r in zip(asked, results, strict=True)]
        found[name] = {"questions": len(asked)} | {m: round(row[m], 4) for m in (*GUARDED, "mrr") if m in row}
        found[name]["ranks"] = {_key(q): r if r < 10 else None for q, r in zip(asked, ranks, strict=True)}
    return found


def _key(question: Question) -> str:
    text = json.dumps([question.question, *question.gold_codes], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def save(measures: Measures, folder: Path) -> None:
    """Write ``measures.json`` into an index folder."""
    (folder / MEASURES).write_text(json.dumps(measures), encoding="utf-8")


def load(release: Path) -> Measures:
    """What :func:`measure` found when ``release`` was built; empty for older releases. Raises DataError."""
    path = release / FOLDER / MEASURES
    try:
        found: Measures = json.loads(path.read_text(encoding="utf-8"))
        return {name: row | {"ranks": dict(row["ranks"])} for name, row in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"measures cannot be read ({error!r}); `tthc kb publish --force` goes on without", path
        ) from error


def losses(before: Measures, after: Measures) -> list[str]:
    """What fell by more than :data:`FALL` from ``before`` to ``after``: "test: recall@1 0.731 → 0.702", one a measure.

    A set is compared on the questions that both hold, and only when these are at least :data:`SAME` of either's.
    """
    fallen = []
    for name in before.keys() & after.keys():
        old, new = before[name]["ranks"], after[name]["ranks"]
        same = sorted(old.keys() & new.keys())
        if not same or len(same) < SAME * max(len(old), len(new)):
            continue
        for title, depth in GUARDED.items():
            was, now = (_recall([ranks[key] for key in same], depth) for ranks in (old, new))
            if was - now > FALL + 1e-9:
                fallen.append(f"{name}: {title} {was:.3f} → {now:.3f}")
    return sorted(fallen)


def _recall(ranks: Sequence[int | None], depth: int) -> float:
    return sum(rank is not None and rank < depth for rank in ranks) / len(ranks)


def require_no_worse(current: Path, draft: Path) -> None:
    """Raises RefusedError when ``draft`` finds clearly less than ``current`` (folders; either may be missing)."""
    if fallen := losses(load(current), load(draft)):
        raise RefusedError(
            f"the draft finds less than the published release ({'; '.join(fallen)}); nothing was published. Look at "
            "`tthc kb diff` and `tthc index eval index/questions/tuning.jsonl --draft --known-only --worst 30`, mend "
            "the phrases or names behind it and build again, or publish all the same with --force"
        )
