"""Fees, limits and texts of the portal: no number is told that the record does not support."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.facts import clean, end_dates, read_fee, read_fees, read_limits
from knowledge.model import TimeLimit, Unit
from tests.making import TODAY


def fee(value: Any, description: str = "", kind: str = "FEE", **more: Any) -> Any:
    return read_fee({"type": kind, "value": value, "description": description, **more}, TODAY)


# -- clean


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<p>Nộp&nbsp;đơn</p><p>Nhận</p>", "Nộp đơn\nNhận"),
        ('trước <img src="data:image/png;base64,iVBORw0KGgo=\nAAAA=="> sau', "trước sau"),
        ("ảnh: data:image/jpeg;base64,/9j/4AAQ=", "ảnh:"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("một<br/>hai<BR>ba", "một\nhai\nba"),
        ("a  \t b\r\n\r\n\r\nc", "a b\nc"),
        ("nhỏ hơn < 5 và > 3", "nhỏ hơn < 5 và > 3"),
        (unicodedata.normalize("NFD", "Đăng ký"), "Đăng ký"),
        ("e\u200b\u0301", "é"),
        (None, ""),
        (12, ""),
        (["a"], ""),
    ],
)
def test_clean(raw: object, plain: str) -> None:
    assert clean(raw) == plain


@given(st.text(st.sampled_from("ab <>/pbr&;\u200b\u0301đĐ\n\r\t\u00a0"), max_size=60))
def test_clean_leaves_composed_text_without_marks_or_outer_blanks(raw: str) -> None:
    made = clean(raw)
    assert made == made.strip()
    assert unicodedata.is_normalized("NFC", made)
    assert not set(made) & set("\u200b\ufeff\r\t\u00a0")
    assert "\n\n" not in made
    assert "  " not in made


# -- fees


@pytest.mark.parametrize("value", [0, None, "8000", True, -5, 0.0])
def test_no_figure_is_neither_an_amount_nor_free(value: object) -> None:
    made = fee(value)
    assert made.amount is None
    assert not made.free


@pytest.mark.parametrize(
    "words", ["Miễn phí", "miễn lệ phí.", "Không thu phí", "Không thu phí, lệ phí", "- Không mất phí"]
)
def test_free_only_where_the_words_say_so(words: str) -> None:
    made = fee(0, words)
    assert made.free
    assert made.amount is None


@pytest.mark.parametrize(
    "words", ["Miễn phí cho người khuyết tật", "Theo quy định", "Không thu phí đối với trẻ em", ""]
)
def test_partly_free_is_not_free(words: str) -> None:
    assert not fee(0, words).free


def test_free_words_beside_an_amount_do_not_make_it_free() -> None:
    made = fee(50000, "Miễn phí")
    assert (made.amount, made.free) == (50000, False)


def test_an_ended_clause_takes_its_amount_along() -> None:
    made = fee(160000, "160.000 đồng áp dụng đến hết ngày 31/12/2023")
    assert made.amount is None
    assert made.when == ""
    assert not made.free


def test_a_living_clause_keeps_amount_and_last_day() -> None:
    made = fee(160000, "160.000 đồng áp dụng đến hết ngày 31/12/2026")
    assert made.amount == 160000
    assert made.until == dt.date(2026, 12, 31)


def test_the_last_day_itself_still_counts() -> None:
    text = f"20.000 đồng đến hết ngày {TODAY:%d/%m/%Y}"
    assert fee(20000, text).amount == 20000
    assert read_fee({"value": 20000, "description": text}, TODAY + dt.timedelta(1)).amount is None


def test_only_the_clause_that_ended_is_left_out() -> None:
    made = fee(200000, "200.000 đồng/lần;\n160.000 đồng đến hết ngày 31/12/2023")
    assert made.amount == 200000
    assert made.until is None
    assert "160.000" not in made.when
    assert "200.000" in made.when


def test_halves_do_not_end_the_amount_itself() -> None:
    assert fee(50000, "Giảm 50% mức 50.000 đồng đến hết ngày 31/12/2026").until is None


@pytest.mark.parametrize(("value", "kept"), [(5, None), (50, None), (999, None), (1000, 1000), (8000, 8000)])
def test_figures_below_a_thousand_lost_their_zeros(value: int, kept: int | None) -> None:
    assert fee(value, "mỗi bản").amount == kept


def test_dollars_may_be_small() -> None:
    made = fee(25, "một lần", currencyName="USD")
    assert (made.amount, made.currency) == (25, "USD")
    assert fee(0, "một lần", currencyName="USD").amount is None


def test_a_fraction_of_a_dollar_is_not_told_as_zero() -> None:
    assert fee(0.5, "một lần", currencyName="USD").amount is None


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [("FEE", "", "fee"), ("SERVICE_FEE", "phí thẩm định", "charge"), ("PRICE_LEVEL", "", "price"),
     ("SERVICE_FEE", "Lệ phí cấp thẻ", "fee"), ("SERVICE_FEE", "phí và lệ phí", "charge"), ("?", "", "fee")],
)  # fmt: skip
def test_kinds(kind: str, words: str, expected: str) -> None:
    assert fee(9000, words, kind).kind == expected


def test_lines_that_say_nothing_and_repeats_are_dropped() -> None:
    lines = [{"value": 0}, {"value": 8000}, {"value": 8000}, {"value": 0, "description": "Theo nghị quyết"}]
    made = read_fees(lines, TODAY)
    assert [(f.amount, f.when) for f in made] == [(8000, ""), (None, "Theo nghị quyết")]


def test_end_dates_skip_days_that_do_not_exist() -> None:
    assert end_dates("đến hết ngày 31/02/2026, đến 1.7.2025") == [dt.date(2025, 7, 1)]
    assert end_dates("từ ngày 01/01/2026") == []


@given(
    st.one_of(st.none(), st.booleans(), st.integers(-10, 10**9), st.floats(allow_infinity=False), st.text(max_size=5)),
    st.text(st.sampled_from("0123456789./ đến hết ngàyMiễnphí;-"), max_size=60),
    st.sampled_from([None, "USD", "Việt Nam Đồng"]),
)
def test_an_amount_is_always_the_records_own(value: Any, words: str, currency: str | None) -> None:
    made = fee(value, words, currencyName=currency)
    if made.amount is not None:
        assert not isinstance(value, bool)
        assert made.amount == int(value) > 0
        assert not made.free
        assert made.until is None or made.until >= TODAY


# -- limits


def limit(value: object, unit: str, description: str = "", land: bool = False) -> Any:
    raw = {"processingTime": value, "processingTimeUnit": unit, "description": description}
    return read_limits(raw, gia_lai_land=land)


@pytest.mark.parametrize(
    ("value", "unit"), [(1, "OTHER"), (0, "DAY"), (-2, "DAY"), (None, "DAY"), (True, "DAY"), (3, "")]
)
def test_no_limit_is_made_up(value: object, unit: str) -> None:
    assert limit(value, unit) == ((), "")


def test_words_instead_of_a_figure_are_kept() -> None:
    assert limit("Ngay trong ngày", "OTHER") == ((), "Ngay trong ngày")
    assert limit("1", "OTHER") == ((), "")


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("WORKING_DAY", Unit.WORKING_DAY),
        ("DAY", Unit.DAY),
        ("HOUR", Unit.HOUR),
        ("MONTH", Unit.MONTH),
        ("YEAR", Unit.YEAR),
    ],
)
def test_units_and_halves(unit: str, expected: Unit) -> None:
    ((made,), words) = limit(12.5, unit)
    assert (made.value, made.unit, made.basis, words) == (12.5, expected, "", "")


BASE = "Không quá 17 ngày làm việc kể từ ngày nhận được hồ sơ; cấp giấy không quá 3 ngày làm việc."


def test_land_with_its_extra_for_mountain_communes_proven() -> None:
    text = BASE + " Đối với các xã miền núi thì thời gian được tăng thêm 10 ngày làm việc."
    made, _ = limit(27, "WORKING_DAY", text, land=True)
    assert made == (
        TimeLimit(value=17, unit=Unit.WORKING_DAY),
        TimeLimit(value=3, unit=Unit.WORKING_DAY),
        TimeLimit(value=27, unit=Unit.WORKING_DAY, basis="mountain"),
    )


def test_land_without_proof_is_a_stored_maximum() -> None:
    made, _ = limit(30, "WORKING_DAY", BASE, land=True)
    assert made[-1] == TimeLimit(value=30, unit=Unit.WORKING_DAY, basis="stored_maximum")
    assert limit(30, "WORKING_DAY", "", land=True)[0] == (made[-1],)


def test_land_figure_that_the_text_itself_gives_is_plain() -> None:
    made, _ = limit(17, "WORKING_DAY", BASE, land=True)
    assert [m.basis for m in made] == ["", ""]


def test_land_halves_and_conditions() -> None:
    made, _ = limit(17.5, "WORKING_DAY", "Không quá 7,5 ngày làm việc đối với thửa đất nhỏ", land=True)
    assert (made[0].value, made[0].when) == (7.5, "đối với thửa đất nhỏ")
    assert (made[1].value, made[1].basis) == (17.5, "stored_maximum")
