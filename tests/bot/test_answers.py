"""Answers: nothing is said that the record does not hold, what is shortened says so, and the whole is the whole."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import answers
from bot.texts import text
from knowledge.model import Channel, Document, Fee, Law, Method, Procedure, Role, TimeLimit, Unit
from knowledge.rescues import load_contacts
from knowledge.seed import load_seed
from tests.making import TODAY, procedure

SEED = load_seed()
CONTACTS = load_contacts()
WORDS = st.lists(
    st.sampled_from(["giấy", "tờ", "của", "bạn", "nộp", "khi", "có", "trường", "hợp", "đặc", "biệt"]), max_size=40
).map(" ".join)
FEES = st.builds(
    Fee,
    kind=st.sampled_from(["fee", "charge", "price"]),
    amount=st.none() | st.integers(1000, 10**7),
    when=WORDS,
    until=st.none() | st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
)
METHODS = st.builds(
    Method,
    channel=st.sampled_from(list(Channel)),
    limits=st.lists(
        st.builds(TimeLimit, value=st.sampled_from([1.0, 7.5, 30.0]), unit=st.sampled_from(list(Unit)), when=WORDS),
        max_size=3,
    ).map(tuple),
    fees=st.lists(FEES, max_size=4).map(tuple),
    limit_note=WORDS,
    note=WORDS,
)
PAPERS = st.builds(
    Document,
    name=WORDS.filter(bool),
    case=st.sampled_from(["", "Trẻ bị bỏ rơi", "Mang thai hộ"]),
    role=st.sampled_from(list(Role)),
    form=st.sampled_from(["", "Mẫu 01"]),
    originals=st.integers(0, 2),
    copies=st.integers(0, 2),
    in_database=st.booleans(),
)
PROCEDURES = st.builds(
    lambda **changes: procedure(**changes),
    name=WORDS.filter(bool),
    short_name=st.sampled_from(["", "Thả diều"]),
    methods=st.lists(METHODS, max_size=4),
    documents=st.lists(PAPERS, max_size=20),
    steps=st.lists(WORDS.filter(bool), max_size=9),
    requirements=WORDS,
    agency=st.sampled_from(["", "Ủy ban nhân dân cấp xã", "Công an cấp xã", "Sở Gió"]),
    receiver=st.sampled_from(["", "Quầy 3"]),
    summary=WORDS,
    field=WORDS,
    applicants=st.lists(WORDS.filter(bool), max_size=2),
    results=st.lists(WORDS.filter(bool), max_size=2),
)


def amounts_in(said: str) -> set[int]:
    return {int(a.replace(".", "")) for a in re.findall(r"(\d[\d.]*) (?:đồng|USD)", said)}


def every_answer(p: Procedure) -> dict[str, str]:
    made = {f"full {name}": answers.full_text(p, [name]) for name in ("documents", "fee", "limit", "who", "steps")}
    return made | {
        "overview": answers.overview(p, today=TODAY),
        "documents": answers.documents(p),
        "fees": answers.fees(p, today=TODAY),
        "limits": answers.limits(p),
        "where": answers.where(p, CONTACTS),
        "who": answers.who(p),
        "steps": answers.steps(p),
        "online": answers.online(p),
        "forms": answers.forms(p),
        "results": answers.results(p),
        "laws": answers.laws(p),
        "unlimited": answers.full_text(p, limit=None),
        "full": answers.full_text(p),
    }


# -- fees


@settings(deadline=None, max_examples=80)
@given(PROCEDURES)
def test_no_amount_that_the_record_lacks_or_that_has_ended(p: Procedure) -> None:
    held = {f.amount for m in p.methods for f in m.fees}
    alive = {f.amount for m in p.methods for f in m.fees if not (f.until and f.until < TODAY)}
    for name, said in every_answer(p).items():
        assert amounts_in(said) <= held, name
    assert amounts_in(answers.fees(p, today=TODAY)) == alive - {None}
    assert amounts_in(answers.overview(p, today=TODAY)) <= alive


@pytest.mark.parametrize("p", SEED, ids=lambda p: p.code)
def test_the_seeds_amounts_are_the_records(p: Procedure) -> None:
    words = " ".join(f.when for m in p.methods for f in m.fees)
    held = {f.amount for m in p.methods for f in m.fees} | amounts_in(words) | amounts_in(p.model_dump_json())
    for name, said in every_answer(p).items():
        assert amounts_in(said) <= held, name


def one_fee(**fee: Any) -> str:
    return answers.fees(procedure(methods=[{"channel": "direct", "fees": [fee]}]), today=TODAY)


def test_no_figure_is_not_free() -> None:
    assert text("fee_unknown") in answers.fees(procedure(methods=[{"channel": "direct"}]), today=TODAY)
    assert text("fee_free") not in one_fee(when="Theo nghị quyết")
    assert "Theo nghị quyết" in one_fee(when="Theo nghị quyết")
    assert text("fee_free") in one_fee(free=True)
    assert text("fee_unknown") in one_fee(amount=9000, until="2023-12-31")
    assert text("fee_unknown") in answers.fees(procedure(methods=[]), today=TODAY)


def test_how_amounts_are_written() -> None:
    assert "lệ phí 1.250.000 đồng: mỗi lần" in one_fee(amount=1250000, when="mỗi lần")
    assert "phí 25 USD" in one_fee(amount=25, currency="USD", kind="charge")
    assert "áp dụng đến hết 31/12/2026" in one_fee(amount=9000, until="2026-12-31")


def test_ways_of_handing_in_that_are_alike_are_told_once() -> None:
    fees = [{"amount": 8000}]
    both = procedure(methods=[{"channel": c, "fees": fees} for c in ("online", "direct")])
    assert answers.fees(both, today=TODAY).count("8.000") == 1
    assert text("channel_all") in answers.fees(both, today=TODAY)
    other = procedure(methods=[{"channel": "online", "fees": [{"amount": 7000}]}, {"channel": "direct", "fees": fees}])
    said = answers.fees(other, today=TODAY)
    assert f"{text('channel_online')}: lệ phí 7.000 đồng" in said
    assert f"{text('channel_direct')}: lệ phí 8.000 đồng" in said
    assert text("overview_fee_differs") in answers.overview(other, today=TODAY)


# -- limits


def test_limits_are_told_as_at_most_with_halves_and_basis() -> None:
    limits = [
        {"value": 7.5, "unit": "working_day", "when": "thửa nhỏ"},
        {"value": 17.5, "unit": "working_day", "basis": "stored_maximum"},
    ]
    said = answers.limits(procedure(methods=[{"channel": "direct", "limits": limits}]))
    assert "tối đa 7,5 ngày làm việc: thửa nhỏ" in said
    assert f"tối đa 17,5 ngày làm việc: {text('limit_maximum')}" in said
    assert text("limit_counting") in said


def test_no_limit_is_said_to_be_unknown_and_words_are_kept() -> None:
    assert text("limit_unknown") in answers.limits(procedure())
    assert text("limit_counting") not in answers.limits(procedure())
    noted = procedure(methods=[{"channel": "direct", "limit_note": "Trả ngay trong ngày"}])
    assert "Trả ngay trong ngày" in answers.limits(noted)
    assert text("limit_unknown") not in answers.limits(noted)
    assert text("limit_unknown") in answers.limits(procedure(methods=[]))


# -- papers


def test_papers_by_case_and_by_what_happens_to_them() -> None:
    papers = [
        {"name": "Tờ khai", "form": "Mẫu 01", "originals": 1},
        {"name": "Căn cước", "role": "present", "copies": 2},
        {"name": "Giấy cư trú", "in_database": True, "originals": 1},
        {"name": "Nhớ ký tên", "role": "note", "in_database": True},
        {"name": "Biên bản", "case": "Trẻ bị bỏ rơi", "originals": 1},
    ]
    said = answers.documents(procedure(documents=papers))
    order = [
        text("documents_submit"),
        "• Tờ khai (1 bản chính; mẫu: Mẫu 01)",
        text("documents_present"),
        "• Căn cước (2 bản sao)",
        text("documents_have"),
        "• Giấy cư trú (1 bản chính)",
        text("documents_notes"),
        "• Nhớ ký tên",
        text("documents_case", case="Trẻ bị bỏ rơi"),
        "• Biên bản (1 bản chính)",
    ]
    places = [said.index(part) for part in order]
    assert places == sorted(places)
    one = answers.documents(procedure(documents=papers), case="Mang thai hộ")
    assert "Biên bản" not in one
    assert "Tờ khai" in one


def test_long_lines_and_long_lists_are_marked() -> None:
    long = procedure(documents=[{"name": "giấy " * 60, "originals": 1}])
    said = answers.documents(long)
    assert "…" in said
    assert text("documents_cut") in said
    assert answers.is_cut(said)
    assert max(map(len, said.split("\n"))) < answers.LINE + 40
    many = procedure(documents=[{"name": f"Giấy số {n}"} for n in range(30)])
    said = answers.documents(many)
    assert text("documents_more", n=30 - answers.LINES) in said
    assert answers.is_cut(said)
    short = answers.documents(procedure())
    assert not answers.is_cut(short)
    assert text("documents_none") == answers.documents(procedure(documents=[]))


@settings(deadline=None, max_examples=80)
@given(PROCEDURES)
def test_what_is_left_out_is_always_marked(p: Procedure) -> None:
    said = answers.documents(p)
    told = [d for d in p.documents if f"• {d.name}" in said]
    if len(told) < len(p.documents):
        assert answers.is_cut(said)
    for short, whole in (
        (answers.steps(p), answers.steps(p, whole=True)),
        (answers.who(p), answers.who(p, whole=True)),
        (answers.fees(p, today=TODAY), answers.fees(p, whole=True, today=TODAY)),
    ):
        assert short == whole or answers.is_cut(short)


def flat(said: str) -> str:
    """Case and blanks aside: a form whose name stands in the paper's own is not told twice."""
    return " ".join(said.lower().split())


