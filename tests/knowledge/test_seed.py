"""Seed and phrases: the project's own load, mistakes are told with file and line, and merging keeps imported facts."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from knowledge.errors import DataError
from knowledge.model import CODE_PATTERN, Document, Procedure
from knowledge.seed import coverage, load_need, load_phrases, load_seed, merge
from tests.making import procedure

GOOD = """\
code: "1.000001"
name: Đăng ký thả diều
checked_on: 2026-11-24
methods:
  - channel: direct
"""


def seed_of(tmp_path: Path, **files: str) -> list[Procedure]:
    for name, text in files.items():
        (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
    return load_seed(tmp_path)


def problem(call: object, path: Path) -> DataError:
    with pytest.raises(DataError) as error:
        call(path)  # type: ignore[operator]
    return error.value


# -- the project's own


def test_the_projects_seed() -> None:
    seed = load_seed()
    assert len(seed) >= 40
    assert len({p.code for p in seed}) == len(seed)
    for p in seed:
        assert p.source == "seed"
        assert p.summary, p.code
        assert p.documents, p.code
        assert p.methods, p.code
        assert 0 < len(p.short_name) <= 40, p.code
        assert p.url.startswith("https://"), p.code
        assert len(p.fingerprint) == 16, p.code
        assert unicodedata.is_normalized("NFC", p.model_dump_json())


def test_the_projects_phrases() -> None:
    phrases = load_phrases()
    assert {p.code for p in load_seed()} <= phrases.keys()
    for code, texts in phrases.items():
        assert len(set(texts)) == len(texts) > 0, code
        assert all(t == t.strip() and unicodedata.is_normalized("NFC", t) for t in texts), code


# -- mistakes


def test_a_seed_file_is_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "1.000001.yml").write_text("- a\n", encoding="utf-8")
    error = problem(load_seed, tmp_path)
    assert (error.path, error.line) == (tmp_path / "1.000001.yml", 1)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("channel: direct", "channel: pigeon", 5, "methods.0.channel"),
        ("name: Đăng ký thả diều", "nmae: x", 1, "name: Field required"),
        ("checked_on: 2026-11-24", "checked_on: hôm qua", 3, "checked_on"),
        ('code: "1.000001"', 'code: "1.000002"', 1, "must be called 1.000002.yml"),
        ('code: "1.000001"', "code: 1.000001", 1, "code"),
    ],
)
def test_a_mistake_in_the_seed_is_told_with_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    path = tmp_path / "1.000001.yml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    error = problem(load_seed, tmp_path)
    assert (error.path, error.line) == (path, line)
    assert words in error.message


def test_a_code_stands_in_one_file_only(tmp_path: Path) -> None:
    seed_of(tmp_path, **{"1.000001": GOOD})
    (tmp_path / "2.000001.yml").write_text(GOOD, encoding="utf-8")
    assert "stands already in 1.000001.yml" in str(problem(load_seed, tmp_path))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("- a\n", 1, "maps codes"),
        ('"1.000001":\n  - a\n"100": [b]\n', 3, "not a procedure code"),
        ("1.000001: [a]\n", 1, "not a procedure code in quotes"),
        ('"1.000001":\n  - a\n  - 5\n', 2, "list of texts"),
        ('"1.000001": một câu\n', 1, "list of texts"),
        ('"1.000001": ["  "]\n', 1, "list of texts"),
        ('"1.000001": [a]\n"1.000001": [b]\n', 2, "given twice"),
    ],
)
def test_a_mistake_in_the_phrases_is_told_with_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "a.yml"
    path.write_text(text, encoding="utf-8")
    error = problem(load_phrases, tmp_path)
    assert (error.path, error.line) == (path, line)
    assert words in error.message


def test_phrases_of_several_files_come_together_without_repeats(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text('"1.000001": [một, hai, một]\n', encoding="utf-8")
    (tmp_path / "b.yml").write_text('"1.000001": [" hai ", ba]\n"1.000002": [bốn]\n', encoding="utf-8")
    assert load_phrases(tmp_path) == {"1.000001": ["một", "hai", "ba"], "1.000002": ["bốn"]}


# -- merging


OURS = procedure(
    source="seed", name="Tên trong hạt giống", short_name="Thả diều", summary="Để thả diều.", receiver="Nhà văn hóa",
    agency="Xã", documents=[{"name": "Tờ đơn, lời mình"}], steps=["Lời mình"], fingerprint="f1",
    methods=[{"channel": "direct", "fees": [{"amount": 1000}]}],
)  # fmt: skip
THEIRS = procedure(
    agency="UBND cấp xã", documents=[{"name": "Đơn theo mẫu"}], steps=["Lời cổng"], fingerprint="f1",
    methods=[{"channel": "online", "fees": [{"amount": 9000}]}],
)  # fmt: skip


def test_imported_facts_win_and_lay_wording_is_attached() -> None:
    (made,) = merge([THEIRS], [OURS])
    assert made.source == "portal"
    assert made.name == THEIRS.name
    assert made.methods == THEIRS.methods
    assert (made.short_name, made.summary) == ("Thả diều", "Để thả diều.")
    assert (made.agency, made.receiver) == ("UBND cấp xã", "Nhà văn hóa")


def test_seed_papers_hold_only_for_the_version_they_were_checked_against() -> None:
    (same,) = merge([THEIRS], [OURS])
    assert same.documents == OURS.documents
    assert same.steps == OURS.steps
    (changed,) = merge([THEIRS.model_copy(update={"fingerprint": "f2"})], [OURS])
    assert changed.documents == (Document(name="Đơn theo mẫu"),)
    assert changed.steps == ("Lời cổng",)
    (unmarked,) = merge([THEIRS.model_copy(update={"fingerprint": ""})], [OURS.model_copy(update={"fingerprint": ""})])
    assert unmarked.steps == ("Lời cổng",)


def test_what_was_not_imported_stays_from_the_seed_and_the_order_holds() -> None:
    other = procedure(code="1.000002", name="Khác")
    only_ours = OURS.model_copy(update={"code": "1.000003"})
    assert [(p.code, p.source) for p in merge([other, THEIRS], [OURS, only_ours])] == [
        ("1.000002", "portal"), ("1.000001", "portal"), ("1.000003", "seed"),
    ]  # fmt: skip
    assert merge([], [OURS]) == [OURS]


def test_coverage() -> None:
    assert coverage([OURS, procedure(code="1.000002")], {"1.000001": ["a"], "1.000009": ["b"]}) == (1, 2)
    assert CODE_PATTERN.startswith("^")


# -- need


def test_need_is_about_procedures_with_phrases() -> None:
    need = load_need()
    assert set(need.values()) == {1, 2, 3}
    assert need.keys() <= load_phrases().keys()
    assert {need[p.code] for p in load_seed()} <= {2, 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a", "maps 1, 2 and 3"),
        ('4: ["1.000001"]', "4 is not 1, 2 or 3"),
        ("1: [x]", "'x' is not a procedure code"),
        ('1: ["1.000001"]\n2: ["1.000001"]', ":2: 1.000001 stands here twice"),
    ],
)
def test_a_wrong_need_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "need.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(reason)):
        load_need(path)
