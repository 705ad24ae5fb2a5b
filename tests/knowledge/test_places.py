"""Old names of communes and districts: found as people write them, never guessed, never seen in ordinary words."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.errors import DataError
from knowledge.places import PLACES, Joined, Places, Unit, load_places

TABLE = load_places()
AMBIGUOUS = {
    "An Phú", "An Trung", "An Tân", "AYun", "Ia Băng", "Ia O", "Ia Sao", "Nhơn Hòa", "Ngô Mây", "Tây Sơn", "Đống Đa",
}  # fmt: skip
"""Bare names of several old communes; Xuân An is one old commune, and a new one elsewhere."""


def bare(name: str) -> str:
    for kind in ("Xã ", "Phường ", "Thị trấn ", "Huyện ", "Thị xã ", "Thành phố "):
        name = name.removeprefix(kind)
    return name


def unmarked(text: str) -> str:
    text = text.replace("đ", "d").replace("Đ", "D")
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def said(message: str) -> str:
    """What is found, in short: ``kind name > new, new``; a district's communes are left out."""
    found = TABLE.find(message)
    if found is None:
        return "-"
    return f"{found.kind} {found.name}" + ("" if found.kind == "district" else " > " + ", ".join(found.new))


# -- the table


def test_every_new_commune_and_where_it_is() -> None:
    assert len(TABLE.new_units) == len(set(TABLE.new_units)) == 135
    assert Counter(name.split()[0] for name in TABLE.new_units) == {"Xã": 110, "Phường": 25}
    assert len({n for u in TABLE.units if u.province == "Tỉnh Bình Định" for n in u.new}) == 58
    assert len({n for u in TABLE.units if u.province == "Tỉnh Gia Lai" for n in u.new}) == 77
    last = [u for u in TABLE.units if u.joined is None]
    assert len(last) == 373
    assert Counter(u.province for u in last) == {"Tỉnh Bình Định": 155, "Tỉnh Gia Lai": 218}
    assert len({u.district for u in TABLE.units}) == 28


def test_divided_communes() -> None:
    divided = {u.old: set(u.new) for u in TABLE.units if len(u.new) > 1}
    assert divided == {
        "Xã An Nghĩa": {"Xã An Hòa", "Xã An Toàn"},
        "Xã Canh Hiệp": {"Xã Vân Canh", "Xã Canh Vinh"},
        "Xã Canh Liên": {"Xã Canh Liên", "Xã Canh Vinh"},
    }


def test_nine_communes_were_left_as_they_were() -> None:
    """Those that Resolution 1664/NQ-UBTVQH15 names."""
    parts = Counter(n for u in TABLE.units if u.joined is None for n in u.new)
    kept = {u.old for u in TABLE.units if len(u.new) == 1 and parts[u.new[0]] == 1}
    assert {n.casefold() for n in kept} == {
        f"xã {n}" for n in ("ia o", "nhơn châu", "ia púch", "ia mơ", "ia pnôn", "ia nan", "ia dom", "ia chia", "krong")
    }


@pytest.mark.parametrize(
    ("old", "into", "since", "new", "certain"),
    [
        # Resolution 1257/NQ-UBTVQH15, Bình Định
        ("Phường Lê Hồng Phong", ("Phường Trần Phú",), "2024-12-01", ("Phường Quy Nhơn",), True),
        ("Phường Lý Thường Kiệt", ("Phường Trần Phú",), "2024-12-01", ("Phường Quy Nhơn",), True),
        ("Phường Lê Lợi", ("Phường Thị Nại",), "2024-12-01", ("Phường Quy Nhơn",), True),
        ("Phường Trần Hưng Đạo", ("Phường Thị Nại",), "2024-12-01", ("Phường Quy Nhơn",), True),
        # Resolution 1195/NQ-UBTVQH15, Gia Lai
        ("Xã Tân Sơn", ("Xã Biển Hồ",), "2024-11-01", ("Xã Biển Hồ",), True),
        ("Xã Đăk Hlơ", ("Xã Kông Bơ La", "Xã Nghĩa An"), "2024-11-01", ("Xã Kông Bơ La",), True),
        ("Xã Phước Long", ("Thị trấn Diêu Trì",), "1994", ("Xã Tuy Phước",), False),
    ],
)
def test_communes_that_were_gone_before(
    old: str, into: tuple[str, ...], since: str, new: tuple[str, ...], certain: bool
) -> None:
    unit = next(u for u in TABLE.units if u.joined and u.old == old)
    assert unit.joined is not None
    assert (unit.joined.into, unit.joined.since, unit.new, unit.joined.certain) == (into, since, new, certain)
    assert unit.joined.source
    assert all(
        any(u.old == name and u.district == unit.district and not u.joined for u in TABLE.units) for name in into
    )
    held = TABLE.find(f"xã Biển Hồ, {unit.district}")
    assert held is None or old not in {u.old for u in held.candidates}