def holds_everything(p: Procedure, said: str) -> None:
    """All but :func:`_record`'s lines and the summary, which only the whole has."""
    body = flat(said)
    wanted = [d.name for d in p.documents] + [d.case for d in p.documents] + [d.form for d in p.documents]
    wanted += [*p.steps, *p.applicants, p.requirements, *p.results, p.name, p.code]
    for m in p.methods:
        wanted += [m.limit_note, m.note, *(x.when for x in m.limits)]
        wanted += [f.when for f in m.fees if not (f.until and f.until < dt.date.today())]
    wanted += [x for law in p.laws for x in (law.title, law.number)]
    wanted += [p.agency, p.receiver, *(text(f"channel_{m.channel}") for m in p.methods), answers.online(p)]
    for line in (line for item in wanted for line in item.split("\n")):
        assert flat(line) in body, line


@settings(deadline=None, max_examples=60)
@given(PROCEDURES)
def test_the_whole_holds_everything(p: Procedure) -> None:
    said = answers.full_text(p)
    if len(said) < answers.FULL:
        holds_everything(p, said)
    unlimited = answers.full_text(p, limit=None)
    holds_everything(p, unlimited)
    assert all(flat(x) in flat(unlimited) for x in (p.summary, p.field, p.issuer, p.province, p.decision))
    assert all(text(f"level_{level}") in unlimited for level in p.levels)


