"""The importer: what comes in, what is left out and why, and what cannot be read, with file and line."""

from __future__ import annotations

import copy
import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.errors import DataError
from knowledge.model import Channel, Level, Role
from knowledge.portal import catalogue_files, fingerprint, official_name, procedure_from, read_catalogue
from tests.conftest import SHARED
from tests.making import TODAY, record, write_records

REAL = SHARED / "data" / "portal-procedures.jsonl.gz"


def test_a_record_as_a_procedure() -> None:
    made = procedure_from(record(), TODAY)
    assert (made.code, made.name, made.field, made.issuer) == ("1.000001", "Đăng ký thả diều", "Bầu trời", "Bộ Gió")
    assert made.levels == (Level.COMMUNE,)
    assert made.agency == "UBND cấp xã"
    assert made.province == ""
    assert [m.channel for m in made.methods] == [Channel.ONLINE, Channel.DIRECT]
    assert [f.amount for f in made.methods[0].fees] == [8000]
    assert made.methods[1].limits == ()
    assert [(d.name, d.case, d.originals) for d in made.documents] == [("Đơn xin thả diều", "", 1)]
    assert made.steps == ("Bước 1: nộp\nBước 2: nhận",)
    assert made.url.endswith("/thu-tuc-hanh-chinh/019d-abc")
    assert made.updated_on == dt.date(2026, 1, 1)
    assert (made.source, made.checked_on) == ("portal", TODAY)


def test_no_level_flag_is_another_level_and_no_date_is_none() -> None:
    made = procedure_from(record(isWard=False, updatedAt=None), TODAY)
    assert made.levels == (Level.OTHER,)
    assert made.updated_on is None


@pytest.mark.parametrize(
    ("raw", "name"),
    [("Thủ tục cấp thẻ.", "Cấp thẻ"), ("THỦ TỤC: cấp thẻ", "Cấp thẻ"), ("Thủ tục", "Thủ tục"), ("đổi tên", "Đổi tên")],
)
def test_official_name(raw: str, name: str) -> None:
    assert official_name(raw) == name


def case(title: str, name: str, **more: Any) -> Any:
    cases = [{"name": title, "profileComponents": [{"name": name, **more}]}]
    return procedure_from(record(executionCases=cases), TODAY).documents[0]


@pytest.mark.parametrize(
    ("title", "role", "label"),
    [
        ("Giấy tờ phải nộp", Role.SUBMIT, ""),
        ("* Giấy tờ phải xuất trình:", Role.PRESENT, ""),
        ("Lưu ý:", Role.NOTE, ""),
        ("Trường hợp trẻ bị bỏ rơi", Role.SUBMIT, "Trường hợp trẻ bị bỏ rơi"),
    ],
)
def test_titles_of_cases(title: str, role: Role, label: str) -> None:
    made = case(title, "Giấy chứng sinh", originalQty=1)
    assert (made.role, made.case) == (role, label)


def test_remarks_and_what_the_state_already_holds() -> None:
    assert case("", "Trường hợp ủy quyền thì phải có văn bản").role is Role.NOTE
    assert case("", "Trường hợp ủy quyền: văn bản ủy quyền", originalQty=1).role is Role.SUBMIT
    held = case("", "Căn cước (không phải nộp khi đã có trong Cơ sở dữ liệu quốc gia về dân cư)", originalQty=1)
    assert held.in_database
    assert case("", "Tờ khai", originalQty=1, attachments=[{"fileName": "mau-01.docx"}]).form == "mau-01.docx"


def test_gia_lai_land_is_marked_and_others_are_not() -> None:
    changes = {"type": "SPECIFIC", "categoriesDetails": [{"name": "Đất đai"}]}
    ours = procedure_from(record(departmentPromulgateName="UBND tỉnh Gia Lai", **changes), TODAY)
    theirs = procedure_from(record(categoriesDetails=[{"name": "Đất đai"}]), TODAY)
    assert (ours.province, ours.methods[0].limits[0].basis) == ("Gia Lai", "stored_maximum")
    assert (theirs.province, theirs.methods[0].limits[0].basis) == ("", "")