def test_all_of_them_are_in_the_list_above() -> None:
    assert len([u for u in TABLE.units if u.joined]) == 7


def test_names_of_several_communes() -> None:
    held: dict[str, set[tuple[str, ...]]] = {}
    for unit in TABLE.units:
        held.setdefault(bare(unit.old).casefold(), set()).add(unit.new)
    assert {n for n, news in held.items() if len(news) > 1} == {n.casefold() for n in AMBIGUOUS}
    elsewhere = {u.old for u in TABLE.units if u.old in TABLE.new_units and u.old not in u.new}
    assert elsewhere == {"Xã Ia Băng", "Xã Ia O", "Xã Ia Sao", "Phường An Phú", "Xã Xuân An"}


@pytest.mark.parametrize("name", ["Huyện Tuy Phước", "Tuy Phước", "tuy phuoc", "huyen Tuy Phuoc", "H. Tuy Phước"])
def test_communes_of_a_district(name: str) -> None:
    assert set(TABLE.district_units(name)) == {
        "Xã Tuy Phước", "Xã Tuy Phước Đông", "Xã Tuy Phước Tây", "Xã Tuy Phước Bắc",
    }  # fmt: skip


def test_a_commune_of_two_districts_is_in_both() -> None:
    assert "Xã Mang Yang" in TABLE.district_units("Mang Yang")
    assert "Xã Mang Yang" in TABLE.district_units("Đak Đoa")
    assert "Xã Biển Hồ" in TABLE.district_units("TP Pleiku")
    assert "Xã Biển Hồ" in TABLE.district_units("Huyện Chư Păh")


@pytest.mark.parametrize("name", ["", "Huyện", "Huyện Tuy An", "Xã", "Diêu Trì", "12"])
def test_no_communes_of_what_is_no_district(name: str) -> None:
    assert TABLE.district_units(name) == ()


def test_every_district_by_name() -> None:
    for district in {u.district for u in TABLE.units}:
        made = tuple(dict.fromkeys(n for u in TABLE.units if u.district == district for n in u.new))
        assert TABLE.district_units(district) == made
        assert TABLE.district_units(unmarked(bare(district)).lower()) == made


