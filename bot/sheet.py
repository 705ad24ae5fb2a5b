"""The sheet that a volunteer hands out: one A4 page of HTML with a procedure's papers, facts and QR codes.

The page stands by itself: its style is inside (``sheet.html``), QR codes are inline SVG, nothing is fetched. Whatever
comes from the catalogue is escaped, and nothing of it is shortened: paper has no "Xem đầy đủ".
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import segno

from bot import answers
from bot.assistant import Assistant
from bot.dialogue import papers
from bot.render import plain, to_html
from bot.service import shown_short
from bot.texts import text
from knowledge.cases import Situation
from knowledge.guides import DIRECT
from knowledge.model import Document, Procedure, Role

FILE = Path(__file__).with_name("sheet.html")
OPEN, TICKED = "\N{BALLOT BOX}", "\N{BALLOT BOX WITH CHECK}\N{VARIATION SELECTOR-15}"
SIZES = ((2500, "longer"), (1700, "long"))
"""Characters of text above which the page is set smaller, so that more of it fits one page. The smallest size is read
as easily as the 13-point Times of official letters: sans-serif letters are that much higher."""


@dataclass(frozen=True)
class Bots:
    """Where the assistant is found. ``telegram``: the bot's name without @; ``zalo``: an address; empty: nowhere."""

    telegram: str = ""
    zalo: str = ""

    def __bool__(self) -> bool:
        return bool(self.telegram or self.zalo)


def telegram_link(name: str, code: str, short: str = "") -> str:
    """Deep link that opens the bot at a procedure, or at the case with a short code.

    Telegram takes letters, digits, ``_`` and ``-`` after ``start=``, so the dot of a code becomes ``_``.

    >>> telegram_link("TroLyBot", "1.001193"), telegram_link("TroLyBot", "1.001193", "K7MQ4P")
    ('https://t.me/TroLyBot?start=1_001193', 'https://t.me/TroLyBot?start=K7M-Q4P')
    """
    return f"https://t.me/{name}?start={shown_short(short) if short else code.replace('.', '_')}"


def page(
    assistant: Assistant, procedure: Procedure, held: Mapping[str, Any], bots: Bots, today: dt.date
) -> str:  # fmt: skip
    """The whole page. ``held``: answers, ticks and short code of a case, see :data:`bot.service.Progress`."""
    mine = assistant.situation(procedure, held.get("answers", {}))
    short = str(held.get("short") or "")
    body = "\n".join(
        (
            _header(procedure, short, bots),
            _who(assistant, procedure, held, mine),
            _papers(procedure, mine, frozenset(held.get("ticked", []))),
            _facts(assistant, procedure, held, mine, today),
            f'<div class="end">\n{_red_lines()}\n{_people(assistant)}\n</div>',
            _footer(procedure, today),
        )
    )
    length = len(re.sub(r"<svg.*?</svg>|<[^>]+>", "", body, flags=re.S))
    size = next((f' class="{name}"' for least, name in SIZES if length > least), "")
    title = escape(f"{answers.title_of(procedure)} ({procedure.code})")
    return _template().substitute(title=title, body=size, main=body)


@lru_cache(maxsize=1)
def _template() -> Template:
    return Template(FILE.read_text(encoding="utf-8"))


# -- pieces of HTML


def _line(said: str) -> str:
    """A text of ours, with its bold passages."""
    return to_html(said)


def _block(said: str) -> str:
    """Lines as paragraphs; lines that begin with a bullet as a list."""
    made: list[str] = []
    for line in said.split("\n"):
        if not line.strip():
            continue
        if line.startswith("• "):
            item = f"<li>{_line(line[2:])}</li>"
            if made and made[-1].endswith("</ul>"):
                made[-1] = made[-1].removesuffix("</ul>") + item + "</ul>"
            else:
                made.append(f"<ul>{item}</ul>")
        else:
            made.append(f"<p>{_line(line)}</p>")
    return "".join(made)


def _list(lines: Iterable[str]) -> str:
    return _block("\n".join(f"• {' '.join(line.split())}" for line in lines))


