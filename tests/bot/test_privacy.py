"""Masking: every kind of personal data, nothing that is protected, twice the same, and user ids only as hashes."""

from __future__ import annotations

import re
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.privacy import MASKS, find, load_key, redact, user_key

PERSONAL = [
    ("citizen", "cccd của tôi 052199001234 nha", "052199001234"),
    ("citizen", "căn cước 052 199 001 234", "052 199 001 234"),
    ("citizen", "cmnd cũ 212345678", "212345678"),
    ("phone", "gọi 0905123456 giúp", "0905123456"),
    ("phone", "sđt 0905 123 456", "0905 123 456"),
    ("phone", "sđt 0905.123.456", "0905.123.456"),
    ("phone", "+84905123456", "84905123456"),
    ("phone", "84 905 123 456", "84 905 123 456"),
    ("phone", "máy bàn 02563822222", "02563822222"),
    ("phone", "0905123456 k liên lạc được", "0905123456"),
    ("card", "thẻ 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("otp", "mã otp là 482913", "482913"),
    ("otp", "otp: 4829", "4829"),
    ("otp", "482 913 là mã xác thực hả", "482 913"),
    ("otp", "passcode 123456", "123456"),
    ("password", "mật khẩu là Hoa@1990", "Hoa@1990"),
    ("password", "mk: conmeo", "conmeo"),
    ("email", "gửi về lan.nguyen+1@gmail.com.vn nhé", "lan.nguyen+1@gmail.com.vn"),
    ("passport", "hộ chiếu C1234567", "C1234567"),
    ("passport", "hc số n12345678", "n12345678"),
    ("insurance", "sổ bhxh 5212345678", "5212345678"),
    ("health", "thẻ BHYT GD4520123456789", "GD4520123456789"),
    ("tax", "mst 4101234567", "4101234567"),
    ("tax", "mã số thuế 4101234567-001", "4101234567-001"),
    ("plate", "xe 77C1-123.45", "77C1-123.45"),
    ("plate", "biển số 77A-12345", "77A-12345"),
    ("dossier", "hồ sơ H21.65-220914-0011 tới đâu", "H21.65-220914-0011"),
    ("dossier", "mã H08-251201-00012", "H08-251201-00012"),
    ("dossier", "000.00.19.H08-201231-0001", "000.00.19.H08-201231-0001"),
    ("birth", "tôi sinh ngày 05/06/1990", "05/06/1990"),
    ("birth", "con sinh 5-6-2024", "5-6-2024"),
    ("birth", "sinh ngày 5 tháng 6 năm 1990", "sinh ngày 5 tháng 6 năm 1990"),
    ("birth", "theo luật, con sinh ngày 05/06/2024", "05/06/2024"),
    ("address", "nhà ở số nhà 12 đường Lê Lợi", "số nhà 12 đường Lê Lợi"),
    ("address", "ở thôn 3 nha", "thôn 3"),
    ("address", "tổ 5 khu phố 2", "tổ 5"),
    ("number", "số sổ 12345678901234", "12345678901234"),
]


@pytest.mark.parametrize(("kind", "message", "secret"), PERSONAL)
def test_every_kind_is_masked(kind: str, message: str, secret: str) -> None:
    made = redact(message)
    assert secret not in made
    assert MASKS[kind] in made
    assert kind in {span.kind for span in find(message)}
    assert not any(re.sub(r"\D", "", part) in re.sub(r"\D", "", made) for part in secret.split() if part.isdigit())


def test_what_stands_around_is_left_alone() -> None:
    assert redact("gọi 0905123456 giúp em, cccd 052199001234.") == (
        f"gọi {MASKS['phone']} giúp em, cccd {MASKS['citizen']}."
    )


@pytest.mark.parametrize(
    "message",
    [
        "thủ tục 1.001193 và 2.000635.H21",
        "mã 1.115375 cần gì",
        "phí 10.000 đồng, 1.500.000đ hay 200000 đồng",
        "tốn 1500k hay 2000000 vnd",
        "theo 123/2015/NĐ-CP và 5299/2024/QĐ-UBND",
        "nghị định 118/2025/NĐ-CP ngày 09/06/2025",
        "áp dụng đến hết ngày 31/12/2026",
        "luật có hiệu lực từ 01/07/2025",
        "gọi 18001096 hoặc 1900.0368",
        "năm 2026, 7 ngày, 15 giờ, 60 tuổi",
        "đất 120 m2, thửa 45 tờ 12",
        "đăng ký khai sinh cho con 3 tháng",
        "quên mật khẩu là phải làm sao",
    ],
)
def test_what_is_protected_stays(message: str) -> None:
    assert redact(message) == message


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("quyết định cccd 052199001234 ký 01/02/2024", "052199001234"),
        ("tạm trú từ ngày, sđt 0905123456, 1/1/2024", "0905123456"),
        ("cmnd 212345678 đ/c Quy Nhơn", "212345678"),
        ("0.905.123.456đ", "905.123.456"),
        ("1.001193 052199001234", "052199001234"),
        ("052199001234 1.001193", "052199001234"),
        ("0521\u200b9900\u200b1234 là cccd", "1234"),
    ],
)
def test_protection_does_not_spread(message: str, secret: str) -> None:
    from bot.gateway import clean

    assert secret not in clean(message)


