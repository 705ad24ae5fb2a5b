"""The printable sheet: every section, ticks, escaping, QR codes that hold the link, and nothing fetched."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import segno

from bot.answers import title_of
from bot.dialogue import papers
from bot.gateway import payload_of
from bot.service import FILE, Service
from bot.sheet import SIZES, Bots, page, qr, telegram_link
from bot.texts import text
from knowledge.guides import load_guides
from knowledge.seed import load_seed
from tests.making import procedure

TODAY = dt.date(2026, 11, 24)
BOTS = Bots("TroLy5299Bot", "https://zalo.me/123?a=1&b=2")
THREE = ("1.001193", "1.004194", "1.000894")
ASKING = [code for code, own in load_guides().own.items() if own.questions]
SEED = {p.code: p for p in load_seed()}
HELD: dict[str, Any] = {
    "code": "1.004194", "portal": "cong-an", "step": "before",
    "answers": {"viec": "moi-den", "cho-o": "thue", "nguoi": "khong-ro"}, "ticked": [], "short": "K7MQ4P",
}  # fmt: skip
VOID = {"meta", "br", "path"}


class Page(HTMLParser):
    """A page taken apart: well nested, with its tags, attributes, text outside the style, and text by section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "head" not in self.open:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(t == tag for t, _ in self.tags)


def words(said: str) -> str:
    """A text of ours as it is read on the page."""
    return said.replace("**", "")


def section(html: str, head: str) -> Page:
    """The section under the heading with this key; fails when it is not there."""
    found = re.search(rf"<section[^>]*>\n<h2>{re.escape(text(head))}</h2>.*?</section>", html, re.S)
    assert found, head
    return Page(found[0])


def modules(svg: str) -> set[tuple[int, int]]:
    """The dark modules (column, row) of a QR code drawn as SVG, its quiet zone of four included."""
    paths = re.findall(r"<path[^>]*\bd=\"([^\"]+)\"", svg)
    dark = set()
    x, y = 0.0, 0.0
    for move, numbers in re.findall(r"([Mmhv])([-\d. ]*)", paths[-1]):
        at = [float(n) for n in re.findall(r"-?\d*\.?\d+", numbers)]
        if move == "M":
            x, y = at
        elif move == "m":
            x, y = x + at[0], y + at[1]
        elif move == "h":
            dark |= {(int(column), int(y)) for column in range(int(x), int(x + at[0]))}
            x += at[0]
    return dark


def expected(link: str) -> set[tuple[int, int]]:
    """The dark modules that segno itself gives for a link."""
    rows = segno.make(link, error="m", micro=False).matrix_iter(border=4)
    return {(c, r) for r, row in enumerate(rows) for c, module in enumerate(row) if module}


