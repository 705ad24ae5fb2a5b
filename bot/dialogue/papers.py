"""Papers of one's own case: a list to tick, a check before handing in, and why a dossier came back."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from bot import answers
from bot.dialogue import guide
from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome, shorten
from bot.service import shown_short
from bot.texts import text
from index.text import fold
from knowledge.cases import Situation, next_question
from knowledge.model import Document, Role
from knowledge.returns import Return, worth_checking

INTENTS = ("checklist", "tick", "precheck", "returned")
CHECKS, BUTTONS = 8, 4
CLEAR, APART, FAINT = 0.45, 0.06, 0.25
"""Score from which a notice is made out, how far the next has to be, and what is worth offering."""

_NO_REASON = re.compile(
    r"\b(?:ho so|cua|toi|tui|em|minh|con|bi|vua|moi|lai|duoc|la|ma|thi|roi|nua|tra (?:lai|ve)|tra|tu choi"
    r"|khong duoc nhan|sao|lam sao|lam gi|gio|bay gio|phai|vi sao|tai sao|ly do|a|nha|vay|huhu)\b"
)
"""What a message says of a returned dossier without saying why it came back."""


class Paper(NamedTuple):
    """One line of the list. ``key``: what is kept when it is ticked. ``document``: the record's paper, if it is one."""

    key: str
    name: str
    shown_only: bool = False
    document: Document | None = None


def papers_of(mine: Situation) -> tuple[list[Paper], list[str], list[Document]]:
    """(to have at hand, need not be handed in and why, perhaps) for somebody's case."""
    needed = [d for d in mine.documents if d.role is not Role.NOTE and not d.in_database]
    mine_all = [Paper(_key(d), d.name, d.role is Role.PRESENT, d) for d in needed]
    mine_all += [Paper(f"+{line}", line) for line in mine.papers]
    spared = [text("checklist_held", name=d.name) for d in mine.documents if d.in_database and d.role is not Role.NOTE]
    perhaps = [d for d in mine.perhaps if d.role is not Role.NOTE and not d.in_database]
    return mine_all, [*spared, *mine.spared], perhaps


def _key(document: Document) -> str:
    return f"{document.case}|{document.name}"


def handle(turn: Turn) -> Outcome:
    """The list, a tick on it, the check, or a notice."""
    match turn.intent:
        case "precheck":
            return precheck(turn)
        case "returned":
            return returned(turn)
    return checklist(turn)


# -- the list


def checklist(turn: Turn) -> Outcome:
    """Papers for one's own case with what is ticked; first the questions that settle the case."""
    code = turn.entities.get("code") or (turn.guide or {}).get("code") or turn.slots.get("procedure")
    procedure = turn.assistant.procedure(str(code)) if code else None
    if procedure is None:
        return turn.reply(text("need_procedure"), Button.to(text("button_help"), "help"))
    held = guide.of(turn, procedure)
    questions = turn.assistant.guides.questions_of(procedure.code)
    if turn.intent == "checklist" and next_question(questions, held.get("answers", {})):
        return guide.ask(turn, procedure, held)
    every, spared, perhaps = papers_of(turn.assistant.situation(procedure, held.get("answers", {})))
    if turn.intent == "tick":
        held = _ticked(turn, held, every)
    ticked = set(held.get("ticked", []))
    if not every and not perhaps:
        return turn.reply(answers.documents(procedure), *guide_buttons(procedure.code), procedure=procedure, guide=held)
    lines = [text("checklist", name=answers.title_of(procedure))]
    for n, paper in enumerate(every, 1):
        state = "checklist_have" if paper.key in ticked else "checklist_open"
        shown = " " + text("checklist_present") if paper.shown_only else ""
        lines.append(text(state, n=n, name=shorten(paper.name, answers.LINE) + shown))
    if perhaps:
        lines += ["", text("checklist_perhaps")]
        lines += [text("checklist_if", case=shorten(d.case, 80), name=shorten(d.name, answers.LINE)) for d in perhaps]
    if spared:
        lines += ["", text("checklist_spared"), *(f"• {line}" for line in spared)]
    left = [(n, p) for n, p in enumerate(every, 1) if p.key not in ticked]
    lines += ["", text("checklist_done") if every and not left else text("checklist_how")]
    if held.get("short"):
        lines.append(text("guide_short_code", short=shown_short(held["short"])))
    buttons = [
        Button.to(text("button_tick", n=n, name=p.name), "tick", code=procedure.code, index=str(n)) for n, p in left
    ]
    return turn.reply(
        "\n".join(lines), *buttons[: BUTTONS - 1], *guide_buttons(procedure.code), procedure=procedure, guide=held,
        pending={"ask": "tick", "code": procedure.code}, candidates=None,
    )  # fmt: skip