# -- messages


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # one old commune
        ("tôi ở xã Nhơn An, An Nhơn cũ", "old Xã Nhơn An > Phường An Nhơn Đông"),
        ("Nhơn An", "old Xã Nhơn An > Phường An Nhơn Đông"),
        ("dạ em ở Nhơn An ạ", "old Xã Nhơn An > Phường An Nhơn Đông"),
        ("xa nhon an nop o dau", "old Xã Nhơn An > Phường An Nhơn Đông"),
        ("phuong ngo may quy nhon", "old Phường Ngô Mây > Phường Quy Nhơn Nam"),
        ("P. Ngô Mây, TP.Quy Nhơn", "old Phường Ngô Mây > Phường Quy Nhơn Nam"),
        ("phường Ngô Mây (cũ), T.P Qui Nhơn", "old Phường Ngô Mây > Phường Quy Nhơn Nam"),
        ("phường Quy Nhơn Nam có phải phường Ngô Mây cũ không", "old Phường Ngô Mây > Phường Quy Nhơn Nam"),
        ("TT Phú Phong", "old Thị trấn Phú Phong > Xã Tây Sơn"),
        ("nhà ở tt. Diêu Trì", "old Thị trấn Diêu Trì > Xã Tuy Phước"),
        ("Diêu Trì giờ thuộc xã nào", "old Thị trấn Diêu Trì > Xã Tuy Phước"),
        ("mua đất ở Ghềnh Ráng thì hỏi phường nào", "old Phường Ghềnh Ráng > Phường Quy Nhơn Nam"),
        ("Gành Ráng giờ về phường nào", "old Phường Ghềnh Ráng > Phường Quy Nhơn Nam"),
        ("Tam Quan Bắc sáp nhập xong thành gì", "old Phường Tam Quan Bắc > Phường Hoài Nhơn Bắc"),
        ("thị trấn Tam Quan Nam", "old Phường Tam Quan Nam > Phường Hoài Nhơn"),
        ("xã An Phú", "old Xã An Phú > Phường An Phú"),
        ("phường Tân An sáp nhập vô đâu", "old Xã Tân An > Phường An Bình"),
        ("xã cũ là gì không nhớ, xã Hà Tam", "old Xã Hà Tam > Xã Đak Pơ"),
        ("xã cũ Mỹ Thọ", "old Xã Mỹ Thọ > Xã Phù Mỹ Đông"),
        ("MỸ THỌ PHÙ MỸ", "old Xã Mỹ Thọ > Xã Phù Mỹ Đông"),
        ("xã Phước Hoà nộp hồ sơ đất ở đâu", "old Xã Phước Hòa > Xã Tuy Phước Đông"),
        ("xã/phường Nhơn Hải", "old Xã Nhơn Hải > Phường Quy Nhơn Đông"),
        ("Thị trấn Bình Dương, huyện Phù Mỹ", "old Thị trấn Bình Dương > Xã Bình Dương"),
        ("phường Hoà Bình, Ayun Pa", "old Phường Hòa Bình > Phường Ayun Pa"),
        ("phường Thắng Lợi giờ đi đâu làm khai sinh", "old Phường Thắng Lợi > Phường An Phú"),
        ("phường Thắng Lợi Pleiku giờ đi đâu làm khai sinh", "old Phường Thắng Lợi > Phường An Phú"),
        ("tôi ở phường thắng lợi muốn làm khai sinh", "old Phường Thắng Lợi > Phường An Phú"),
        ("Trần Phú, Quy Nhơn", "old Phường Trần Phú > Phường Quy Nhơn"),
        # gone before 2025
        ("phường Lê Lợi giờ là phường nào", "old Phường Lê Lợi > Phường Quy Nhơn"),
        ("P. Ly Thuong Kiet quy nhon", "old Phường Lý Thường Kiệt > Phường Quy Nhơn"),
        ("Lê Hồng Phong, Quy Nhơn", "old Phường Lê Hồng Phong > Phường Quy Nhơn"),
        ("xã Tân Sơn, Pleiku", "old Xã Tân Sơn > Xã Biển Hồ"),
        ("dak hlo", "old Xã Đăk Hlơ > Xã Kông Bơ La"),
        ("xã Phước Long cũ", "old Xã Phước Long > Xã Tuy Phước"),
        ("xã Cát Khánh", "old Thị trấn Cát Khánh > Xã Đề Gi"),
        # house numbers are of streets, numbers of hamlets are not
        ("12 Trần Phú, Quy Nhơn", "district Thành phố Quy Nhơn"),
        ("120/5 Lê Lợi Quy Nhơn", "district Thành phố Quy Nhơn"),
        ("tổ 5 Trần Phú, Quy Nhơn", "old Phường Trần Phú > Phường Quy Nhơn"),
        # names of the highlands
        ("xã H'Bông", "old Xã HBông > Xã Ia Hrú"),
        ("xa h’neng dak doa", "old Xã Hneng > Xã Kon Gang"),
        ("xã Chư Đăng Ya", "old Xã Chư Đang Ya > Xã Biển Hồ"),
        ("xã Chơ GLong", "new Xã Chơ Long > Xã Chơ Long"),
        ("Adơk thuộc xã nào", "old Xã A Dơk > Xã Ia Băng"),
        ("làm căn cước ở xã Ia-Pếch", "old Xã Ia Pếch > Xã Gào"),
        ("thị trấn Đắk Pơ", "old Thị trấn Đak Pơ > Xã Đak Pơ"),
        ("ia ka chu pah", "old Xã Ia Ka > Xã Ia Phí"),
        ("xã Ia Krăi", "old Xã Ia Krăi > Xã Ia Krái"),
        ("xa ia bang chu prong", "old Xã Ia Bang > Xã Ia Tôr"),
        ("xã Đông, Kbang", "old Xã Đông > Xã Kông Bơ La"),
        ("xã Trang cũ", "old Xã Trang > Xã KDang"),
        # told apart by type, district, province, time
        ("xã Nhơn Hòa", "ambiguous Nhơn Hòa > Phường An Nhơn Nam, Xã Chư Pưh"),
        ("thị trấn Nhơn Hòa", "old Thị trấn Nhơn Hòa > Xã Chư Pưh"),
        ("Nhơn Hòa, thị xã An Nhơn", "old Phường Nhơn Hòa > Phường An Nhơn Nam"),
        ("xã An Tân", "old Xã An Tân > Xã An Lão"),
        ("phường An Tân", "old Phường An Tân > Phường An Khê"),
        ("xã An Trung", "ambiguous Xã An Trung > Xã An Vinh, Xã Chư Krey"),
        ("xã An Trung huyện Kông Chro", "old Xã An Trung > Xã Chư Krey"),
        ("phường Đống Đa", "ambiguous Phường Đống Đa > Phường Quy Nhơn, Phường Thống Nhất"),
        ("phường Đống Đa Bình Định", "old Phường Đống Đa > Phường Quy Nhơn"),
        ("phường Đống Đa, Gia Lai cũ", "old Phường Đống Đa > Phường Thống Nhất"),
        ("phường Đống Đa, tỉnh Gia Lai", "ambiguous Phường Đống Đa > Phường Quy Nhơn, Phường Thống Nhất"),
        ("Tây Sơn Pleiku", "old Phường Tây Sơn > Phường Pleiku"),
        ("phường Tây Sơn", "ambiguous Phường Tây Sơn > Phường Pleiku, Phường An Khê"),
        ("xã Tây Sơn", "new Xã Tây Sơn > Xã Tây Sơn"),
        ("ngo may", "ambiguous Ngô Mây > Xã Phù Cát, Phường Quy Nhơn Nam, Phường An Khê, Xã Ngô Mây"),
        ("xã Ngô Mây", "new Xã Ngô Mây > Xã Ngô Mây"),
        ("thị trấn Ngô Mây", "old Thị trấn Ngô Mây > Xã Phù Cát"),
        ("Ngô Mây Phù Cát", "ambiguous Ngô Mây > Xã Phù Cát, Xã Ngô Mây"),
        ("phường An Phú", "ambiguous Phường An Phú > Phường An Khê, Phường An Phú"),
        ("phường An Phú, An Khê", "old Phường An Phú > Phường An Khê"),
        ("phường An Phú Pleiku", "new Phường An Phú > Phường An Phú"),
        ("xã Xuân An", "ambiguous Xã Xuân An > Xã Cửu An, Xã Xuân An"),
        ("xã Xuân An cũ", "old Xã Xuân An > Xã Cửu An"),
        ("xã Xuân An trước đây", "old Xã Xuân An > Xã Cửu An"),
        ("xã Xuân An mới là ở đâu", "new Xã Xuân An > Xã Xuân An"),
        ("xã Xuân An mới sáp nhập vào đâu", "ambiguous Xã Xuân An > Xã Cửu An, Xã Xuân An"),
        ("Xuân An, Phù Cát", "new Xã Xuân An > Xã Xuân An"),
        ("xã Ia O", "ambiguous Xã Ia O > Xã Ia Boòng, Xã Ia O"),
        ("xã Ia Sao Ia Grai", "old Xã Ia Sao > Xã Ia Hrung"),
        ("xã Ia Băng, Đak Đoa", "new Xã Ia Băng > Xã Ia Băng"),
        ("A Yun mang yang", "new Xã Ayun > Xã Ayun"),
        ("xã Ayun, Chư Sê", "old Xã AYun > Xã Al Bá"),
        # marks
        ("xã An Nghĩa", "divided Xã An Nghĩa > Xã An Hòa, Xã An Toàn"),
        ("xã Ân Nghĩa", "old Xã Ân Nghĩa > Xã Kim Sơn"),
        ("xa an nghia", "ambiguous An Nghĩa > Xã An Hòa, Xã An Toàn, Xã Kim Sơn"),
        ("xa an nghia hoai an", "old Xã Ân Nghĩa > Xã Kim Sơn"),
        ("xã An Thành", "old Xã An Thành > Xã Đak Pơ"),
        ("xa an thanh", "ambiguous Ân Thạnh > Xã Vạn Đức, Xã Đak Pơ"),
        ("thôn Nhơn Ân", "-"),
        ("xã Nhơn Ân", "-"),
        # divided
        ("xã Canh Hiệp nộp đâu", "divided Xã Canh Hiệp > Xã Canh Vinh, Xã Vân Canh"),
        ("xã Canh Liên", "divided Xã Canh Liên > Xã Canh Liên, Xã Canh Vinh"),
        ("xã Canh Liên mới", "new Xã Canh Liên > Xã Canh Liên"),
        # districts
        ("huyện Tuy Phước bỏ rồi thì nộp đâu", "district Huyện Tuy Phước"),
        ("tui ở Tuy Phước", "district Huyện Tuy Phước"),
        ("tui o hoai nhon", "district Thị xã Hoài Nhơn"),
        ("TX An Nhơn cũ", "district Thị xã An Nhơn"),
        ("h. dak po", "district Huyện Đăk Pơ"),
        ("K'Bang", "district Huyện KBang"),
        ("Qui Nhơn", "district Thành phố Quy Nhơn"),
        ("pleicu", "district Thành phố Pleiku"),
        ("huyện Tây Sơn", "district Huyện Tây Sơn"),
        ("mua nha o quy nhon nam 2019", "district Thành phố Quy Nhơn"),
        ("đường Trần Phú, Quy Nhơn", "district Thành phố Quy Nhơn"),
        ("thị trấn Tuy Phước", "old Thị trấn Tuy Phước > Xã Tuy Phước"),
        ("xã Tuy Phước", "new Xã Tuy Phước > Xã Tuy Phước"),
        # new names
        ("Bồng Sơn giờ thuộc phường nào", "new Phường Bồng Sơn > Phường Bồng Sơn"),
        ("phường Bồng Sơn cũ", "new Phường Bồng Sơn > Phường Bồng Sơn"),
        ("phường Bình Định", "new Phường Bình Định > Phường Bình Định"),
        ("thị trấn Cát Tiến", "old Thị trấn Cát Tiến > Xã Cát Tiến"),
        ("xã Cát Tiến", "new Xã Cát Tiến > Xã Cát Tiến"),
        ("xã An Nhơn Tây", "new Xã An Nhơn Tây > Xã An Nhơn Tây"),
        ("phường Quy Nhơn Đông", "new Phường Quy Nhơn Đông > Phường Quy Nhơn Đông"),
        ("xa hoi son", "new Xã Hội Sơn > Xã Hội Sơn"),
    ],
)
def test_messages(message: str, expected: str) -> None:
    assert said(message) == expected
    assert said(unicodedata.normalize("NFD", message)) == expected


