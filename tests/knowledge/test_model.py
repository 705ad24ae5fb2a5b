"""The types: what they refuse, and what they derive."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from knowledge.model import Channel, Document, Fee, Procedure, TimeLimit
from tests.making import procedure


@pytest.mark.parametrize("code", ["1001193", "1.00119", "1.0011933", "1.001193.H21", "a.001193", " "])
def test_a_code_has_one_digit_a_dot_and_six(code: str) -> None:
    with pytest.raises(ValidationError, match="code"):
        procedure(code=code)


def test_unknown_keys_and_empty_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        procedure(nmae="x")
    with pytest.raises(ValidationError, match="at least 1 character"):
        procedure(name="   ")


def test_nothing_can_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        procedure().name = "khác"  # type: ignore[misc]


@pytest.mark.parametrize("bad", [{"amount": -1}, {"currency": "EUR"}, {"kind": "gift"}])
def test_a_fee_is_no_debt_and_of_a_known_kind(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fee.model_validate(bad)


@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_above_zero(value: int) -> None:
    with pytest.raises(ValidationError):
        TimeLimit.model_validate({"value": value, "unit": "day"})


def test_online_is_told_by_the_methods_not_by_the_flag() -> None:
    assert not procedure(full_online=True).online
    assert procedure(methods=[{"channel": "post"}, {"channel": "online"}]).online


def test_cases_in_order_without_repeats() -> None:
    papers = [{"name": n, "case": c} for n, c in (("a", "hai"), ("b", ""), ("c", "một"), ("d", "hai"))]
    assert procedure(documents=papers).cases == ("hai", "một")


def test_the_date_behind_an_answer() -> None:
    assert procedure().source_line == "24/11/2026"
    assert procedure(updated_on=dt.date(2026, 4, 5)).source_line == "05/04/2026"


def test_a_record_survives_its_json() -> None:
    made = procedure(
        methods=[{"channel": "online", "limits": [{"value": 12.5, "unit": "working_day"}], "fees": [{"amount": 0}]}]
    )
    assert Procedure.model_validate_json(made.model_dump_json(exclude_defaults=True)) == made
    assert made.methods[0].channel is Channel.ONLINE
    assert Document(name=" a ").name == "a"
