"""Hand-made records for tests: portal records as JSON, procedures, and the six of the tiny release."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

from knowledge.model import Procedure

TODAY = dt.date(2026, 11, 24)

_RECORD: dict[str, Any] = {
    "id": "019d-abc",
    "code": "1.000001",
    "name": "Thủ tục đăng ký thả diều",
    "detail": {
        "type": "STANDARD",
        "isInternal": False,
        "isWard": True,
        "isProvince": False,
        "isMinistry": False,
        "isFullProcess": False,
        "departmentPromulgateName": "Bộ Gió",
        "categoriesDetails": [{"name": "Bầu trời"}],
        "subjectTypesDetails": [{"name": "Công dân Việt Nam"}],
        "resultsDetails": [{"name": "Giấy phép thả diều"}],
        "legalBasisesDetails": [{"code": "01/2026/TT-BG", "name": "Thông tư về diều"}],
        "departmentsExecuting": [{"name": "UBND cấp xã"}],
        "executionSteps": [{"name": "", "description": "Bước 1: nộp\nBước 2: nhận"}],
        "executionMethods": [
            {
                "submissionMethod": "ONLINE",
                "processingTime": 3,
                "processingTimeUnit": "WORKING_DAY",
                "description": "Nộp trên cổng",
                "fees": [{"type": "FEE", "value": 8000, "description": "Mỗi con diều"}],
            },
            {"submissionMethod": "DIRECT", "processingTime": 0, "processingTimeUnit": "OTHER", "fees": []},
        ],
        "executionCases": [
            {
                "name": "Giấy tờ phải nộp",
                "profileComponents": [
                    {"name": "- Đơn xin thả diều", "originalQty": 1, "copyQty": 0, "attachments": []},
                ],
            }
        ],
        "updatedAt": 1767225600000,
    },
}


def record(**changes: Any) -> dict[str, Any]:
    """A portal record; keys of ``changes`` that the detail has go there, the others to the top."""
    made = copy.deepcopy(_RECORD)
    for key, value in changes.items():
        (made if key in ("id", "code", "name", "detail") else made["detail"])[key] = value
    return made


def write_records(path: Path, *records: Any) -> Path:
    """A ``.jsonl`` file; strings are written as they are."""
    lines = [r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def procedure(**changes: Any) -> Procedure:
    """A small valid procedure."""
    data: dict[str, Any] = {
        "code": "1.000001",
        "name": "Đăng ký thả diều",
        "levels": ["commune"],
        "agency": "UBND cấp xã",
        "methods": [{"channel": "direct"}],
        "documents": [{"name": "Đơn xin thả diều", "originals": 1}],
        "source": "portal",
        "checked_on": "2026-11-24",
        "url": "https://dichvucong.gov.vn/thu-tuc-hanh-chinh/x",
    }
    return Procedure.model_validate(data | changes)


_SIX = {
    "1.000001": ("Đăng ký thả diều", "commune", ("thả diều phải xin phép ai", "muốn chơi diều ngoài ruộng")),
    "1.000002": ("Cấp giấy phép nuôi trâu", "commune", ("nuôi con trâu cần giấy gì", "mới mua trâu về cày")),
    "1.000003": ("Đăng ký thuyền thúng", "province", ("đóng thuyền thúng mới", "ghe thúng đi biển xin số ở đâu")),
    "1.000004": ("Cấp lại giấy phép nuôi trâu", "commune", ("mất giấy nuôi trâu", "giấy trâu bị rách")),
    "1.000005": ("Xác nhận trồng dừa", "commune", ("trồng hàng dừa trước nhà", "xin xác nhận vườn dừa")),
    "1.000006": ("Cấp thẻ thợ lặn", "province", ("làm thợ lặn cần thẻ gì", "đi lặn tôm hùm phải có thẻ")),
}


def six() -> tuple[list[Procedure], dict[str, list[str]]]:
    """Six procedures and their phrases."""
    procedures = [
        procedure(
            code=code,
            name=name,
            levels=[level],
            methods=[
                {
                    "channel": channel,
                    "limits": [{"value": 3, "unit": "working_day"}],
                    "fees": [{"amount": 8000, "when": "mỗi lần"}],
                }
                for channel in ("online", "direct")
            ],
        )
        for code, (name, level, _) in _SIX.items()
    ]
    return procedures, {code: list(phrases) for code, (_, _, phrases) in _SIX.items()}


def six_questions(path: Path) -> Path:
    """Tuning questions about the six, and some about none of them."""
    openings = ("", "cho em hỏi ", "giờ muốn ", "ad ơi ")
    lines = []
    for code, (name, _, phrases) in _SIX.items():
        for i, opening in enumerate(openings):
            question = opening + (phrases[i % 2] if i < 2 else name.lower())
            lines.append({"question": question, "gold_codes": [code], "slice": "tiny"})
    for question in ("hôm nay trời mưa không", "bóng đá tối nay mấy giờ", "giá vàng bao nhiêu", "kể chuyện cười đi",
                     "nấu phở thế nào", "vé xe đi Sài Gòn"):  # fmt: skip
        lines.append({"question": question, "gold_codes": [], "slice": "none"})
    return write_records(path, *lines)
