"""Which procedure is meant: answer, ask which, or say that nothing was found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot import answers
from bot.dialogue import differ, stuck
from bot.dialogue.turn import Turn, today
from bot.reply import LABEL_LIMIT, Button, Outcome, shorten
from bot.texts import text
from index.text import fold, lexicon
from knowledge.events import Event
from knowledge.model import Procedure

if TYPE_CHECKING:
    from index.search import Hit, SearchResult

INTENTS = (
    "find_procedure", "open_procedure", "change_procedure", "none_of_these", "nlu_fallback", "out_of_scope", "event",
)  # fmt: skip
CHOICES = 4
SURE_OUTSIDE = 0.75
"""Probability that something fits from which a message is searched although its intent says it lies outside."""
HAPPENED, RELATED = 0.45, 0.5
"""Scores from which a life event is shown where no single procedure is clear, and named beside one that is."""
BEYOND_DOUBT = 0.9
"""Probability of being right from which one of several things asked at once counts."""
_AND_THEN = re.compile(r"[;\n]|\b(?:rồi|và|xong|sau đó|với lại)\b", re.I)
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
    if turn.intent == "event" and (found := turn.assistant.events.get(str(turn.entities.get("id") or ""))):
        return event(turn, found)
    if turn.intent == "change_procedure":
        return search(turn, lexicon().without_correction(turn.text))
    return search(turn, turn.text)


def search(turn: Turn, message: str) -> Outcome:
    """Search ``message`` and answer, clarify or say none."""
    result = turn.assistant.searcher.run(message)
    if code := turn.entities.get("procedure_code"):
        if not result.hits:
            return _not_held(turn, str(code))
    elif turn.intent == "out_of_scope" and (result.decision == "none" or result.answerable < SURE_OUTSIDE):
        return stuck.inside(turn) or outside(turn)
    happened = event_in(turn, message, HAPPENED)
    if happened is None and len(codes := several(turn, message)) > 1:
        return clarify_codes(turn, codes, intro=text("clarify_several"))
    if result.decision == "answer":
        procedure = turn.assistant.procedure(result.hits[0].code)
        assert procedure is not None
        return show(turn, procedure, related=event_in(turn, message))
    if happened:
        return event(turn, happened, asked=message)
    if turn.guide and (pinches := stuck.clear(turn)):
        return pinches
    if result.decision == "clarify":
        return clarify(turn, result.hits)
    return stuck.inside(turn) or nothing(turn, result)


def outside(turn: Turn) -> Outcome:
    """What lies outside the catalogue is said so; the second time in a row with where to find people."""
    turn.missed = True
    assist = Button.to(text("button_help"), "help")
    people = Button.to(text("button_people"), "talk_to_person")
    if turn.misses < 1:
        return turn.reply(text("out_of_scope"), assist, people)
    contacts = text("talk_to_person", contacts=turn.assistant.contact_lines())
    return turn.reply(f"{text('out_of_scope')}\n\n{contacts}", assist, people)


def several(turn: Turn, message: str) -> list[str]:
    """Codes of the procedures that a message names one after the other, each beyond doubt; two at the most matter."""
    found: list[str] = []
    for part in _AND_THEN.split(message):
        if len(part.split()) < 2:
            continue
        result = turn.assistant.searcher.run(part)
        if result.decision == "answer" and result.right >= BEYOND_DOUBT and result.hits[0].code not in found:
            found.append(result.hits[0].code)
    return found[:CHOICES]


def event_in(turn: Turn, message: str, score: float = RELATED) -> Event | None:
    """The life event that a message tells of, or seems to be part of."""
    happened = next(iter(turn.assistant.happened.run(message, 1)), None)
    return turn.assistant.events[happened.id] if happened and happened.score >= score else None


def show(turn: Turn, procedure: Procedure, *, intro: str = "", related: Event | None = None) -> Outcome:
    """The card of a procedure, with what people ask next as buttons; ``related``: what it seems to be part of."""
    body = "\n\n".join(x for x in (intro, answers.overview(procedure, today=today())) if x)
    buttons = with_event(fact_buttons(procedure), procedure, related)
    return turn.reply(
        body,
        *buttons,
        procedure=procedure,
        candidates=None,
        pending={"ask": "guide"},
        last_aspect=None,
    )


def with_event(buttons: list[Button], procedure: Procedure, related: Event | None) -> list[Button]:
    """The same with the last one giving way to the life event that the procedure is part of."""
    if related is None or all(task.code != procedure.code for task in related.items):
        return buttons
    return [*buttons[:-1], Button.to(text("button_event", title=related.title), "event", id=related.id)]


def event(turn: Turn, found: Event, *, asked: str = "") -> Outcome:
    """A life event: what to do in which order, what needs what, what can be filed together."""
    tasks = [task for task in found.items if turn.assistant.procedure(task.code)]
    if not tasks:
        people = Button.to(text("button_people"), "talk_to_person")
        return turn.reply("\n".join([text("title", name=found.title), *found.intro, text("event_empty")]), people)
    place = {task.code: n for n, task in enumerate(tasks, 1)}
    lines = [text("title", name=found.title), *found.intro, ""]
    for task in tasks:
        lines.append(text("event_task", n=place[task.code], what=task.what, why=task.why))
        if task.when:
            lines.append("   " + text("event_when", when=task.when))
        if after := [str(place[c]) for c in task.after if c in place]:
            lines.append("   " + text("event_after", n=", ".join(after)))
        if together := [str(place[c]) for c in task.together if c in place]:
            lines.append("   " + text("event_together", n=", ".join(together)))
    lines += ["", *(f"• {note}" for note in found.notes), text("event_ask")]
    dates = sorted(answers.source(p).split("\n")[0] for t in tasks if (p := turn.assistant.procedure(t.code)))
    buttons = [
        Button.to(f"{n}. {shorten(task.what, LABEL_LIMIT - 3)}", "open_procedure", code=task.code)
        for n, task in enumerate(tasks[:CHOICES], 1)
    ]
    if asked:
        buttons.append(Button.to(text("button_none"), "none_of_these"))
    return turn.reply(
        "\n".join([*lines, "", *dates[-1:]]), *buttons, candidates=[t.code for t in tasks], pending={"ask": "choose"},
        drop=True,
    )  # fmt: skip


def fact_buttons(procedure: Procedure, *but: str) -> list[Button]:
    """Guide first, then the four facts, without those just told (their intents)."""
    code = procedure.code
    buttons = [
        Button.to(text("button_guide"), "guide_start", code=code),
        Button.to(text("button_documents"), "ask_documents", code=code),
        Button.to(text("button_fee"), "ask_fee", code=code),
        Button.to(text("button_limit"), "ask_time_limit", code=code),
        Button.to(text("button_where"), "ask_where", code=code),
    ]
    return [b for b in buttons if not b.payload.startswith(tuple(f"/{intent}{{" for intent in but))]


def clarify(turn: Turn, hits: Sequence[Hit], *, intro: str = "", drop: bool = True, wanted: str = "") -> Outcome:
    """Ask which of the first few is meant, naming what tells them apart; ``drop``: the one in hand is given up.

    ``wanted``: the intent of the question that was asked about it; choosing then answers that, not the card.
    """
    return clarify_codes(turn, [hit.code for hit in hits[:CHOICES]], intro=intro, drop=drop, wanted=wanted)


def clarify_codes(turn: Turn, codes: Sequence[str], *, intro: str = "", drop: bool = True, wanted: str = "") -> Outcome:
    """The same for codes."""
    chosen = [p for code in codes if (p := turn.assistant.procedure(code))]
    if not chosen:
        return nothing(turn, None)
    asking = differ.ask(chosen)
    lines = [_line(n, choice, intro) for n, choice in enumerate(asking.choices, 1)]
    opens = wanted or "open_procedure"
    buttons = [
        Button.to(f"{n}. {shorten(choice.label, LABEL_LIMIT - 3)}", opens, code=choice.procedure.code)
        for n, choice in enumerate(asking.choices, 1)
    ]
    buttons.append(Button.to(text("button_none"), "none_of_these"))
    dates = sorted({answers.source(p).split("\n")[0] for p in chosen})
    body = "\n".join([intro or _question(asking), *lines, "", dates[-1]])
    shown = [choice.procedure.code for choice in asking.choices]
    pending = {"ask": "choose"} | ({"wanted": wanted, "others": turn.others} if wanted else {})
    return turn.reply(body, *buttons, candidates=shown, pending=pending, drop=drop)


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
        turn.memory.unanswered(turn.text)
    people = Button.to(text("button_people"), "talk_to_person")
    if turn.misses >= 1:
        return turn.reply(
            text("none_twice", contacts=turn.assistant.contact_lines()), people, candidates=None, pending=None
        )
    near = [hit for hit in result.hits[:3] if hit.score >= NEAR] if result else []
    if near:
        return clarify(turn, near, intro=text("none_near"), drop=False)
    return turn.reply(text("none"), people, candidates=None, pending=None)


def _not_held(turn: Turn, code: str) -> Outcome:
    turn.missed = True
    if not turn.tapped and not turn.text.startswith("/"):
        turn.memory.unanswered(turn.text)
    return turn.reply(text("not_held", code=code), Button.to(text("button_help"), "help"))