def _section(head: str, inner: str, kind: str = "") -> str:
    """A section with its heading; nothing when it is empty."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<section{attribute}>\n<h2>{_line(text(head))}</h2>\n{inner}\n</section>" if inner else ""


def _ticks(items: Iterable[tuple[str, bool]]) -> str:
    """Papers with a box each; what is at hand says so in words too."""
    rows = [
        f'<li><span class="box" aria-hidden="true">{TICKED if have else OPEN}</span>'
        f"<span>{_line(text('sheet_have', paper=said) if have else said)}</span></li>"
        for said, have in items
    ]
    return f'<ul class="papers">{"".join(rows)}</ul>' if rows else ""


# -- sections, from top to bottom


def _header(procedure: Procedure, short: str, bots: Bots) -> str:
    lines = [f'<p class="kicker">{_line(text("sheet_kicker"))}</p>']
    lines.append(f"<h1>{escape(answers.title_of(procedure))}</h1>")
    codes = []
    if bots.telegram:
        link = telegram_link(bots.telegram, procedure.code, short)
        codes.append(_figure(link, text("sheet_qr_telegram", name=bots.telegram)))
    if bots.zalo:
        what = shown_short(short) if short else procedure.code
        codes.append(_figure(bots.zalo, text("sheet_qr_zalo", what=what)))
    lines.append(f'<div class="codes">{"".join(codes)}</div>' if codes else "")
    if procedure.name != answers.title_of(procedure):
        lines.append(f'<p class="official">{_line(text("official", name=procedure.name))}</p>')
    lines.append(f"<p><strong>{_line(text('code', code=procedure.code))}</strong></p>")
    if short:
        lines.append(f"<p>{_line(text('sheet_short', short=shown_short(short)))}</p>")
    if not bots:
        lines.append(f'<p class="note">{_line(text("sheet_no_qr"))}</p>')
    return f"<header>\n{chr(10).join(line for line in lines if line)}\n</header>"


def qr(link: str) -> str:
    """The QR code of ``link`` as inline SVG with its quiet zone, black on white, in no fixed size."""
    made = segno.make(link, error="m", micro=False)
    return made.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)


def _figure(link: str, caption: str) -> str:
    alt = escape(text("sheet_qr_alt", link=link))
    return (
        f'<figure><div role="img" aria-label="{alt}">{qr(link)}</div><figcaption>{_line(caption)}</figcaption></figure>'
    )


def _who(assistant: Assistant, procedure: Procedure, held: Mapping[str, Any], mine: Situation) -> str:
    lines = [procedure.summary] if procedure.summary else []
    if procedure.applicants:
        lines.append(text("sheet_who_may", who="; ".join(procedure.applicants)))
    if procedure.requirements:
        lines.append(f"{text('who_requirements')} {procedure.requirements}")
    who = _section("sheet_who", _block("\n".join(lines) or text("who_unknown")), "who")
    return who + "\n" + _section("sheet_case", _case(assistant, procedure, held, mine))


def _case(assistant: Assistant, procedure: Procedure, held: Mapping[str, Any], mine: Situation) -> str:
    """What was asked and answered, and what follows; empty while nothing was asked."""
    given = held.get("answers", {})
    lines = []
    for question in assistant.guides.questions_of(procedure.code):
        if question.id in given:
            option = question.option(given[question.id])
            answer = option.label if option else text("button_unsure")
            lines.append(text("sheet_answer", ask=question.ask, answer=answer))
    if lines and mine.go:
        other = assistant.procedure(mine.go)
        name = answers.title_of(other) if other else ""
        lines.append(text("case_elsewhere"))
        lines.append(text("sheet_go", name=name, code=mine.go) if name else text("not_held", code=mine.go))
    return _list([*lines, *mine.says])


def _papers(procedure: Procedure, mine: Situation, ticked: frozenset[str]) -> str:
    every, _, perhaps = papers.papers_of(mine)
    groups = [
        _section("sheet_submit", _ticks(_items((p for p in every if not p.shown_only), ticked))),
        _section("sheet_present", _ticks(_items((p for p in every if p.shown_only), ticked))),
        _section("sheet_perhaps", _by_case(perhaps)),
        _section("sheet_spared", _spared(mine)),
        _section("sheet_notes", _list(_names(d for d in mine.documents + mine.perhaps if d.role is Role.NOTE))),
    ]
    if not procedure.documents and not every:
        groups.insert(0, _section("sheet_submit", _block(text("documents_none"))))
    return "\n".join(group for group in groups if group)


def _items(some: Iterable[papers.Paper], ticked: frozenset[str]) -> list[tuple[str, bool]]:
    return [(answers.paper(p.document) if p.document else p.name, p.key in ticked) for p in some]


def _by_case(perhaps: list[Document]) -> str:
    """Papers of cases that nobody asked about; a case with several papers has a heading of its own."""
    blocks = []
    for case in dict.fromkeys(d.case for d in perhaps):
        said = [
            text("sheet_show", paper=answers.paper(d)) if d.role is Role.PRESENT else answers.paper(d)
            for d in perhaps
            if d.case == case
        ]
        if len(said) == 1:
            blocks.append(_ticks([(text("sheet_if", case=case, paper=said[0]), False)]))
        else:
            head = _line(text("sheet_perhaps_case", case=case))
            blocks.append(f"<h3>{head}</h3>{_ticks((line, False) for line in said)}")
    return "\n".join(blocks)


def _spared(mine: Situation) -> str:
    """What need not be handed in, with the reason: the state holds it, or the case spares it."""
    held = [d for d in mine.documents + mine.perhaps if d.in_database and d.role is not Role.NOTE]
    return (_block(text("documents_have")) + _list(_names(held)) if held else "") + _list(mine.spared)


def _names(documents: Iterable[Document]) -> list[str]:
    """Names; those of one case say so unless the case is settled."""
    return [text("sheet_if", case=d.case, paper=d.name) if d.case else d.name for d in documents]


def _facts(
    assistant: Assistant, procedure: Procedure, held: Mapping[str, Any], mine: Situation, today: dt.date
) -> str:  # fmt: skip
    fee = answers.fee_line(mine.fee, True, today) if mine.fee else ""
    limit = answers.limit_line(mine.limit) + "\n" + text("limit_counting") if mine.limit else ""
    place = text("where_receiver", place=mine.agency) if mine.agency else ""
    place = place or _without_head(answers.where(procedure, assistant.contacts))
    rows = (
        ("sheet_fee", fee or _without_head(answers.fees(procedure, whole=True, today=today))),
        ("sheet_limit", limit or _without_head(answers.limits(procedure, whole=True, notes=False))),
        ("sheet_where", "\n".join([place, *answers.method_notes(procedure)])),
        ("sheet_online", _online(assistant, procedure, str(held.get("portal") or ""))),
    )
    inner = "".join(f"<dt>{_line(text(head))}</dt><dd>{_block(body)}</dd>" for head, body in rows)
    return _section("sheet_facts", f"<dl>{inner}</dl>", "facts")


def _without_head(answer: str) -> str:
    """An answer without its first line, which is a heading that the sheet has already."""
    return answer.partition("\n")[2]


def _online(assistant: Assistant, procedure: Procedure, chosen: str) -> str:
    """Whether it can be filed online and where: the portal that was chosen first."""
    if not procedure.online:
        return answers.online(procedure)
    possible = assistant.guides.portals_for(
        procedure.code, online=True, issuer=procedure.issuer, agency=procedure.agency
    )
    portals = [assistant.guides.portals[p] for p in sorted(possible, key=lambda p: p != chosen) if p != DIRECT]
    named = [
        text("sheet_portal", name=p.name, url=p.url.removeprefix("https://")) if p.url else p.name for p in portals
    ]
    return answers.online(procedure) + "\n" + text("sheet_portals", portals="; ".join(named))


def _red_lines() -> str:
    lines = (text("sheet_red_secret"), text("sheet_red_self"), text("sheet_red_money"))
    return _section("sheet_red", _list(lines), "red")


def _people(assistant: Assistant) -> str:
    lines = [text("sheet_number", name=h.name, number=h.number) for h in assistant.contacts.hotlines.values()]
    return _section("sheet_people", _block("\n".join(lines)), "numbers")


def _footer(procedure: Procedure, today: dt.date) -> str:
    printed = text("sheet_printed", date=f"{today:%d/%m/%Y}")
    return f"<footer>{_block(plain(answers.source(procedure)))}<p>{_line(printed)}</p></footer>"