def test_a_bare_name_of_communes_and_a_district_holds_them_all() -> None:
    found = TABLE.find("tôi ở Tây Sơn")
    assert found is not None
    assert (found.kind, found.name) == ("ambiguous", "Tây Sơn")
    assert [u.district for u in found.candidates] == ["Thành phố Pleiku", "Thị xã An Khê"]
    assert set(found.new) == {"Phường Pleiku", "Phường An Khê", *TABLE.district_units("Tây Sơn")}


DISTRICTS = sorted({u.district for u in TABLE.units})


@pytest.mark.parametrize("district", DISTRICTS)
@pytest.mark.parametrize("spell", [str, str.lower, str.upper, unmarked, lambda t: unmarked(t).lower()])
def test_a_bare_district_never_settles_the_commune(district: str, spell: object) -> None:
    """With and without marks: whoever names a district is asked which commune, even where a new one is called so."""
    assert callable(spell)
    for style in (
        "{}", "ở {}", "tui ở {}", "nhà tôi ở {}", "mình ở {} thì nộp đâu", "quê {}", "hộ khẩu {}", "tui người {}",
        "dân {} làm giấy ở đâu", "bên {} giờ thuộc xã nào", "{} giờ thuộc đâu", "{} cũ", "tôi ở {} muốn làm khai sinh",
    ):  # fmt: skip
        message = spell(style.format(bare(district)))
        found = TABLE.find(message)
        if district == "Huyện Tây Sơn":  # two old wards bear the name as well
            assert found is None or found.kind == "ambiguous", message
            continue
        assert found is not None, message
        assert (found.kind, found.name) == ("district", district), message
        assert found.new == TABLE.district_units(district)