def codes(html: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", html, re.S)


@pytest.fixture
def sheet(seed_assistant: Any) -> Any:
    """``sheet("1.001193")``: the page of a procedure of the seed; other arguments as of :func:`bot.sheet.page`."""

    def make(code: str, held: Any = None, bots: Bots = BOTS, today: dt.date = TODAY) -> str:
        return page(seed_assistant, seed_assistant.procedure(code), held or {}, bots, today)

    return make


# -- what stands on it


@pytest.mark.parametrize("code", THREE)
def test_every_section_is_there(sheet: Any, seed_assistant: Any, code: str) -> None:
    html, p = sheet(code), seed_assistant.procedure(code)
    whole = Page(html)
    assert whole.count("h1") == 1
    assert title_of(p) in whole.text
    assert text("code", code=code) in whole.text
    assert p.summary in section(html, "sheet_who").text
    facts = section(html, "sheet_facts")
    for head in ("sheet_fee", "sheet_limit", "sheet_where", "sheet_online"):
        assert text(head) in facts.text
    assert facts.count("dt") == facts.count("dd") == 4
    assert "dichvucong" in facts.text
    red = section(html, "sheet_red").text
    assert all(words(text(f"sheet_red_{line}")) in red for line in ("secret", "self", "money"))
    people = section(html, "sheet_people").text
    assert all(h.number in people for h in seed_assistant.contacts.hotlines.values())
    assert f"{p.updated_on:%d/%m/%Y}" in whole.text
    assert p.url in whole.text
    assert text("sheet_printed", date="24/11/2026") in whole.text


@pytest.mark.parametrize("code", sorted(SEED))
def test_no_paper_is_left_out_or_shortened(sheet: Any, seed_assistant: Any, code: str) -> None:
    html = sheet(code)
    said = " ".join(Page(html).text.split())
    p = seed_assistant.procedure(code)
    for document in p.documents:
        assert " ".join(document.name.split()) in said
        assert " ".join(document.case.split()) in said
    whole = p.model_dump_json()
    assert [cut for cut in re.findall(r"\S+…", said) if cut not in whole] == []


def test_papers_stand_where_they_belong(seed_assistant: Any) -> None:
    p = procedure(
        documents=[
            {"name": "Đơn A", "originals": 1, "form": "Mẫu số 5"},
            {"name": "Thẻ B", "role": "present"},
            {"name": "Sổ C", "in_database": True},
            {"name": "Giấy D", "case": "Ở xa", "role": "present"},
            {"name": "Giấy E", "case": "Ở gần"},
            {"name": "Giấy F", "case": "Ở gần"},
            {"name": "Sổ G", "case": "Ở xa", "in_database": True},
            {"name": "Dặn H", "role": "note"},
        ]
    )
    html = page(seed_assistant, p, {}, BOTS, TODAY)
    assert "Đơn A (1 bản chính; mẫu: Mẫu số 5)" in section(html, "sheet_submit").text
    assert "Thẻ B" in section(html, "sheet_present").text
    perhaps = section(html, "sheet_perhaps")
    assert words(text("sheet_if", case="Ở xa", paper=text("sheet_show", paper="Giấy D"))) in perhaps.text
    assert perhaps.count("h3") == 1
    assert text("sheet_perhaps_case", case="Ở gần") in perhaps.text
    spared = section(html, "sheet_spared").text
    assert text("documents_have") in spared
    assert "Sổ C" in spared
    assert "Ở xa: Sổ G" in spared
    assert "Dặn H" in section(html, "sheet_notes").text
    assert Page(html).text.count("☐") == 5


def test_a_record_without_papers_says_so(seed_assistant: Any) -> None:
    html = page(seed_assistant, procedure(documents=[]), {}, BOTS, TODAY)
    assert text("documents_none") in section(html, "sheet_submit").text


def test_what_cannot_be_filed_online_says_so(seed_assistant: Any) -> None:
    html = page(seed_assistant, procedure(), {}, BOTS, TODAY)
    facts = section(html, "sheet_facts").text
    assert words(text("online_none")) in facts
    assert "dichvucong" not in facts


def test_a_fee_clause_that_has_ended_is_not_printed(seed_assistant: Any) -> None:
    fee = {"amount": 8000, "until": "2026-12-31"}
    p = procedure(methods=[{"channel": "direct", "fees": [fee]}])
    assert "8.000 đồng" in page(seed_assistant, p, {}, BOTS, TODAY)
    assert "8.000 đồng" not in page(seed_assistant, p, {}, BOTS, dt.date(2027, 1, 1))


def test_long_pages_are_set_smaller(seed_assistant: Any) -> None:
    sizes = []
    for length in (10, *sorted(least for least, _ in SIZES)):
        html = page(seed_assistant, procedure(requirements="dài " * (length // 4)), {}, BOTS, TODAY)
        sizes.append(dict(Page(html).tags[[t for t, _ in Page(html).tags].index("body")][1]).get("class"))
    assert sizes[0] is None
    assert sizes[-1] == SIZES[0][1]


# -- somebody's own case


def test_a_case_shows_its_answers_and_what_follows(sheet: Any, seed_assistant: Any) -> None:
    html = sheet("1.004194", HELD)
    case = section(html, "sheet_case").text
    questions = seed_assistant.guides.questions_of("1.004194")
    assert questions[0].ask in case
    assert questions[0].option("moi-den").label in case
    assert text("button_unsure") in case
    mine = seed_assistant.situation(seed_assistant.procedure("1.004194"), HELD["answers"])
    assert mine.papers
    assert mine.spared
    assert all(line in section(html, "sheet_submit").text for line in mine.papers)
    assert all(line in section(html, "sheet_spared").text for line in mine.spared)
    assert "K7M-Q4P" in Page(html).text
    assert text("sheet_case") not in sheet("1.004194")


def test_the_chosen_portal_comes_first(sheet: Any, seed_assistant: Any) -> None:
    portals = seed_assistant.guides.portals
    for chosen, other in (("cong-an", "vneid"), ("vneid", "cong-an")):
        said = section(sheet("1.004194", HELD | {"portal": chosen}), "sheet_facts").text
        assert said.index(portals[chosen].name) < said.index(portals[other].name)


def test_ticks_are_boxes_and_words(sheet: Any, seed_assistant: Any) -> None:
    every, _, _ = papers.papers_of(seed_assistant.situation(seed_assistant.procedure("1.004194"), HELD["answers"]))
    none, first = (Page(sheet("1.004194", HELD | {"ticked": t})).text for t in ([], [every[0].key]))
    assert none.count("☑") == 0
    assert first.count("☑") == 1
    assert first.count("☐") == none.count("☐") - 1
    assert "(có rồi)" not in none
    assert first.count("(có rồi)") == 1
    assert first.index(every[0].name) < first.index("(có rồi)") < first.index(every[1].name)


def test_another_procedure_is_named_where_the_case_leads_there(sheet: Any, seed_assistant: Any) -> None:
    html = sheet("1.004194", HELD | {"answers": {"viec": "o-han"}})
    case = section(html, "sheet_case").text
    assert text("case_elsewhere") in case
    other = seed_assistant.procedure("1.004222")
    assert words(text("sheet_go", name=title_of(other), code="1.004222")) in case


@pytest.mark.parametrize("code", ASKING[::4])
def test_what_a_case_settles_is_printed(sheet: Any, seed_assistant: Any, code: str) -> None:
    for question in seed_assistant.guides.questions_of(code):
        for option in question.options:
            held = {"answers": {question.id: option.id}}
            said = Page(sheet(code, held)).text
            assert all(line in said for line in (*option.papers, *option.spared, *option.says))
            assert option.agency in said


# -- how it is made


EVIL = "<script>alert(1)</script> & \"x\" 'y' $main ${x} {code}"


def test_everything_of_the_catalogue_is_escaped(seed_assistant: Any) -> None:
    p = procedure(
        name=EVIL, summary=EVIL, agency=EVIL, receiver=EVIL, applicants=[EVIL], requirements=EVIL, url="https://x/?a&<b>",
        methods=[{"channel": "online", "fees": [{"when": EVIL}], "limit_note": EVIL, "note": EVIL}],
        documents=[
            {"name": EVIL, "form": EVIL + "1"}, {"name": EVIL, "case": EVIL}, {"name": EVIL + "2", "case": EVIL},
            {"name": EVIL, "in_database": True}, {"name": EVIL, "role": "note"},
        ],
    )  # fmt: skip
    html = page(seed_assistant, p, {}, BOTS, TODAY)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in html
    assert Page(html).text.count("<script>alert(1)</script>") >= 12
    assert Page(html).text.count("$main ${x} {code}") >= 12
    assert "https://x/?a&amp;&lt;b&gt;" in html
    assert {tag for tag, _ in Page(html).tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "div", "span", "p",
        "h1", "h2", "h3", "ul", "li", "dl", "dt", "dd", "strong", "b", "figure", "figcaption", "svg", "path",
    }  # fmt: skip


@pytest.mark.parametrize("held", [{}, HELD])
def test_nothing_is_fetched(sheet: Any, held: Any) -> None:
    html = sheet("1.004194", held)
    assert not re.search(r"url\(|@import|@font-face|javascript:", html)
    for tag, attributes in Page(html).tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "use", "image", "a", "form", "input")
        assert not attributes.keys() & {"src", "href", "srcset", "xlink:href", "action", "data", "style", "onload"}


def test_it_is_a_page_that_can_be_read_aloud(sheet: Any) -> None:
    html = sheet("1.004194", HELD)
    tags = Page(html).tags
    assert html.startswith("<!DOCTYPE html>")
    assert ("html", {"lang": "vi"}) in tags
    assert ("meta", {"charset": "utf-8"}) in tags
    assert "1.004194" in html[html.index("<title>") : html.index("</title>")]
    headings = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(below - above <= 1 for above, below in zip(headings, headings[1:], strict=False))
    images = [attributes for _, attributes in tags if attributes.get("role") == "img"]
    assert [i["aria-label"] for i in images] == [
        text("sheet_qr_alt", link=link) for link in ("https://t.me/TroLy5299Bot?start=K7M-Q4P", BOTS.zalo)
    ]
    assert "size: A4" in html


# -- QR codes


@pytest.mark.parametrize("code", THREE)
def test_the_codes_hold_the_links(sheet: Any, code: str) -> None:
    telegram, zalo = codes(sheet(code))
    assert modules(telegram) == expected(f"https://t.me/TroLy5299Bot?start={code.replace('.', '_')}")
    assert modules(zalo) == expected(BOTS.zalo)
    assert modules(telegram) != modules(zalo)


def test_a_code_is_black_on_white_with_its_quiet_zone() -> None:
    drawn = qr("https://t.me/TroLy5299Bot?start=1_001193")
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', drawn)[1])  # type: ignore[index]
    dark = modules(drawn)
    assert (min(c for c, _ in dark), min(r for _, r in dark)) == (4, 4)
    assert (max(c for c, _ in dark), max(r for _, r in dark)) == (size - 5, size - 5)
    assert 'fill="#fff"' in drawn
    assert 'stroke="#000"' in drawn


def test_only_the_bots_that_are_known_get_a_code(sheet: Any) -> None:
    assert len(codes(sheet("1.001193", None, Bots("TroLy5299Bot")))) == 1
    only = sheet("1.001193", None, Bots(zalo="https://zalo.me/1"))
    assert len(codes(only)) == 1
    assert "t.me" not in only
    assert words(text("sheet_qr_zalo", what="1.001193")) in Page(only).text
    none = sheet("1.001193", None, Bots())
    assert codes(none) == []
    assert text("sheet_no_qr") in Page(none).text
    assert re.search(r"@media print \{.*\.note \{ display: none; \}", none)
    assert text("sheet_no_qr") not in Page(only).text


def test_the_gateway_understands_the_links() -> None:
    for link, payload in (
        (telegram_link("B", "1.001193"), '/open_procedure{"code": "1.001193"}'),
        (telegram_link("B", "1.001193", "K7MQ4P"), '/guide_resume{"id": "K7MQ4P"}'),
    ):
        start = link.partition("?start=")[2]
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", start), "what Telegram allows"
        assert payload_of(f"/start {start}") == payload


# -- the command


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the bots, as settings."""
    monkeypatch.setenv("TTHC_TELEGRAM_NAME", "TroLy5299Bot")
    monkeypatch.setenv("TTHC_ZALO_LINK", "https://zalo.me/1")


@pytest.mark.usefixtures("named")
def test_a_file_or_standard_output(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    ran = tthc(tiny_home, "checklist", "1.000002", "--html", tmp_path / "to.html")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    html = (tmp_path / "to.html").read_text(encoding="utf-8")
    assert "Cấp giấy phép nuôi trâu" in Page(html).text
    assert len(codes(html)) == 2
    assert tthc(tiny_home, "checklist", "1.000002", "--html", "-").out == html


@pytest.mark.usefixtures("named")
def test_a_short_code_prints_the_case(tthc: Any, tiny_home: Path) -> None:
    held = {"code": "1.000001", "portal": "", "step": "before", "ticked": ["|Đơn xin thả diều"], "short": "K7MQ4P"}
    service = Service(tiny_home / FILE)
    service.keep_progress("u", held)
    service.close()
    ran = tthc(tiny_home, "checklist", "k7m-q4p", "--html", "-")
    assert ran.code == 0
    assert "K7M-Q4P" in Page(ran.out).text
    assert "(có rồi)" in Page(ran.out).text
    assert modules(codes(ran.out)[0]) == expected("https://t.me/TroLy5299Bot?start=K7M-Q4P")


def test_without_names_it_is_said_how_to_set_them(tthc: Any, tiny_home: Path) -> None:
    ran = tthc(tiny_home, "checklist", "1.000002", "--html", "-")
    assert ran.code == 0
    assert "TTHC_TELEGRAM_NAME" in ran.err
    assert "TTHC_ZALO_LINK" in ran.err
    assert codes(ran.out) == []


@pytest.mark.parametrize("what", ["9.999999", "K7M-Q4P", "diều"])
def test_an_unknown_code_is_refused_and_writes_nothing(tthc: Any, tiny_home: Path, tmp_path: Path, what: str) -> None:
    ran = tthc(tiny_home, "checklist", what, "--html", tmp_path / "to.html")
    assert ran.code == 1
    assert what in ran.err
    assert not (tmp_path / "to.html").exists()


def test_a_file_that_cannot_be_written_is_refused(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    ran = tthc(tiny_home, "checklist", "1.000002", "--html", tmp_path / "no" / "to.html")
    assert ran.code == 1
    assert str(tmp_path / "no" / "to.html") in ran.err


def test_the_plain_sheet_stays(tthc: Any, tiny_home: Path) -> None:
    ran = tthc(tiny_home, "checklist", "1.000001")
    assert ran.code == 0
    assert text("checklist_open", n=1, name="Đơn xin thả diều") in ran.out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TTHC_TELEGRAM_NAME", "@TroLyBot"),
        ("TTHC_TELEGRAM_NAME", "Bot?start=x"),
        ("TTHC_TELEGRAM_NAME", "Trợ_lý"),
        ("TTHC_ZALO_LINK", "zalo.me/1"),
        ("TTHC_ZALO_LINK", "http://zalo.me/1"),
        ("TTHC_ZALO_LINK", "https://zalo.me/1 2"),
    ],
)
def test_a_wrong_name_is_refused_by_its_setting(
    tthc: Any, tiny_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    ran = tthc(tiny_home, "checklist", "1.000002", "--html", "-")
    assert ran.code == 1
    assert name in ran.err
