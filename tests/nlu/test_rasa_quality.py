"""What the trained model understands of examples that it has not seen."""

from __future__ import annotations

import collections
import json
import re
import statistics
from typing import Any

import pytest
import yaml
from rasa_harness import MODEL, ROOT, launcher

from nlu.text import fold

pytestmark = pytest.mark.rasa

MARK = re.compile(r"\[([^\]]+)\]\((\w+)\)")


def parse(texts: list[str]) -> list[dict[str, Any]]:
    """Return what the model makes of ``texts``."""
    done = launcher("parse", "--model", str(MODEL), input="\n".join(texts) + "\n")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def held_out() -> list[tuple[str, str, dict[str, Any]]]:
    """Return (annotated text, intent, parsed) of the held-out examples."""
    rows = []
    for path in sorted((ROOT / "nlu" / "data" / "test").glob("*.yml")):
        for block in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]:
            lines = (line.strip()[2:].strip() for line in block["examples"].splitlines() if line.strip())
            rows += [(line, block["intent"]) for line in lines]
    if not rows:
        pytest.skip("no held-out examples in nlu/data/test")
    found = parse([MARK.sub(r"\1", text) for text, _ in rows])
    return [(text, intent, f) for (text, intent), f in zip(rows, found, strict=True)]


def test_intents(held_out: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Nearly all are right, no intent is lost, and a wrong one is rarely a sure one."""
    right = collections.Counter(gold for _, gold, f in held_out if f["intent"] == gold)
    total = collections.Counter(gold for _, gold, _ in held_out)
    assert sum(right.values()) / len(held_out) >= 0.93
    assert {gold for gold in total if right[gold] / total[gold] < 0.6} == set()
    sure = [f["intent"] == gold for _, gold, f in held_out if f["confidence"] >= 0.7]
    assert sum(sure) / len(sure) >= 0.95


def test_without_diacritics(held_out: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Leaving out the diacritics costs little."""
    found = parse([fold(MARK.sub(r"\1", text)) for text, _, _ in held_out])
    assert sum(f["intent"] == gold for (_, gold, _), f in zip(held_out, found, strict=True)) / len(found) >= 0.92


def test_entities(held_out: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Codes are always found; of places and ordinals most, and few are made up."""
    annotated = (ROOT / "nlu" / "data" / "test" / "entities.yml").read_text(encoding="utf-8")
    marked = [(text, f) for text, _, f in held_out if f"- {text}\n" in annotated]
    gold = [(n, m[2], m[1]) for n, (text, _) in enumerate(marked) for m in MARK.finditer(text)]
    found = [(n, e["entity"], e["value"]) for n, (_, f) in enumerate(marked) for e in f["entities"]]
    assert {g for g in gold if g[1] == "procedure_code"} <= set(found)
    hits = len(set(gold) & set(found))
    assert 2 * hits / (len(gold) + len(found)) >= 0.9


def test_is_fast(held_out: list[tuple[str, str, dict[str, Any]]]) -> None:
    """A message is understood in a few milliseconds."""
    assert statistics.median(f["ms"] for _, _, f in held_out) < 10


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("không", "deny"),
        ("thôi", "deny"),
        ("quay lại", "guide_back"),
        ("bắt đầu lại", "restart"),
        ("tiếp", "guide_next"),
        ("xong rồi", "guide_done"),
        ("2", "choose_nth"),
        ("dừng", "guide_stop"),
        ("đúng", "affirm"),
        ("phí?", "ask_fee"),
        ("mất giấy khai sinh giờ xin lại ở đâu", "find_procedure"),
        ("mã otp của tui là 123456", "offer_secret"),
        ("làm giùm tui luôn đi", "file_for_me"),
        ("qwrtpl", "nlu_fallback"),
    ],
)
def test_words_that_must_work(short: dict[str, str], text: str, intent: str) -> None:
    """The words that steer a conversation are understood."""
    assert short[text] == intent


@pytest.fixture(scope="module")
def short() -> dict[str, str]:
    """Return the intents of the steering words, parsed in one go."""
    (mark,) = [m for m in test_words_that_must_work.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    return {f["text"]: f["intent"] for f in parse([text for text, _ in mark.args[1]])}