def test_an_ambiguous_name_says_that_it_is_a_district_too() -> None:
    son, may = TABLE.find("tui ở Tây Sơn"), TABLE.find("ngô mây")
    assert son is not None
    assert may is not None
    assert (son.district, may.district) == ("Huyện Tây Sơn", "")


def test_each_new_commune_can_be_named_for_certain() -> None:
    for name in TABLE.new_units:
        found = TABLE.find(f"{name} mới")
        assert found is not None
        assert (found.kind, found.name) == ("new", name)


@pytest.mark.parametrize("message", ["Nhơn An", "dạ em ở xã nhơn an ạ", "Quy Nhơn", "phường Bùi Thị Xuân"])
def test_nothing_but_a_name(message: str) -> None:
    assert TABLE.is_name(message)


@pytest.mark.parametrize("message", ["", "dạ", "khai sinh ở Nhơn An", "Quy Nhơn mất bao lâu", "phí bao nhiêu"])
def test_more_than_a_name_or_none(message: str) -> None:
    assert not TABLE.is_name(message)


def test_candidates_are_what_the_name_stands_for() -> None:
    district, made, divided = TABLE.find("huyện Vân Canh"), TABLE.find("xã Gào, Pleiku"), TABLE.find("xã Canh Hiệp")
    assert district is not None
    assert made is not None
    assert divided is not None
    assert {u.district for u in district.candidates} == {"Huyện Vân Canh"}
    assert district.new == TABLE.district_units("Vân Canh")
    assert [u.old for u in made.candidates] == ["Xã Ia Pếch", "Xã Gào", "Xã Ia Kênh"]
    assert divided.candidates == (
        Unit("Xã Canh Hiệp", "Huyện Vân Canh", "Tỉnh Bình Định", ("Xã Canh Vinh", "Xã Vân Canh")),
    )


