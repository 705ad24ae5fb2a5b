"""Dressing a reply for a channel: markup, splitting, choices, rows of buttons; and golden files of all of it."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import regex
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from bot.render import CONSOLE, TELEGRAM, ZALO, ZALO_BOT, Look, dress, fit, plain, rendered, rows, to_html, units
from bot.reply import Button, Part, Reply
from bot.texts import text

GOLDEN = Path(__file__).parents[1] / "golden"
REPLIES: dict[str, dict[str, Any]] = yaml.safe_load((GOLDEN / "replies.yml").read_text(encoding="utf-8"))
LOOKS = {"telegram": TELEGRAM, "zalo": ZALO, "zalobot": ZALO_BOT, "console": CONSOLE}
SMALL = [Look(64, to_html, 3), Look(64, plain, 2, label=20), Look(64, plain, 4, numbered=True, label=20),
         Look(130, plain, 9, numbered=True)]  # fmt: skip
PIECES = ["**", "*", "&", "<b>", " ", "\n", "\n\n", "chữ", "Đăng ký khai sinh", "😀", "👨‍👩‍👧‍👦", "🇻🇳", "👍🏽",
          "e\u0301", "q\u0323\u0301", "\u0323", "x" * 90]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
LABELS = st.lists(st.text(max_size=150) | st.sampled_from(["Phí", "**Giấy** & <tờ>", "1. ", ""]), max_size=30)


def shown(part: str) -> str:
    """HTML as Telegram shows it; fails for what Telegram would refuse."""
    bare = re.sub(r"<b>([^<>]*)</b>", r"\1", part)
    assert not re.search(r"[<>]", bare), part
    return html.unescape(bare)


def seen(part: Part, look: Look) -> str:
    """A part as people see it."""
    return shown(part.text) if look.render is to_html else part.text


def clusters(said: str) -> list[str]:
    """The letters of a text as people see them, without blanks."""
    return [one for one in regex.findall(r"\X", unicodedata.normalize("NFC", said)) if not one.isspace()]


def keys_of(reply: Reply) -> list[str]:
    return [f"k{n}" for n in range(1, len(reply.buttons) + 1)]


def dressed(reply: Reply, look: Look) -> list[Part]:
    reply = fit(reply, look)
    return dress(reply, keys_of(reply), look)


# -- markup


def test_bold_is_the_only_markup() -> None:
    assert to_html("**Phí** < 8.000 & hơn, _không nghiêng_") == "<b>Phí</b> &lt; 8.000 &amp; hơn, _không nghiêng_"
    assert plain("**Phí** 2 * 3") == "Phí 2 * 3"
    assert to_html("**đậm\nhai dòng** và **nữa**") == "<b>đậm\nhai dòng</b> và <b>nữa</b>"


def test_a_lone_mark_stays_text() -> None:
    assert to_html("2 ** 3 và **đậm**") == "2 <b> 3 và </b>đậm**"
    assert to_html("chỉ một ** thôi") == "chỉ một ** thôi"
    assert to_html("****") == "****"


def test_units_are_those_of_utf_16() -> None:
    assert units("chữ") == 3
    assert units("😀") == 2


@given(st.text())
def test_any_text_has_as_many_units_as_its_utf_16(said: str) -> None:
    assert units(said) == len(said.encode("utf-16-le", "surrogatepass")) // 2


# -- parts


def test_a_cut_is_made_between_paragraphs_then_lines_then_words() -> None:
    four, five = ("bốn " * 15).strip(), ("năm " * 8).strip()
    assert rendered(f"{five}\n{five}\n\n{four}", 70, plain) == [f"{five}\n{five}", four]
    assert rendered(f"{five}\n{four}", 70, plain) == [five, four]
    assert rendered(f"{four} {five}", 64, plain) == [f"{four} năm", ("năm " * 7).strip()]
    assert rendered("", 64, plain) == []


def test_a_short_beginning_does_not_make_a_part_of_its_own() -> None:
    assert rendered("Tên\n\n" + "dài " * 30, 64, plain)[0].startswith("Tên\n\ndài")


@pytest.mark.parametrize("heading", ["Phải nộp:", "— Trường hợp: con nuôi", "**Giấy tờ**"])
def test_a_heading_is_not_the_end_of_a_part(heading: str) -> None:
    first, second = rendered(f"{'chữ ' * 8}\n{heading}\n{'giấy ' * 9}", 70, plain)
    assert (first, second) == (("chữ " * 8).strip(), plain(f"{heading}\n{'giấy ' * 9}").strip())


def test_a_word_stays_whole_where_it_fits() -> None:
    address = "https://dichvucong.gov.vn/" + "x" * 30
    assert rendered(f"Xem {'nữa ' * 5}{address}", 64, plain) == [f"Xem {'nữa ' * 5}".strip(), address]
    assert rendered("8.000\u00a0" * 16, 64, plain)[0] == "8.000\u00a0" * 10 + "8.00"


@pytest.mark.parametrize("letter", ["😀", "👨‍👩‍👧‍👦", "🇻🇳", "👍🏽", "❤️", "q\u0323\u0301", "x\u0301"])
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("render", [plain, to_html])
def test_a_cut_never_parts_a_letter(letter: str, before: int, render: Any) -> None:
    parts = rendered("a" * before + letter * 60, 64, render)
    assert len(parts) > 1
    assert all(re.fullmatch(f"a*(?:{letter})+", part) for part in parts)


def test_what_fits_nowhere_is_cut_all_the_same() -> None:
    parts = rendered("a" + "\u0323" * 300, 64, plain)
    assert "".join(parts) == "ạ" + "\u0323" * 299
    assert all(len(part) <= 64 for part in parts)


def test_a_letter_is_as_bold_as_its_first_sign() -> None:
    assert to_html("e**\u0301 đậm**") == "é<b> đậm</b>"


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


@given(TEXTS, st.integers(64, 200), st.sampled_from([plain, to_html]))
@example("**" + "&" * 80 + "**", 64, to_html)
@example("a" * 62 + "**bb**", 64, to_html)
@example("**" + "a" * 61 + "**" + "c" * 30, 64, to_html)
def test_parts_fit_lose_nothing_and_break_no_letter(said: str, limit: int, render: Any) -> None:
    parts = rendered(said, limit, render)
    assert all(0 < units(part) <= limit for part in parts)
    bare = [shown(part) if render is to_html else part for part in parts]
    assert all(part == part.strip() for part in bare)
    assert sum((clusters(part) for part in bare), []) == clusters(plain(said))


# -- choices


@given(st.text() | TEXTS, LABELS, st.sampled_from([*LOOKS.values(), *SMALL]), st.booleans())
@example("", ["Phí"], ZALO_BOT, True)
@example("\ud800", ["\ud83d" * 3], TELEGRAM, True)
@example("x" * 2000, ["\u200b" * 101], ZALO, True)
def test_whatever_is_said_can_be_sent(said: str, labels: list[str], look: Look, edit: bool) -> None:
    reply = fit(Reply(said, tuple(Button(label, "/x") for label in labels), edit=edit), look)
    parts = dress(reply, keys_of(reply), look)
    assert all(0 < units(part.text) <= look.limit and seen(part, look).strip() for part in parts)
    assert all(part.text.encode() for part in parts)
    assert not any(part.buttons for part in parts[:-1])
    assert all(part.edit == (edit and len(parts) == 1) for part in parts)
    if look.numbered:
        assert not any(part.buttons for part in parts)
    elif labels:
        assert [key for _, key in parts[-1].buttons] == keys_of(reply)
    for label, _ in parts[-1].buttons if parts else ():
        assert 0 < units(label) <= look.label
        assert unicodedata.is_normalized("NFC", label)
        assert "\n" not in label


@given(st.integers(0, 40), st.sampled_from([*LOOKS.values(), *SMALL]))
def test_every_choice_is_reached(count: int, look: Look) -> None:
    reply = Reply("Chọn đi", tuple(Button(f"Việc {n}", f"/v{n}") for n in range(count)))
    met, pages = list[str](), 0
    while True:
        fitted, pages = fit(reply, look), pages + 1
        assert len(fitted.buttons) <= look.buttons
        more = fitted.buttons and fitted.buttons[-1].payload.startswith("/more_choices")
        met += [button.payload for button in fitted.buttons[: -1 if more else None]]
        if not more:
            break
        assert fitted.buttons[-1].label == text("button_more_choices")
        rest = json.loads(fitted.buttons[-1].payload.removeprefix("/more_choices"))["buttons"]
        reply = replace(reply, buttons=tuple(Button(*pair) for pair in rest))
    assert met == [f"/v{n}" for n in range(count)]
    assert pages <= max(1, count)


@pytest.mark.parametrize("length", [0, 1, 1880, 1900, 1940, 1998, 2000, 2001, 5000])
@pytest.mark.parametrize("count", [1, 9])
def test_a_numbered_menu_is_never_split(length: int, count: int) -> None:
    reply = Reply(("chữ " * length)[:length], tuple(Button(f"Việc {n}", "/x") for n in range(1, count + 1)), edit=True)
    parts = dressed(reply, ZALO_BOT)
    menu = "\n".join([text("numbered_menu"), *(f"{n}. Việc {n}" for n in range(1, count + 1))])
    assert parts[-1].text == menu or parts[-1].text.endswith(f"\n\n{menu}")
    assert not any(text("numbered_menu") in part.text for part in parts[:-1])
    assert sum(len(part.text.replace(menu, "").replace(" ", "").strip()) for part in parts) == len(
        reply.text.replace(" ", "")
    )


def test_a_label_is_no_markup() -> None:
    reply = Reply("Chọn", (Button("**2** < 3", "/x"),))
    assert dressed(reply, TELEGRAM)[0].buttons == (("**2** < 3", "k1"),)
    assert dressed(reply, ZALO_BOT)[0].text.endswith("1. **2** < 3")


def test_a_label_that_is_too_long_is_cut_at_a_word() -> None:
    reply = Reply("Chọn", (Button("chữ, " * 30, "/x"), Button("👨‍👩‍👧‍👦" * 20, "/x")))
    (_, first), (_, second) = ((key, label) for label, key in dressed(reply, ZALO)[0].buttons)
    assert first == "chữ, " * 19 + "chữ…"
    assert second == "👨‍👩‍👧‍👦" * 9 + "…"


def test_a_key_for_each_button() -> None:
    with pytest.raises(ValueError, match="zip"):
        dress(Reply("Chọn", (Button("Phí", "/x"),)), [], TELEGRAM)


# -- golden files


def as_text(parts: list[Part]) -> str:
    """Parts as a golden file shows them."""
    lines = []
    for n, part in enumerate(parts, 1):
        edit = ", in place of the tapped one" if part.edit else ""
        lines.append(f"=== message {n} of {len(parts)}: {units(part.text)} units{edit}")
        lines.append(part.text)
        lines += [f"    [{label}] {key}" for label, key in part.buttons]
    return "\n".join(lines or ["=== nothing"]) + "\n"


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("channel", LOOKS)
def test_replies_look_as_they_did(channel: str, name: str, request: pytest.FixtureRequest) -> None:
    given = REPLIES[name]
    buttons = tuple(Button(label, f"/x{n}") for n, label in enumerate(given.get("buttons", [])))
    reply = Reply(given["text"] * given.get("times", 1), buttons, edit=given.get("edit", False))
    parts = dressed(reply, LOOKS[channel])
    assert all(unicodedata.is_normalized("NFC", part.text) for part in parts)
    path = GOLDEN / channel / f"{name}.txt"
    if request.config.getoption("golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(as_text(parts), encoding="utf-8")
    assert as_text(parts) == path.read_text(encoding="utf-8"), "rewrite with --golden if it is meant to be so"


def test_no_golden_file_is_left_over() -> None:
    there = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.txt")}
    assert there == {f"{channel}/{name}.txt" for channel in LOOKS for name in REPLIES}


# -- rows


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
