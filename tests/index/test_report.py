"""What staff see of an evaluation: faults, confusions, calibration by hand, and a page that stands alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.analysis import (
    Confusion,
    Outcome,
    confused_text,
    confusions,
    interval,
    outcomes,
    per_question,
    reliability,
    risk_coverage,
    slices,
    worst,
    worst_text,
)
from index.evaluate import Question, evaluate
from index.report import page
from index.search import Hit, SearchResult
from tests.making import six_questions

NAMES = {c: f"Thủ tục <{c}> & bạn" for c in "abcdefgh"}


def outcome(
    decision: Any, gold: str, hits: str, right: float = 0.5, answerable: float = 0.9, part: str = "x"
) -> Outcome:
    question = Question(question=f"hỏi <{gold}> {hits}", gold_codes=tuple(gold), slice=part)
    found = [Hit(c, NAMES[c], 0.5, c) for c in hits]
    return outcomes([question], [SearchResult(question.question, decision, found, answerable, right)], NAMES)[0]


ALL = [
    outcome("answer", "a", "abc", 0.95),
    outcome("answer", "b", "ab", 0.7),
    outcome("answer", "b", "ab", 0.8),
    outcome("answer", "", "a", 0.6, part="none"),
    outcome("clarify", "c", "abdc", 0.4),
    outcome("clarify", "e", "abcde", 0.3),
    outcome("clarify", "", "h", 0.2, 0.6, part="none"),
    outcome("none", "f", "fa", 0.1, 0.2),
    outcome("none", "", "b", 0.0, 0.1, part="none"),
    outcome("none", "z", "b", 0.0, 0.1, part="y"),
    outcome("clarify", "z", "b", 0.0, 0.5, part="y"),
]


def test_faults() -> None:
    assert [o.fault for o in ALL] == [
        None, "told wrong", "told wrong", "told wrong", None, "asked in vain", "asked for nothing", "said none",
        None, None, "asked for nothing",
    ]  # fmt: skip


def test_worst_first() -> None:
    assert [ALL.index(o) for o in worst(ALL)] == [2, 1, 3, 7, 5, 6, 10]
    assert worst(ALL[:1]) == []


def test_confusions_are_counted_and_named() -> None:
    assert confusions(ALL) == [
        Confusion("a", "b", 2), Confusion("a", "", 1), Confusion("a", "c", 1), Confusion("a", "e", 1),
    ]  # fmt: skip
    text = confused_text(ALL, NAMES, 2)
    assert text.splitlines() == [
        f"   2 a {NAMES['a']}", f"   → b {NAMES['b']}", f"   1 a {NAMES['a']}", "   → -",
    ]  # fmt: skip
    assert confused_text(ALL, NAMES, 0) == worst_text(ALL, NAMES, 0) == ""


def test_worst_as_text() -> None:
    lines = worst_text(ALL, NAMES, 1).splitlines()
    assert lines[:3] == ["hỏi <b> ab  [x]", "  told wrong: right 0.80, answerable 0.90", f"  wanted b {NAMES['b']}"]
    assert len(lines) == 5
    assert "wanted z (not in the catalogue)" in worst_text(ALL, NAMES, 7)


def test_values_have_the_means_that_evaluate_gives() -> None:
    table = evaluate([o.question for o in ALL], [o.result for o in ALL])
    assert list(slices(ALL)) == list(table) == ["all", "x", "none", "y"]
    for name, part in slices(ALL).items():
        values = per_question(part)
        for measure in values:
            assert values[measure].mean() == pytest.approx(table[name][measure]), (name, measure)


def test_interval() -> None:
    values = np.array([1.0] * 80 + [0.0] * 20)
    low, high = interval(values)
    assert (low, high) == interval(values)
    assert (low, high) == pytest.approx((0.72, 0.88), abs=0.02)
    assert interval(np.ones(5)) == (1, 1)


def test_reliability() -> None:
    bins = reliability(np.array([0.0, 0.05, 0.95, 1.0, 0.55]), np.array([0.0, 1.0, 1.0, 1.0, 0.0]))
    assert [(b.stated, b.real, b.questions) for b in bins] == [
        pytest.approx((0.025, 0.5, 2)), pytest.approx((0.55, 0, 1)), pytest.approx((0.975, 1, 2)),
    ]  # fmt: skip
    assert all(b.low <= b.real <= b.high for b in bins)
    assert reliability(np.zeros(0), np.zeros(0)) == []


def test_risk_and_coverage() -> None:
    curve = risk_coverage(np.array([0.2, 0.9, 0.5, 0.5]), np.array([0.0, 1.0, 1.0, 0.0]))
    assert curve == [pytest.approx((0.25, 0)), pytest.approx((0.75, 1 / 3)), pytest.approx((1, 0.5))]
    assert risk_coverage(np.zeros(0), np.zeros(0)) == []


class Page(HTMLParser):
    """Open elements, tags seen, and the text."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_is_well_formed() -> None:
    made = page(ALL, NAMES, "bộ <thử>", shown=2)
    assert made == page(ALL, NAMES, "bộ <thử>", shown=2)
    assert not re.search(r"<script|https?:|src=|href=|url\(|@import|nan", made)
    parsed = Page(made)
    assert parsed.open == []
    assert parsed.tags.count("svg") == 3
    assert parsed.tags.count("article") == 2
    assert "viewport" in made
    assert "prefers-color-scheme:dark" in made
    for said in (
        "bộ <thử> · 11 câu hỏi",
        "2 câu tệ nhất",
        "Trong 7 câu",
        "hỏi <b> ab",
        f"b {NAMES['b']}",
        "trả lời sai",
    ):
        assert said in parsed.text, said


@pytest.mark.parametrize("found", [[], ALL[:1], ALL[8:9]], ids=["nothing", "one", "one without answer"])
def test_a_page_of_little(found: list[Outcome]) -> None:
    parsed = Page(page(found, NAMES, "ít"))
    assert parsed.open == []
    assert "0 câu tệ nhất" in parsed.text


def test_the_command(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    questions, target = six_questions(tmp_path / "six.jsonl"), tmp_path / "new" / "page.html"
    plain = tthc(tiny_home, "index", "eval", questions)
    ran = tthc(tiny_home, "index", "eval", questions, "--html", target, "--worst", 2, "--confused", 2)
    assert ran.code == 0
    assert ran.out.startswith(plain.out)
    assert Page(target.read_text(encoding="utf-8")).open == []
    (tiny_home / "current").rename(tiny_home / "draft")
    assert tthc(tiny_home, "index", "eval", questions, "--draft").out == plain.out
    assert tthc(tiny_home, "index", "eval", questions).code == 1


def test_the_command_refuses(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    questions = six_questions(tmp_path / "six.jsonl")
    assert tthc(tiny_home, "index", "eval", questions, "--json", "--worst", 3).code == 2
    assert tthc(tiny_home, "index", "eval", questions, "--worst", -1).code == 2
    ran = tthc(tiny_home, "index", "eval", questions, "--html", questions / "page.html")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot be written" in ran.err
    ran = tthc(tiny_home, "index", "eval", questions, "--draft")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
