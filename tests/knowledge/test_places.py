"""Old communes and what they are called now: the table's facts, and that nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.text import fold
from knowledge.errors import DataError
from knowledge.places import PLACES, load_places

TABLE = load_places()
ROWS = [line.split(",") for line in PLACES.read_text(encoding="utf-8").splitlines()[1:]]


def test_the_tables_facts() -> None:
    assert len({row[3] for row in ROWS}) == 135
    assert len({row[3] for row in ROWS if row[2] == "Tỉnh Bình Định"}) == 58
    olds = [tuple(row[:3]) for row in ROWS]
    assert {old[0] for old in olds if olds.count(old) > 1} == {"Xã An Nghĩa", "Xã Canh Hiệp", "Xã Canh Liên"}
    assert set(TABLE.new_units) == {row[3] for row in ROWS}


@pytest.mark.parametrize("form", [str, fold])
def test_every_old_commune_is_found_with_its_district(form: object) -> None:
    wrong = []
    for old, district, _, new in ROWS:
        said = f"{old}, {district} cũ giờ là xã nào"
        found = TABLE.find(form(said))  # type: ignore[operator]
        if found is None or new not in found.new:
            wrong.append(said)
    assert len(wrong) <= len(ROWS) // 50, wrong


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("xã Nhơn An, An Nhơn cũ giờ là xã nào", "old"),
        ("xa canh lien gio thuoc dau", "divided"),
        ("phường Ngô Mây giờ là phường nào", "ambiguous"),
        ("huyện Tuy Phước bỏ rồi thì nộp ở đâu", "district"),
    ],
)
def test_what_kind_of_place(said: str, kind: str) -> None:
    found = TABLE.find(said)
    assert found
    assert found.kind == kind


@pytest.mark.parametrize("said", ["", "đăng ký tạm trú", "hôm nay trời đẹp", "phí bao nhiêu", "cho con đi học"])
def test_ordinary_words_are_no_place(said: str) -> None:
    assert TABLE.find(said) is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_will_do(said: str) -> None:
    found = TABLE.find(said)
    assert found is None or found.kind in ("old", "divided", "ambiguous", "district", "new")


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    lines = PLACES.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], "Làng X,Huyện Y,Tỉnh Gia Lai,Xã Z", *lines[3:]]) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_places(path)
    assert error.value.line == 4
