"""Which procedure is meant: answer, ask which, or say that nothing was found."""

from __future__ import annotations

from collections.abc import Sequence

from bot import answers
from bot.dialogue import differ
from bot.dialogue.turn import Turn, today
from bot.reply import LABEL_LIMIT, Button, Outcome, shorten
from bot.texts import text
from index.search import Hit, SearchResult
from index.text import fold
from knowledge.model import Procedure

INTENTS = ("find_procedure", "open_procedure", "change_procedure", "none_of_these", "nlu_fallback", "out_of_scope")
CHOICES = 4
SURE_OUTSIDE = 0.75
"""Above this probability a message is answered although the intent says it lies outside (the intent may be wrong)."""
NEAR = 0.25
"""Candidates below this probability are not offered when nothing fits."""


def handle(turn: Turn) -> Outcome:
    """Open what a button names, else search the message."""
    if turn.intent == "open_procedure":
        procedure = turn.procedure
        return show(turn, procedure) if procedure else _not_held(turn, str(turn.entities.get("code", "")))
    if turn.intent == "none_of_these":
        turn.missed = True
        return nothing(turn, None)
    return search(turn, turn.text)


def search(turn: Turn, message: str) -> Outcome:
    """Search ``message`` and answer, clarify or say none."""
    result = turn.assistant.searcher.run(message)
    if code := turn.entities.get("procedure_code"):
        if not result.hits:
            return _not_held(turn, str(code))
    elif turn.intent == "out_of_scope" and not (result.decision == "answer" and result.right > SURE_OUTSIDE):
        return turn.reply(text("out_of_scope"), Button.to(text("button_help"), "help"))
    if result.decision == "answer":
        procedure = turn.assistant.procedure(result.hits[0].code)
        assert procedure is not None
        return show(turn, procedure)
    if result.decision == "clarify":
        return clarify(turn, result.hits)
    return nothing(turn, result)


def show(turn: Turn, procedure: Procedure, *, intro: str = "") -> Outcome:
    """The card of a procedure, with what people ask next as buttons."""
    body = "\n\n".join(x for x in (intro, answers.overview(procedure, today=today())) if x)
    line, resume = turn.back_to_guide()
    if line and turn.guide and turn.guide.get("code") != procedure.code:
        body = f"{body}\n\n{line}"
    else:
        resume = ()
    return turn.reply(
        body,
        *fact_buttons(procedure),
        *resume,
        procedure=procedure,
        candidates=None,
        pending={"ask": "guide"},
        last_aspect=None,
    )


def fact_buttons(procedure: Procedure, but: str = "") -> list[Button]:
    """Guide first, then the four facts, without the one just told."""
    code = procedure.code
    buttons = [
        Button.to(text("button_guide"), "guide_start", code=code),
        Button.to(text("button_documents"), "ask_documents", code=code),
        Button.to(text("button_fee"), "ask_fee", code=code),
        Button.to(text("button_limit"), "ask_time_limit", code=code),
        Button.to(text("button_where"), "ask_where", code=code),
    ]
    return [b for b in buttons if not but or not b.payload.startswith(f"/{but}{{")]


def clarify(turn: Turn, hits: Sequence[Hit], *, intro: str = "", drop: bool = True) -> Outcome:
    """Ask which of the first few is meant, naming what tells them apart; ``drop``: the one in hand is given up."""
    return clarify_codes(turn, [hit.code for hit in hits[:CHOICES]], intro=intro, drop=drop)


def clarify_codes(turn: Turn, codes: Sequence[str], *, intro: str = "", drop: bool = True) -> Outcome:
    """The same for codes."""
    chosen = [p for code in codes if (p := turn.assistant.procedure(code))]
    if not chosen:
        return nothing(turn, None)
    asking = differ.ask(chosen)
    lines = [_line(n, choice, intro) for n, choice in enumerate(asking.choices, 1)]
    buttons = [
        Button.to(f"{n}. {shorten(choice.label, LABEL_LIMIT - 3)}", "open_procedure", code=choice.procedure.code)
        for n, choice in enumerate(asking.choices, 1)
    ]
    buttons.append(Button.to(text("button_none"), "none_of_these"))
    dates = sorted({answers.source(p).split("\n")[0] for p in chosen})
    body = "\n".join([intro or _question(asking), *lines, "", dates[-1]])
    shown = [choice.procedure.code for choice in asking.choices]
    return turn.reply(body, *buttons, candidates=shown, pending={"ask": "choose"}, drop=drop)


def _question(asking: differ.Asking) -> str:
    """The question for what differs, naming what all have in common; else which is meant."""
    if asking.question and asking.about:
        question = asking.question[0].lower() + asking.question[1:]
        return text("clarify_about", about=asking.about, question=question)
    return asking.question or text("clarify")


def _line(n: int, choice: differ.Choice, intro: str) -> str:
    """A numbered line: the label, and the title where the label leaves something out."""
    title = choice.title or (answers.title_of(choice.procedure) if intro else "")
    begins = fold(title).startswith(fold(choice.label.rstrip("…")))
    if not title or begins:
        return text("clarify_line", n=n, name=title or choice.label)
    return text("clarify_line_title", n=n, name=choice.label, title=title)


def nothing(turn: Turn, result: SearchResult | None) -> Outcome:
    """Nothing fits: offer near ones once, then people; the question is kept for staff."""
    turn.missed = True
    if result is not None:
        turn.unanswered(turn.text)
    people = Button.to(text("button_people"), "talk_to_person")
    if turn.misses >= 1:
        return turn.reply(
            text("none_twice", contacts=turn.assistant.contact_lines()), people, candidates=None, pending=None
        )
    near = [hit for hit in result.hits[:3] if hit.score >= NEAR] if result else []
    if near:
        return clarify(turn, near, intro=text("none_near"), drop=False)
    line, resume = turn.back_to_guide()
    body = "\n\n".join(x for x in (text("none"), line) if x)
    return turn.reply(body, *resume, people, candidates=None, pending=None)


def _not_held(turn: Turn, code: str) -> Outcome:
    turn.missed = True
    if not turn.tapped and not turn.text.startswith("/"):
        turn.unanswered(turn.text)
    return turn.reply(text("not_held", code=code), Button.to(text("button_help"), "help"))