@pytest.mark.parametrize("style", ["xã {old}, {district} cũ", "toi o {old} {district}", "{old}, {full}, {province}"])
@pytest.mark.parametrize("spell", [str, unmarked, str.lower, str.upper, lambda t: unmarked(t).lower()])
def test_every_old_commune_is_found_with_its_district(style: str, spell: object) -> None:
    assert callable(spell)
    for unit in TABLE.units:
        old = bare(unit.old) if style.startswith("xã") else unit.old
        message = style.format(old=old, district=bare(unit.district), full=unit.district, province=unit.province)
        found = TABLE.find(spell(message))
        assert found is not None, message
        if old == "Ngô Mây" and unit.district == "Huyện Phù Cát":
            continue  # the new commune Ngô Mây is in that district, too
        assert found.new == unit.new, message
        assert found.kind in ({"old", "new"} if len(unit.new) == 1 else {"divided"}), message


def test_every_new_commune_is_found_and_is_itself() -> None:
    for name in TABLE.new_units:
        found = TABLE.find(f"nộp ở {name} được không")
        assert found is not None, name
        assert name in found.new, name
        if found.kind == "new":
            assert (found.name, found.new) == (name, (name,))
        else:
            assert found.kind in ("ambiguous", "divided"), name


# -- ordinary words


