"""Findings: each doubt is raised where it holds, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge.checks import check
from tests.making import TODAY, procedure


def method(channel: str = "direct", **more: Any) -> dict[str, Any]:
    return {"channel": channel, "limits": [{"value": 3, "unit": "day"}], "fees": [{"amount": 8000}], **more}


def kinds(**changes: Any) -> dict[str, str]:
    data = {"methods": [method()]} | changes
    return {f.kind: f.severity for f in check([procedure(**data)], TODAY)}


def test_a_sound_record_raises_no_doubt() -> None:
    assert kinds() == {}


@pytest.mark.parametrize(
    ("changes", "kind", "severity"),
    [
        ({"methods": []}, "no-method", "error"),
        ({"documents": []}, "no-documents", "warning"),
        ({"full_online": True}, "online-flag", "warning"),
        ({"methods": [method(limits=[])]}, "no-limit", "info"),
        (
            {"methods": [method(limits=[{"value": 30, "unit": "day", "basis": "stored_maximum"}])]},
            "land-limit",
            "warning",
        ),
        ({"methods": [method(fees=[{"when": "đến hết ngày 31/12/2023"}])]}, "fee-expired", "error"),
        ({"methods": [method(fees=[{"amount": 9000, "until": "2026-11-23"}])]}, "fee-expired", "error"),
        ({"methods": [method(fees=[{"amount": 9000, "until": "2026-12-31"}])]}, "fee-expiring", "warning"),
        ({"methods": [method(fees=[{}])]}, "fee-unknown", "info"),
        ({"methods": [method(), method("online", fees=[{"amount": 9000}])]}, "fee-online-higher", "warning"),
        ({"agency": "UBND huyện An Nhơn"}, "old-agency", "warning"),
        ({"requirements": "Nộp cho Bộ Giao thông vận tải"}, "old-agency", "warning"),
        ({"steps": ["Chuyển cấp huyện xem"]}, "old-agency", "info"),
    ],
)
def test_doubts(changes: dict[str, Any], kind: str, severity: str) -> None:
    assert kinds(**changes) == {kind: severity}


@pytest.mark.parametrize(
    "changes",
    [
        {"methods": [method(limits=[], limit_note="Ngay trong ngày")]},
        {"methods": [method(fees=[{"amount": 9000, "until": "2027-06-30"}])]},
        {"methods": [method(fees=[{"free": True}])]},
        {"methods": [method(), method("online", fees=[{"amount": 7000}])]},
        {"agency": "Công an cấp xã"},
    ],
)
def test_no_doubt(changes: dict[str, Any]) -> None:
    assert kinds(**changes) == {}


def test_findings_name_code_and_field() -> None:
    methods = [method(), method("post", fees=[{"amount": 1000}, {"amount": 2000, "until": "2024-01-01"}])]
    (found,) = check([procedure(methods=methods)], TODAY)
    assert (found.code, found.field) == ("1.000001", "methods[1].fees[1]")
    assert "01/01/2024" in found.reason


def test_twins_by_name_and_level() -> None:
    three = [
        procedure(methods=[method()], code=code, name=name, levels=[level])
        for code, name, level in (
            ("1.000001", "Cấp thẻ", "commune"), ("1.000002", "CẤP THẺ", "commune"), ("1.000003", "Cấp thẻ", "province"),
        )
    ]  # fmt: skip
    found = list(check(three, TODAY))
    assert [(f.kind, f.code) for f in found] == [("same-name", "1.000001"), ("same-name", "1.000002")]
    assert "1.000002" in found[0].reason