def test_ten_digits_need_a_word_that_says_what_they_are() -> None:
    assert MASKS["tax"] in redact("thuế của tui 4101234567")
    assert MASKS["number"] in redact("con số 4101234567")


def test_only_cards_that_add_up_are_called_cards() -> None:
    assert MASKS["card"] in redact("4111111111111111")
    assert MASKS["number"] in redact("4111111111111112")


def test_spans_are_in_order_and_apart() -> None:
    spans = find("a@b.vn 0905123456 052199001234")
    assert spans == sorted(spans)
    assert all(a.end <= b.start for a, b in zip(spans, spans[1:], strict=False))


PIECES = st.sampled_from(
    [message for _, message, _ in PERSONAL]
    + [
        "1.001193",
        "10.000 đồng",
        "mã",
        "otp",
        "mk",
        "sinh",
        "mst",
        "bhxh",
        "luật",
        "từ ngày",
        "1/1/2024",
        "đến",
        " ",
        "-",
        ".",
        ",",
        "052199001234",
        "12345",
        "0905",
        "7",
        "<",
        ">",
        ":",
        "là",
        "\u0338",
        "H08-",
        "77C1",
        "k",
        "đ",
        *MASKS.values(),
    ]
)
MESSAGES = st.lists(PIECES | st.text("0123456789.- /", max_size=14), max_size=8).flatmap(
    lambda parts: st.sampled_from(["", " ", ", "]).map(lambda by: by.join(parts))
)


@settings(max_examples=600, deadline=None)
@given(MESSAGES | st.text(max_size=40))
def test_masking_twice_changes_nothing(message: str) -> None:
    once = redact(message)
    assert redact(once) == once
    assert unicodedata.is_normalized("NFC", once)


@settings(max_examples=600, deadline=None)
@example("", 100000000000, "luật052199001234/1.001193")
@given(MESSAGES, st.integers(10**11, 10**12 - 1), MESSAGES)
def test_no_twelve_digits_survive(before: str, number: int, after: str) -> None:
    made = redact(f"{before} {number} {after}")
    assert not re.search(r"(?<!\d)\d{12}(?!\d)", made)
    assert str(number) not in made


@given(st.text(max_size=60))
def test_any_text_can_be_masked(message: str) -> None:
    made = redact(message)
    assert len(made) <= 6 * len(unicodedata.normalize("NFC", message))


# -- users


def test_a_user_key_is_stable_and_tells_nothing() -> None:
    one = user_key("telegram", "700000001", b"k")
    assert one == user_key("telegram", "700000001", b"k")
    assert re.fullmatch(r"[0-9a-f]{24}", one)
    assert "700000001" not in one
    others = {
        user_key("zalo", "700000001", b"k"),
        user_key("telegram", "700000002", b"k"),
        user_key("telegram", "700000001", b"x"),
    }
    assert len(others | {one}) == 4


def test_the_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    home = tmp_path / "state"
    key = load_key(home)
    assert len(key) == 64
    assert load_key(home) == key
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600
    assert [p.name for p in home.iterdir()] == ["secret.key"]
    assert load_key(tmp_path / "other") != key
    assert load_key(home, "tự đặt") == "tự đặt".encode()