@pytest.mark.parametrize(
    "message",
    [
        "",
        "   ",
        "làm khai sinh cho con",
        "giấy chứng nhận an toàn thực phẩm",
        "an toàn",
        "giấy an toàn cũ hết hạn",
        "giay chung nhan an toan thuoc so nao",
        "hai bên thống nhất giá rồi thì công chứng ở đâu",
        "xã thống nhất với dân rồi mới làm đường",
        "khối đại đoàn kết",
        "vì hòa bình",
        "Hòa Bình",
        "tỉnh Hòa Bình cũ",
        "Bình Dương cũ giờ thuộc thành phố Hồ Chí Minh rồi hả",
        "em làm ở Bình Thuận",
        "quê Bình Định",
        "tinh Binh Dinh cu",
        "Gia Lai",
        "tỉnh Gia Lai có bao nhiêu xã",
        "Tân An",
        "Thắng Lợi",
        "nhà ở đường Quang Trung",
        "số 12 Nguyễn Văn Cừ",
        "trường Nguyễn Văn Cừ",
        "tôi tên Nguyễn Thị Mỹ Châu",
        "con tôi là Trần Hoài Thanh",
        "cho long vao chuong",
        "chủ sẽ ký",
        "chu se ky ten",
        "chưa có giấy",
        "to tung dan su",
        "cat thang truoc tien that nghiep",
        "trinh phuong an dung dat",
        "ve xa man giay to",
        "yeu xa quy nhon",
        "xa dong y cho toi",
        "xã đông dân quá",
        "xã trang bị máy tính",
        "bảo hiểm xã hội phú quý",
        "bảo hiểm xã hội thương binh",
        "mua nhà ở xã hội phú quý",
        "hợp tác xã An Phú",
        "I am a teacher",
        "phường Đống Đa, quận Đống Đa, Hà Nội",
        "phường An Phú TP HCM",
        "phường An Phú Đông",
        "xã An Phú huyện Tuy An, Phú Yên",
        "xã Tân An, Long An",
        "quận Tân Bình",
        "huyện Yên Thế",
        "xã Krông Á",
        "huyện Krông Năng",
        "<NAME> 0905",
        "con tôi tên là Hoài Ân",
        "con toi ten la Hoai An",
        "đặt tên con là Nguyễn Hoài Ân",
        "đổi tên từ Hoài An sang Hoài An",
        "khai sinh cho Hoài Ân",
        "bé Hoài Ân sinh hôm qua",
        "chị Vĩnh Thạnh đi làm căn cước",
        "cháu Phú Thiện 14 tuổi làm căn cước",
        "vo toi la nguyen thi phu thien",
        "đại học Quy Nhơn",
        "sân bay Phù Cát",
        "phong trào Tây Sơn",
        "tay son mong tay",
        "duc co the lam ho khong",
        "van canh cao",
        "phu cat rau",
        "vinh thanh nien",
        "Lê Lợi",
        "đường Lý Thường Kiệt",
        "ông Trần Hưng Đạo",
        "phường Lê Lợi, thành phố Vinh",
        "phường Trần Hưng Đạo, Quảng Ngãi",
        "phuoc long",
    ],
)
def test_ordinary_words_are_no_places(message: str) -> None:
    assert TABLE.find(message) is None


# -- whatever people send


@given(st.text(max_size=200))
def test_any_text_is_read(message: str) -> None:
    found = TABLE.find(message)
    assert found is None or (found.new and set(found.new) <= set(TABLE.new_units))
    TABLE.district_units(message)


WORDS = st.sampled_from(
    [
        *("xã", "xa", "phường", "phuong", "P.", "thị trấn", "thi tran", "TT", "tp.", "huyện", "h.", "quận", "1"),
        *("cũ", "cu", "mới", "trước đây", "ở", "thuộc", "là", ",", ".", "(", ")", "/", "'", "-", "Hà Nội"),
        *("Nhơn An", "nhon an", "Ngô Mây", "ngo may", "Ia O", "ia", "Băng", "bang", "Tây Sơn", "tay son", "K'Bang"),
        *("Quy Nhơn", "Hội Phú", "hội", "Bình Định", "Gia Lai", "Canh Liên", "An Nghĩa", "an nghia", "Đông", "Pleiku"),
    ]
)


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_what_is_found_holds_together(message: str) -> None:
    found = TABLE.find(message)
    if found is None:
        return
    led = {n for u in found.candidates for n in u.new}
    assert len(set(found.new)) == len(found.new)
    assert set(found.candidates) <= set(TABLE.units)
    if found.kind in ("old", "new"):
        assert len(found.new) == 1
        assert found.new[0] in led
    elif found.kind == "divided":
        assert [u.old for u in found.candidates] == [found.name]
        assert found.candidates[0].new == found.new
    elif found.kind == "district":
        assert {u.district for u in found.candidates} == {found.name}
        assert set(found.new) == led
    else:
        assert len(found.new) > 1
        assert led <= set(found.new)


def test_a_long_list_takes_no_time() -> None:
    began = time.perf_counter()
    TABLE.find("ở An Phú, Quy Nhơn " * 300)
    assert time.perf_counter() - began < 2


# -- the file