# -- what is left out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"isInternal": True}, "internal"),
        ({"type": "STANDARD_INTERNAL"}, "internal"),
        ({"type": "SPECIFIC", "departmentPromulgateName": "UBND tỉnh Cà Mau"}, "other-province"),
        ({"departmentPromulgateName": "Sở Gió tỉnh Cà Mau"}, "other-province"),
        ({"code": "1.000001.H08"}, "unusable"),
        ({"name": " "}, "unusable"),
        ({"executionMethods": [], "executionSteps": [], "executionCases": []}, "unusable"),
    ],
)
def test_skipped_with_a_reason(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    report = read_catalogue(write_records(tmp_path / "a.jsonl", record(**changes)), TODAY)
    assert not report.procedures
    assert not report.problems
    assert [(s.line, s.reason) for s in report.skipped] == [(1, reason)]
    assert report.counts() == {reason: 1}


def test_gia_lais_own_stays(tmp_path: Path) -> None:
    own = record(type="SPECIFIC", departmentPromulgateName="UBND tỉnh Gia Lai")
    assert len(read_catalogue(write_records(tmp_path / "a.jsonl", own), TODAY).procedures) == 1


def test_an_identical_duplicate_is_skipped_and_another_content_is_a_problem(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.jsonl", record(), record(), record(name="Đăng ký thả bóng"))
    report = read_catalogue(path, TODAY)
    assert [p.name for p in report.procedures] == ["Đăng ký thả diều"]
    assert [(s.line, s.reason) for s in report.skipped] == [(2, "duplicate")]
    (problem,) = report.problems
    assert (problem.path, problem.line) == (path, 3)
    assert f"1.000001 stands already, with other content, at {path}:1" in str(problem)


# -- what cannot be read


def without(key: str) -> dict[str, Any]:
    made = record()
    del made["detail"][key]
    return made


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"code": "1.0', "not a JSON object"),
        ("[]", "wrong type"),
        ("null", "wrong type"),
        ('{"code": "1.000009"}', "'name' is missing"),
        ({"code": "1.000009", "name": "x"}, "'detail' is missing"),
        (without("executionMethods"), "'executionMethods' is missing"),
        (without("type"), "'type' is missing"),
        (record(detail=None), "wrong type"),
        (record(executionMethods=5), "wrong type"),
        (
            record(code="1.000009", executionMethods=[{"submissionMethod": "PIGEON"}]),
            "'PIGEON' is missing or has an unknown value",
        ),
        (
            record(code="1.000009", executionCases=[{"profileComponents": [{"name": "a", "originalQty": "hai"}]}]),
            "wrong type",
        ),
        (
            record(code="1.000009", executionCases=[{"profileComponents": [{"name": "a", "originalQty": -1}]}]),
            "originals",
        ),
        (record(code="1.000009", updatedAt=1e25), "wrong type"),
        ("[" * 100_000, "wrong type or shape"),
    ],
)
def test_an_unusable_line_is_a_problem_with_file_and_line(tmp_path: Path, line: Any, words: str) -> None:
    path = write_records(tmp_path / "a.jsonl", record(), "", line, record(code="1.000002"))
    report = read_catalogue(path, TODAY)
    assert [p.code for p in report.procedures] == ["1.000001", "1.000002"]
    (problem,) = report.problems
    assert (problem.path, problem.line) == (path, 3)
    assert words in str(problem)
    assert str(problem).startswith(f"{path}:3: ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "value"]), inner, max_size=2),
    max_leaves=4,
)
PLACES = (
    [(k,) for k in ("id", "code", "name", "detail")]
    + [("detail", k) for k in record()["detail"]]
    + [("detail", "executionMethods", 0, k) for k in record()["detail"]["executionMethods"][0]]
    + [("detail", "executionCases", 0, "profileComponents"), ("detail", "executionCases", 0, "profileComponents", 0)]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), JSON)
def test_no_value_anywhere_breaks_the_import(tmp_path: Path, place: tuple[Any, ...], value: Any) -> None:
    made = copy.deepcopy(record())
    at: Any = made
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    report = read_catalogue(write_records(tmp_path / "a.jsonl", json.dumps(made)), TODAY)
    assert len(report.procedures) + len(report.skipped) + len(report.problems) == 1


# -- files


def test_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        catalogue_files(tmp_path / "none")
    with pytest.raises(DataError, match=r"no \.jsonl"):
        catalogue_files(tmp_path)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(record()).encode()))
    (tmp_path / "b.json").write_text(json.dumps(record(code="1.000002"), indent=1), encoding="utf-8")
    report = read_catalogue(tmp_path, TODAY)
    assert [p.code for p in report.procedures] == ["1.000001", "1.000002"]
    write_records(tmp_path / "records.jsonl", record(code="1.000003"))
    assert [p.code for p in read_catalogue(tmp_path, TODAY).procedures] == ["1.000003"]


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps(record(code=f"1.{i:06}")) + "\n" for i in range(60)).encode())
    middle = len(whole) // 2
    path = tmp_path / "a.jsonl.gz"
    for damaged in (whole[:-20], b"no gzip at all", whole[:middle] + b"\xff" * 40 + whole[middle + 40 :]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read to its end"):
            read_catalogue(path, TODAY)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(record()).encode() + b"\n\xff\xfe\n")
    with pytest.raises(DataError, match="cannot be read to its end"):
        read_catalogue(path, TODAY)


def test_the_fingerprint_follows_papers_and_steps_only() -> None:
    base = fingerprint(record()["detail"])
    assert fingerprint(record(updatedAt=1, departmentPromulgateName="Bộ Nước")["detail"]) == base
    assert fingerprint(record(executionSteps=[])["detail"]) != base
    assert fingerprint(record(executionCases=[])["detail"]) != base


# -- the real catalogue


@pytest.fixture(scope="module")
def real() -> Any:
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not on this machine")
    return read_catalogue(REAL, TODAY)


@pytest.mark.timeout(120)
def test_the_whole_catalogue_comes_in(real: Any) -> None:
    assert not real.problems
    assert len(real.procedures) + len(real.skipped) == 5665
    counts = real.counts()
    assert counts["internal"] > 150
    assert counts["other-province"] > 800
    assert len(real.procedures) > 4500
    codes = [p.code for p in real.procedures]
    assert len(set(codes)) == len(codes)


def test_the_real_ones_hold_to_the_rules(real: Any) -> None:
    for p in real.procedures:
        assert p.province in ("", "Gia Lai")
        text = p.model_dump_json()
        assert "base64" not in text
        assert "\u200b" not in text
        for method in p.methods:
            for made in method.fees:
                assert made.amount is None or made.amount >= (1 if made.currency == "USD" else 1000)
                assert not (made.free and made.amount)
                assert made.until is None or made.until >= TODAY


def test_reading_it_again_gives_the_same(real: Any, tmp_path: Path) -> None:
    with gzip.open(REAL, "rt", encoding="utf-8") as stream:
        some = [line.rstrip("\n") for _, line in zip(range(300), stream, strict=False)]
    path = write_records(tmp_path / "some.jsonl", *some)
    first, second = read_catalogue(path, TODAY), read_catalogue(path, TODAY)
    assert first == second
    assert first.procedures == real.procedures[: len(first.procedures)]