def guide_buttons(code: str) -> tuple[Button, ...]:
    """On to the guide, or to a person."""
    return Button.to(text("button_guide"), "guide_start", code=code), Button.to(text("button_stop"), "guide_stop")


def _ticked(turn: Turn, held: dict[str, Any], every: list[Paper]) -> dict[str, Any]:
    """Tick (or untick) the papers whose numbers a button or the message names."""
    said = str(turn.entities.get("index") or "") or turn.text
    numbers = {int(n) for n in re.findall(r"\d{1,2}", said)}
    ticked = list(held.get("ticked", []))
    for n, paper in enumerate(every, 1):
        if n in numbers:
            ticked.remove(paper.key) if paper.key in ticked else ticked.append(paper.key)
    return held | {"ticked": ticked}


def take_typed(turn: Turn) -> Outcome | None:
    """Numbers typed while the list is open; None for anything else."""
    if (
        turn.exact
        or not re.fullmatch(r"\D{0,20}\d{1,2}(?:\D{1,5}\d{1,2})*\D{0,12}", turn.text)
        or len(turn.text.split()) > 8
    ):
        return None
    turn.entities = {"code": (turn.slots.get("pending") or {}).get("code")}
    turn.intent = "tick"
    return checklist(turn)


# -- before handing in, and when it came back


def precheck(turn: Turn) -> Outcome:
    """What to ask oneself before handing in."""
    held = turn.guide or {}
    code = str(held.get("code") or turn.slots.get("procedure") or "")
    portal = str(held.get("portal") or "")
    checks = worth_checking(turn.assistant.returns, code, portal or "online", CHECKS)
    lines = [text("precheck"), *(f"{n}. {r.check}" for n, r in enumerate(checks, 1)), "", text("precheck_how")]
    onwards = (
        Button.to(text("button_precheck_fine"), "guide_next", code=code, id=held.get("step"))
        if held.get("step") == guide.CHECK
        else None
    )
    buttons = [onwards] if onwards else []
    buttons.append(Button.to(text("button_precheck_doubt"), "returned", code=code))
    buttons.append(Button.to(text("button_people"), "talk_to_person"))
    return turn.reply("\n".join(lines), *buttons, pending={"ask": "check", "ids": [r.id for r in checks]})


def returned(turn: Turn) -> Outcome:
    """Make out why a dossier came back, and what to do in the same dossier; else ask which reason it is."""
    reasons = {r.id: r for r in turn.assistant.returns}
    if found := reasons.get(str(turn.entities.get("id") or "")):
        return _reason(turn, found)
    told = bool(_NO_REASON.sub(" ", fold(turn.text)).split())
    near = turn.assistant.returned.run(turn.text) if told and not turn.tapped else []
    if near and near[0].score >= CLEAR and near[0].score - near[1].score >= APART:
        return _reason(turn, reasons[near[0].id])
    held = turn.guide or {}
    code, portal = str(held.get("code") or turn.slots.get("procedure") or ""), str(held.get("portal") or "online")
    usual = worth_checking(turn.assistant.returns, code, portal, BUTTONS)
    likely = [reasons[n.id] for n in near if n.score >= FAINT]
    offered = list(dict.fromkeys([*likely, *usual]))[:BUTTONS]
    buttons = [Button.to(r.title, "returned", id=r.id) for r in offered]
    return turn.reply(
        text("returned_ask"), *buttons, Button.to(text("button_people"), "talk_to_person"),
        pending={"ask": "check", "ids": [r.id for r in offered]},
    )  # fmt: skip


def take_reason(turn: Turn) -> Outcome | None:
    """One of the reasons by its number; None for anything else."""
    reasons = {r.id: r for r in turn.assistant.returns}
    offered = [reasons[i] for i in (turn.slots.get("pending") or {}).get("ids") or () if i in reasons]
    at = turn.picked([r.title for r in offered])
    return None if at is None else _reason(turn, offered[at])


def _reason(turn: Turn, found: Return) -> Outcome:
    lines = [text("title", name=found.title), *(f"• {line}" for line in found.fix), "", text("returned_rights")]
    more = Button.to(text("button_returned_other"), "returned")
    people = Button.to(text("button_people"), "talk_to_person")
    return turn.reply("\n".join(lines), more, people, pending=None)