HEAD = "old,district,province,new\n"
ROW = "Xã A,Huyện B,Tỉnh C,Xã D\n"


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "places.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    places = load_places(written(tmp_path, HEAD + ROW + "Xã A,Huyện B,Tỉnh C,Phường E\n"))
    assert isinstance(places, Places)
    assert places.units == (Unit("Xã A", "Huyện B", "Tỉnh C", ("Xã D", "Phường E")),)
    assert places.new_units == places.district_units("B") == ("Xã D", "Phường E")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "columns"),
        ("old,new\n", 1, "columns"),
        (HEAD, 1, "no places"),
        (HEAD + ROW + "Xã A,Huyện B,Tỉnh C\n", 3, "4 cells"),
        (HEAD + "\n", 2, "4 cells"),
        (HEAD + ROW + ROW, 3, "given twice"),
        (HEAD + ROW + "Xã F,Huyện B,Tỉnh G,Xã D\n", 3, "'Huyện B' is in 'Tỉnh C'"),
        (HEAD + "Làng A,Huyện B,Tỉnh C,Xã D\n", 2, "old: 'Làng A' does not begin with Xã or Phường or Thị trấn"),
        (HEAD + "Xã,Huyện B,Tỉnh C,Xã D\n", 2, "old: "),
        (HEAD + "Xã A,Quận B,Tỉnh C,Xã D\n", 2, "district: "),
        (HEAD + "Xã A,Huyện B,C,Xã D\n", 2, "province: "),
        (HEAD + "Xã A,Huyện B,Tỉnh C,Thị trấn D\n", 2, "new: "),
        (HEAD + "Xã A,Huyện B,Tỉnh C,\n", 2, "new: "),
        (HEAD + ROW + "Xã  A,Huyện B,Tỉnh C,Xã D\n", 3, "single blanks"),
        (HEAD + "Xã A,Huyện B,Tỉnh C,Xã D \n", 2, "single blanks"),
        (HEAD + unicodedata.normalize("NFD", ROW), 2, "NFC"),
        (HEAD + 'Xã A,Huyện B,Tỉnh C,"Xã D\n', 2, "not valid CSV"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as error:
        load_places(path)
    assert (error.value.path, error.value.line) == (path, line)
    assert words in error.value.message


EARLIER = "old,district,into,since,source,url,certainty\n"
GONE = "Xã G,Huyện B,Xã A,2024-12-01,Nghị quyết 1,https://example.org,sure\n"


def beside(tmp_path: Path, text: str) -> Path:
    """A table of one commune with ``text`` as the file of earlier ones beside it."""
    table = written(tmp_path, HEAD + ROW)
    table.with_name("places-earlier.csv").write_text(text, encoding="utf-8")
    return table


def test_earlier_communes_follow_the_one_that_took_them_in(tmp_path: Path) -> None:
    places = load_places(beside(tmp_path, EARLIER + GONE))
    joined = Joined(("Xã A",), "2024-12-01", "Nghị quyết 1", True)
    assert places.units[1] == Unit("Xã G", "Huyện B", "Tỉnh C", ("Xã D",), joined)
    assert places.district_units("B") == ("Xã D",)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("old,new\n", 1, "columns"),
        (EARLIER + GONE.replace("Xã A", "Xã X"), 2, "into: 'Xã X' of 'Huyện B' is not in places.csv"),
        (EARLIER + GONE.replace("Huyện B", "Huyện X"), 2, "is not in places.csv"),
        (EARLIER + GONE.replace("Xã G", "Xã A"), 2, "old: 'Xã A' of 'Huyện B' is in places.csv"),
        (EARLIER + GONE.replace("2024-12-01", "2024-02-30"), 2, "since: "),
        (EARLIER + GONE.replace("2024-12-01", "lâu rồi"), 2, "since: "),
        (EARLIER + GONE.replace("sure", "maybe"), 2, "certainty: "),
        (EARLIER + GONE.replace("Nghị quyết 1", ""), 2, "source: "),
        (EARLIER + GONE.replace("https://", "http://"), 2, "url: "),
        (EARLIER + GONE + GONE, 3, "given twice"),
    ],
)
def test_a_mistake_among_earlier_communes_is_told(tmp_path: Path, text: str, line: int, words: str) -> None:
    table = beside(tmp_path, text)
    with pytest.raises(DataError) as error:
        load_places(table)
    assert (error.value.path, error.value.line) == (table.with_name("places-earlier.csv"), line)
    assert words in error.value.message


def test_other_encodings_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8 text"):
        load_places(written(tmp_path, (HEAD + ROW).encode("utf-16")))
    with pytest.raises(DataError, match="cannot be read"):
        load_places(tmp_path / "none.csv")


def test_the_file_is_in_the_package() -> None:
    assert PLACES.is_file()
