"""Cases, reasons for a return, life events: answers change papers, every mistake names file and line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from knowledge.cases import UNSURE, Option, Question, chosen, next_question, situation
from knowledge.errors import DataError
from knowledge.events import load_events
from knowledge.guides import DIRECT, PACKAGE, load_guides
from knowledge.returns import load_returns, worth_checking
from knowledge.seed import load_phrases, load_seed
from tests.making import procedure

AGE = Question(
    id="tuoi",
    ask="Thẻ làm cho ai?",
    options=(
        Option(id="con", label="Con dưới 14", cases=("Trẻ em",), says=("Cha mẹ đi cùng.",), skip=("van-tay",)),
        Option(id="lon", label="Người lớn", limit={"value": 7, "unit": "working_day"}),  # type: ignore[arg-type]
        Option(id="khac", label="Người nước ngoài", go="1.000009"),
    ),
)
LOST = Question(
    id="mat",
    ask="Bị mất?",
    options=(
        Option(id="co", label="Có", papers=("Đơn báo mất",)),
        Option(id="khong", label="Không", spared=("Đơn: thẻ còn",)),
    ),
)
MADE = procedure(
    documents=[
        {"name": "Tờ khai"},
        {"name": "Khai sinh", "case": "Trẻ em"},
        {"name": "Ảnh", "case": "Khác"},
    ]
)


def names(documents: tuple[object, ...]) -> list[str]:
    return [d.name for d in documents]  # type: ignore[attr-defined]


def test_questions_come_one_after_another_until_an_answer_leads_away() -> None:
    questions = (AGE, LOST)
    assert next_question(questions, {}) is AGE
    assert next_question(questions, {"tuoi": "gone"}) is AGE
    assert next_question(questions, {"tuoi": UNSURE}) is LOST
    assert next_question(questions, {"tuoi": "con", "mat": "co"}) is None
    assert next_question(questions, {"tuoi": "khac"}) is None
    assert [o.id for o in chosen(questions, {"mat": "khong", "tuoi": UNSURE})] == ["khong"]


@pytest.mark.parametrize(
    ("answers", "sure", "perhaps"),
    [
        ({}, ["Tờ khai"], ["Khai sinh", "Ảnh"]),
        ({"tuoi": UNSURE}, ["Tờ khai"], ["Khai sinh", "Ảnh"]),
        ({"tuoi": "con"}, ["Tờ khai", "Khai sinh"], ["Ảnh"]),
        ({"tuoi": "lon"}, ["Tờ khai"], ["Ảnh"]),
    ],
)
def test_answers_choose_the_papers(answers: dict[str, str], sure: list[str], perhaps: list[str]) -> None:
    mine = situation(MADE, (AGE, LOST), answers)
    assert (names(mine.documents), names(mine.perhaps)) == (sure, perhaps)


def test_answers_choose_the_rest() -> None:
    mine = situation(MADE, (AGE, LOST), {"tuoi": "con", "mat": "co"})
    assert (mine.papers, mine.spared, mine.says, mine.skip) == (
        ("Đơn báo mất",),
        (),
        ("Cha mẹ đi cùng.",),
        frozenset({"van-tay"}),
    )
    grown = situation(MADE, (AGE, LOST), {"tuoi": "lon", "mat": "khong"})
    assert grown.limit
    assert (grown.limit.value, grown.spared, grown.go) == (7, ("Đơn: thẻ còn",), None)
    assert situation(MADE, (AGE,), {"tuoi": "khac"}).go == "1.000009"


# -- the project's own


def test_options_name_cases_that_the_seed_has() -> None:
    seed = {p.code: p for p in load_seed()}
    for code, own in load_guides().own.items():
        for question in own.questions:
            for option in question.options:
                assert set(option.cases) <= set(seed[code].cases), (code, option.id)
                assert option.go != code


def test_events_are_enough_and_their_procedures_known() -> None:
    events = load_events()
    assert len(events) >= 15
    known = load_phrases().keys() | {p.code for p in load_seed()}
    codes = {task.code for event in events for task in event.items}
    assert len(codes - known) <= len(codes) // 10
    phrases = [p.casefold() for e in events for p in e.phrases]
    assert len(phrases) == len(set(phrases))


def test_reasons_are_checked_where_they_can_happen() -> None:
    returns = load_returns()
    assert len(returns) >= 15
    online, counter = (worth_checking(returns, "1.001193", portal, 8) for portal in ("cong-quoc-gia", DIRECT))
    assert len(online) == 8
    assert all(r.online for r in online)
    assert counter
    assert all(r.direct for r in counter)
    assert online != counter
    particular = next(r for r in returns if r.codes and r.online)
    code = sorted(particular.codes)[0]
    assert particular in worth_checking(returns, code, "vneid", 8)
    assert particular not in worth_checking(returns, "9.999999", "vneid", 50)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE / "guides", tmp_path / "guides")
    for name in ("events.yml", "returns.yml", "rescues.yml", "contacts.yml"):
        shutil.copy(PACKAGE / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("events.yml", "a: 1", 1, "a list is expected"),
        ("returns.yml", "- id: x\n  title: y\n", 1, "phrases"),
        ("returns.yml", "- {id: X, title: y}\n", 1, "id"),
    ],
)
def test_a_mistake_is_told_with_its_line(copy: Path, name: str, text: str, line: int, words: str) -> None:
    (copy / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words) as error:
        (load_events if name == "events.yml" else load_returns)(copy)
    assert error.value.path == copy / name
    assert error.value.line == line


def broken(copy: Path, old: str, new: str) -> DataError:
    path = copy / "events.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_events(copy)
    assert error.value.line
    return error.value


def test_events_name_only_their_own_procedures(copy: Path) -> None:
    assert "which is not of it" in str(broken(copy, 'after: ["1.014331"]', 'after: ["9.999999"]'))


def test_events_keep_the_order_of_what_needs_what(copy: Path) -> None:
    text = (copy / "events.yml").read_text(encoding="utf-8")
    first = re.search(r'code: "1\.014331"\n', text)
    assert first
    assert "which it needs" in str(broken(copy, first[0], first[0] + '      after: ["1.001193"]\n'))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("to: xong", "to: khong-co", "no node 'khong-co'"),
        ("to: lam-moi", "to: xong", "no way leads to"),
        ("to: xong", "to: dau", "round and round"),
    ],
)
def test_a_rescue_is_a_tree(copy: Path, old: str, new: str, words: str) -> None:
    from knowledge.rescues import load_rescues

    path = copy / "rescues.yml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_rescues(copy)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  - id: giay-sinh", "  - id: cha-me", "question 'cha-me' is given twice"),
        ("      - id: chi-me", "      - id: ket-hon", "option 'ket-hon' is given twice"),
        ("skip: [thong-nhat-ten-be]", "skip: [khong-co]", "no step 'khong-co' to skip"),
    ],
)
def test_a_question_with_a_mistake_is_refused(copy: Path, old: str, new: str, words: str) -> None:
    path = copy / "guides" / "procedures" / "1.001193.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=words) as error:
        load_guides(copy)
    assert error.value.line