@pytest.mark.parametrize("p", SEED, ids=lambda p: p.code)
def test_the_whole_of_each_seed_record(p: Procedure) -> None:
    said = answers.full_text(p)
    if text("full_rest", url=p.url) in said:
        assert len(said) > answers.FULL - 3000
    else:
        holds_everything(p, said)
    parts = " ".join(
        answers.full_text(p, [part])
        for part in ("documents", "fee", "limit", "where", "who", "steps", "result", "laws")
    )
    if text("full_rest", url=p.url) not in parts:
        holds_everything(p, parts)


def test_a_whole_that_is_too_long_says_where_the_rest_is() -> None:
    long = procedure(steps=["bước " * 200 for _ in range(20)])
    said = answers.full_text(long)
    assert text("full_rest", url=long.url) in said
    assert len(said) < answers.FULL + 500
    assert text("full_rest", url=long.url) not in answers.full_text(long, limit=None)


def test_the_whole_tells_where_and_how() -> None:
    methods = [{"channel": "online"}, {"channel": "post"}]
    said = answers.full_text(procedure(agency="Sở Gió", receiver="Quầy 3", levels=["province"], methods=methods))
    for line in ("Nơi nhận: Quầy 3", "Cơ quan giải quyết: Sở Gió", "Cách nộp: Nộp online, Qua bưu điện"):
        assert f"\n{line}\n" in said
    assert text("online_part") in said
    assert "Cấp giải quyết: tỉnh" in said
    empty = answers.full_text(procedure(agency="", receiver="", levels=["other"], methods=[]))
    assert text("where_unknown") in empty
    assert text("online_none") in empty


