"""Replies and buttons: short labels, and a way through JSON and back."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.reply import LABEL_LIMIT, Button, Outcome, Reply, shorten


@given(st.text(max_size=80), st.integers(8, 60))
def test_shortened_text_fits_and_says_that_it_was_cut(text: str, limit: int) -> None:
    made = shorten(text, limit)
    whole = " ".join(text.split())
    assert len(made) <= limit
    if len(whole) <= limit:
        assert made == whole
    else:
        assert made.endswith("…")
        assert whole.startswith(made[:-1])


@pytest.mark.parametrize(
    ("text", "limit", "made"),
    [
        ("Cấp bản sao trích lục hộ tịch", 16, "Cấp bản sao…"),
        ("Đăng ký  khai\nsinh", 40, "Đăng ký khai sinh"),
        ("Giấy tờ, (nếu có) và", 12, "Giấy tờ…"),
        ("a" * 50, 10, "a" * 9 + "…"),
    ],
)
def test_shortened_at_a_word(text: str, limit: int, made: str) -> None:
    assert shorten(text, limit) == made


def test_buttons_carry_intent_and_entities() -> None:
    assert Button.to("Phí", "ask_fee", code="1.001193") == Button("Phí", '/ask_fee{"code": "1.001193"}')
    assert Button.to("Trợ giúp", "help") == Button("Trợ giúp", "/help")
    assert len(Button.to("x " * 60, "help").label) <= LABEL_LIMIT


REPLIES = st.builds(
    Reply,
    st.text(max_size=20).map(lambda t: unicodedata.normalize("NFC", t)),
    st.lists(st.builds(Button, st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple),
    st.none() | st.just("1.001193"),
    st.text(max_size=5),
    st.booleans(),
)


@given(REPLIES)
def test_a_reply_survives_json(reply: Reply) -> None:
    assert Reply.from_json(json.loads(json.dumps(reply.to_json()))) == reply


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "a"},
        {"text": "a", "buttons": 5, "procedure": None, "intent": "", "edit": False},
        {"text": "a", "buttons": [["x"]], "procedure": None, "intent": "", "edit": False},
        [],
    ],
)
def test_something_else_is_refused(data: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Reply.from_json(data)  # type: ignore[arg-type]


def test_text_goes_out_composed() -> None:
    assert Reply(unicodedata.normalize("NFD", "Đường")).to_json()["text"] == "Đường"


def test_lines_are_added_before_or_after() -> None:
    reply = Reply("giữa", (Button("a", "/a"),), "1.001193", "x", True)
    assert reply.plus("sau", "").text == "giữa\n\nsau"
    assert reply.plus("trước", first=True).text == "trước\n\ngiữa"
    assert reply.plus("sau").buttons == reply.buttons
    assert reply.plus("").text == "giữa"
    assert Outcome(reply).slots == {}
