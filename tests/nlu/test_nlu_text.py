"""The two text forms."""

from __future__ import annotations

import pytest

from nlu.text import fold, lexicon, plain, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tui mần KHAI SANH", "tôi làm khai sinh"),
        ("ko bít làm ntn", "không biết làm như thế nào"),
        ("mất sổ đỏ", "mất giấy chứng nhận quyền sử dụng đất"),
        ("răng rứa", "sao vậy"),
        ("bay gio sao", "giờ sao"),
        ("ma", "ma"),
        ("hông dzậy đâu mô", "không vậy đâu"),
        ("", ""),
    ],
)
def test_plain(text: str, words: str) -> None:
    """Spoken wording becomes plain wording."""
    assert plain(text) == words.split()


def test_numbers_become_marks() -> None:
    """No code, amount or secret is learned as a word; a choice is."""
    assert tokens("mã 1.001193 OTP 123456 số 2, 50.000") == ["mã", "<code>", "otp", "<num6>", "số", "2", ",", "<num5>"]


def test_composed_and_decomposed_are_one() -> None:
    """NFD input reads as NFC."""
    import unicodedata

    text = "đăng ký tạm trú"
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(text)
    assert fold(text) == "dang ky tam tru"


def test_lexicon_is_sound() -> None:
    """No entry maps to itself or leads to another entry."""
    table = lexicon()
    for key, value in table.items():
        assert key != value
        assert len(key) <= 3
        assert value not in table, (key, value)
