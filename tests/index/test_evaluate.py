"""Measures against numbers worked out by hand, and question files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from index.evaluate import Question, evaluate, load_questions, rank_of
from knowledge.errors import DataError
from knowledge.model import CODE_PATTERN


class Hit(NamedTuple):
    code: str


class Result(NamedTuple):
    decision: str
    hits: list[Hit]


def result(decision: str, codes: str) -> Result:
    return Result(decision, [Hit(c) for c in codes])


QUESTIONS = [
    Question(question="1", gold_codes=("a",), slice="x"),
    Question(question="2", gold_codes=("b",), slice="x"),
    Question(question="3", gold_codes=("c", "d"), slice="y"),
    Question(question="4", gold_codes=("e",), slice="y"),
    Question(question="5", slice="none"),
    Question(question="6", slice="none"),
]
RESULTS = [
    result("answer", "abc"),  # rank 0
    result("clarify", "axb"),  # rank 2
    result("answer", "xcd"),  # rank 1
    result("none", "xyz"),  # not there
    result("none", ""),
    result("answer", "a"),
]


def test_numbers_by_hand() -> None:
    row = evaluate(QUESTIONS, RESULTS)["all"]
    assert row["questions"] == 6
    assert row["recall@1"] == pytest.approx(1 / 4)
    assert row["recall@3"] == row["recall@5"] == row["recall@10"] == pytest.approx(3 / 4)
    assert row["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 2 + 0) / 4)
    log = {2: 1.0, 3: 1.5849625007211562, 4: 2.0}
    third = (1 / log[3] + 1 / log[4]) / (1 / log[2] + 1 / log[3])
    assert row["ndcg@10"] == pytest.approx((1 + 1 / log[4] + third + 0) / 4)
    assert row["answered"] == pytest.approx(2 / 4)
    assert row["answered_right"] == pytest.approx(1 / 2)
    assert row["none_recall"] == pytest.approx(1 / 2)
    assert row["none_precision"] == pytest.approx(1 / 2)
    assert row["false_none"] == pytest.approx(1 / 4)


def test_slices_hold_their_own_questions() -> None:
    table = evaluate(QUESTIONS, RESULTS)
    assert list(table) == ["all", "x", "y", "none"]
    assert table["x"]["recall@1"] == pytest.approx(1 / 2)
    assert table["y"]["mrr"] == pytest.approx(1 / 4)
    assert "recall@1" not in table["none"]
    assert table["none"]["none_recall"] == pytest.approx(1 / 2)
    assert "none_recall" not in table["x"]


def test_the_eleventh_hit_counts_no_more() -> None:
    far = result("clarify", "abcdefghijk")
    row = evaluate([Question(question="1", gold_codes=("k",))], [far])["all"]
    assert (row["recall@10"], row["mrr"], row["ndcg@10"]) == (0, 0, 0)
    assert rank_of(Question(question="1", gold_codes=("k",)), far.hits) == 10


def test_questions_and_results_go_together() -> None:
    with pytest.raises(ValueError, match="shorter"):
        evaluate(QUESTIONS, RESULTS[:2])
    assert evaluate([], []) == {}


# -- files


def test_other_keys_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "a\u2028b", "gold_codes": ["1.000001"], "by": "x"}\n\n{"question": "c"}\n', "utf-8")
    first, second = load_questions(path)
    assert (first.question, first.gold_codes, first.slice) == ("a\u2028b", ("1.000001",), "all")
    assert second.gold_codes == ()


@pytest.mark.parametrize(
    "line", ["{", "5", "[]", '{"gold_codes": []}', '{"question": 5}', '{"question": "a", "gold_codes": "x"}']
)
def test_a_line_that_is_no_question_is_told_with_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "a"}\n' + line + "\n", "utf-8")
    with pytest.raises(DataError, match="not a question") as error:
        load_questions(path)
    assert (error.value.path, error.value.line) == (path, 2)


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_questions(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n", "utf-8")
    with pytest.raises(DataError, match="no question in this file"):
        load_questions(tmp_path / "empty.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match="cannot be read"):
        load_questions(tmp_path / "bytes.jsonl")


@pytest.mark.parametrize("name", ["tuning", "test"])
def test_the_projects_own_questions_load(name: str) -> None:
    from index.build import QUESTIONS as TUNING

    questions = load_questions(TUNING.with_name(f"{name}.jsonl"))
    assert len(questions) > 100
    assert len({q.question for q in questions}) == len(questions)
    import re

    assert all(re.match(CODE_PATTERN, c) for q in questions for c in q.gold_codes)
    assert any(not q.gold_codes for q in questions)


def test_tuning_and_test_share_no_question() -> None:
    from index.build import QUESTIONS as TUNING

    asked = [{q.question.lower() for q in load_questions(TUNING.with_name(f"{n}.jsonl"))} for n in ("tuning", "test")]
    assert not asked[0] & asked[1]