# -- where, online, heads


def test_where() -> None:
    assert text("where_commune") in answers.where(procedure(), CONTACTS)
    police = procedure(agency="Công an cấp xã")
    assert "Công an cấp xã" in answers.where(police, CONTACTS)
    assert CONTACTS.province_wide not in answers.where(police, CONTACTS)
    province = answers.where(procedure(levels=["province"], agency="Sở Gió"), CONTACTS)
    assert all(c.address in province for c in CONTACTS.centres)
    assert "Sở Gió" in province
    unknown = procedure(levels=["other"], agency="")
    assert answers.where(unknown, CONTACTS) == f"{text('where')}\n{text('where_unknown')}"
    online = procedure(methods=[{"channel": "online"}])
    assert "Cổng X" in answers.where(online, CONTACTS, portal="Cổng X")


def test_online_goes_by_the_methods() -> None:
    assert answers.online(procedure(full_online=True)) == text("online_none")
    online = [{"channel": "online"}]
    assert text("online_part") in answers.online(procedure(methods=online))
    assert text("online_full") in answers.online(procedure(methods=online, full_online=True), portal="Cổng X")


def test_the_source_has_both_dates_where_they_differ() -> None:
    assert answers.source(procedure()).startswith(text("source", date="24/11/2026"))
    changed = procedure(updated_on="2026-04-15", url="")
    assert answers.source(changed) == text("source_checked", date="15/04/2026", checked="24/11/2026")


def test_headings_name_the_official_name_where_it_differs() -> None:
    assert answers.heading(procedure()).count("Đăng ký thả diều") == 1
    assert text("official", name="Đăng ký thả diều") in answers.heading(procedure(short_name="Thả diều"))


def test_forms_results_laws() -> None:
    p = procedure(
        documents=[{"name": "Đơn", "form": "Mẫu 01", "case": "Trễ"}], results=["Thẻ"],
        laws=[Law(number="1/2026/TT", title="Thông tư"), Law(number="2/2026/TT"), Law(title="Luật Gió")],
    )  # fmt: skip
    assert "• Mẫu 01 (Trễ)" in answers.forms(p)
    assert p.url in answers.forms(p)
    assert "• Thẻ" in answers.results(p)
    assert list(answers.laws(p).split("\n")[1:]) == ["• Thông tư (1/2026/TT)", "• 2/2026/TT", "• Luật Gió"]
    empty = procedure(documents=[])
    assert answers.forms(empty) == text("forms_none")
    assert answers.results(empty) == text("result_unknown")
    assert answers.laws(empty) == text("laws_unknown")
    assert answers.steps(empty) == text("steps_unknown")
    assert text("who_unknown") in answers.who(empty)


@settings(deadline=None, max_examples=50)
@given(PROCEDURES)
def test_every_answer_is_composed_text_without_raw_placeholders(p: Procedure) -> None:
    for name, said in every_answer(p).items():
        assert said.strip(), name
        assert unicodedata.is_normalized("NFC", said), name
        assert not re.search(r"\{\w*\}|None|Channel\.|Unit\.", said), name
        assert said.count("**") % 2 == 0, name
