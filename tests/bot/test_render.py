"""Dressing a reply for a channel: markup, splitting, rows of buttons."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.render import plain, rendered, rows, split, to_html, units

PIECES = ["**", "*", "&", "<b>", " ", "\n", "\n\n", "chữ", "Đăng ký khai sinh", "😀", "e\u0301", "x" * 90]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def shown(part: str) -> str:
    """HTML as Telegram shows it; fails for what Telegram would refuse."""
    bare = re.sub(r"<b>([^<>]*)</b>", r"\1", part)
    assert not re.search(r"[<>]", bare), part
    return html.unescape(bare)


def letters(text: str) -> str:
    return re.sub(r"[\s*]", "", unicodedata.normalize("NFC", text))


def test_bold_is_the_only_markup() -> None:
    assert to_html("**Phí** < 8.000 & hơn, _không nghiêng_") == "<b>Phí</b> &lt; 8.000 &amp; hơn, _không nghiêng_"
    assert plain("**Phí** 2 * 3") == "Phí 2 * 3"


def test_a_lone_mark_stays_text() -> None:
    assert to_html("2 ** 3 và **đậm**") == "2 <b> 3 và </b>đậm**"
    assert to_html("chỉ một ** thôi") == "chỉ một ** thôi"


def test_units_are_those_of_utf_16() -> None:
    assert units("chữ") == 3
    assert units("😀") == 2


def test_a_cut_is_made_between_paragraphs_then_lines_then_words() -> None:
    assert split("một hai\nba\n\nbốn năm", 14) == ["một hai\nba", "bốn năm"]
    assert split("một hai\nba bốn", 11) == ["một hai", "ba bốn"]
    assert split("một hai ba", 8) == ["một hai", "ba"]
    assert split("", 10) == [""]


def test_a_cut_never_parts_an_emoji_or_an_accent() -> None:
    assert split("😀" * 5, 4) == ["😀😀", "😀😀", "😀"]
    assert all(not unicodedata.combining(part[0]) for part in split("q\u0323" * 40, 9))


def test_nothing_but_accents_is_cut_all_the_same() -> None:
    assert "".join(split("\u0323" * 30, 8)) == "\u0323" * 30


@given(TEXTS, st.integers(8, 80))
def test_a_split_text_is_whole_and_its_parts_fit(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(units(part) <= limit for part in parts)
    assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", unicodedata.normalize("NFC", text))


@given(TEXTS, st.integers(64, 200))
@example("**" + "&" * 80 + "**", 64)
@example("a" * 62 + "**bb**", 64)
@example("**" + "a" * 61 + "**" + "c" * 30, 64)
def test_rendered_parts_fit_and_are_html_by_themselves(text: str, limit: int) -> None:
    parts = rendered(text, limit, to_html)
    assert all(units(part) <= limit for part in parts)
    assert letters("".join(shown(part) for part in parts)) == letters(text)


def test_a_bold_passage_that_is_cut_is_bold_on_both_sides() -> None:
    first, second = rendered("**" + "đậm " * 20 + "** thường", 64, to_html)
    assert first.startswith("<b>đậm")
    assert first.endswith("đậm</b>")
    assert second.startswith("<b>đậm")
    assert second.endswith("</b> thường")


def test_the_limit_holds_after_escaping() -> None:
    parts = rendered("& " * 3000, 4096, to_html)
    assert len(parts) >= 4
    assert all(units(part) <= 4096 for part in parts)


def test_what_fits_is_left_whole() -> None:
    assert rendered("  **Phí**: 8.000\n\nđồng ", 4096, to_html) == ["<b>Phí</b>: 8.000\n\nđồng"]
    assert rendered("một " * 40, 64, plain)[0] == ("một " * 16).strip()


@pytest.mark.parametrize(
    ("labels", "lines"),
    [
        ([], []),
        (["Phí"], [[0]]),
        (["Phí", "Giấy tờ", "Nơi nộp"], [[0, 1], [2]]),
        (["Phí", "Đăng ký khai sinh cho con", "Giấy tờ", "Thôi"], [[0], [1], [2, 3]]),
        (["Đăng ký khai sinh cho con", "Đăng ký lại khai sinh"], [[0], [1]]),
    ],
)
def test_rows_hold_two_short_labels_or_one_long(labels: list[str], lines: list[list[int]]) -> None:
    assert rows(labels) == lines
