"""The guide: what the case is, what to have at hand, then one small step at a time, stopped and resumed at will."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot import answers
from bot.dialogue import find
from bot.dialogue.facts import aspects_in
from bot.dialogue.pick import unsure
from bot.dialogue.turn import ASKING, Turn
from bot.reply import Button, Outcome
from bot.service import shown_short
from bot.texts import text
from index.text import lexicon
from knowledge.cases import UNSURE, Answers, next_question
from knowledge.guides import DIRECT, Guide, Step
from knowledge.model import Procedure

INTENTS = (
    "guide_start", "guide_next", "guide_done", "guide_back", "guide_repeat", "guide_stop", "guide_resume", "case",
    "rate_self", "rate_helped", "rate_not",
)  # fmt: skip
BEFORE = "before"
"""Step id of the list of things to have at hand; :data:`~bot.dialogue.turn.ASKING` is that of the questions."""
RATINGS = ("rate_self", "rate_helped", "rate_not")
CHECK = "kiem-tra"
"""The step before handing in, where one checks oneself."""


def handle(turn: Turn) -> Outcome:
    """Start, ask, move, stop, resume or rate."""
    match turn.intent:
        case "guide_start":
            return start(turn)
        case "case":
            return _take(turn, str(turn.entities.get("id") or ""), str(turn.entities.get("aspect") or ""))
        case "rate_self" | "rate_helped" | "rate_not":
            asked = (turn.slots.get("pending") or {}).get("ask") == "rate"
            return _rate(turn) if turn.tapped or asked or not turn.text else find.search(turn, turn.text)
    _settle(turn)
    held = _resumed(turn) if turn.intent == "guide_resume" else turn.guide
    procedure = turn.assistant.procedure(held["code"]) if held else None
    if held is None or procedure is None:
        return _nothing(turn)
    if held.get("step") == ASKING and turn.intent != "guide_stop":
        return ask(turn, procedure, _undone(held) if turn.intent == "guide_back" else held)
    if turn.entities.get("aspect") == "all":
        return _finish(turn, procedure, turn.assistant.guide(procedure, held.get("portal", ""), held.get("answers")))
    guide = turn.assistant.guide(procedure, held.get("portal", ""), held.get("answers"))
    at = _position(guide, held.get("step", BEFORE))
    if at < 0 and held.get("step", BEFORE) not in (BEFORE, ASKING) and turn.intent != "guide_stop":
        return show(turn, procedure, held, -1, note=text("guide_moved"))
    match turn.intent:
        case "guide_next" | "guide_done":
            return show(turn, procedure, held, at + 1)
        case "guide_back":
            return show(turn, procedure, held, max(-1, at - 1), note=text("guide_first") if at < 0 else "")
        case "guide_stop":
            return _stop(turn, procedure, guide, held, at)
    intro = text("guide_resume", name=answers.title_of(procedure)) if turn.intent == "guide_resume" else ""
    return show(turn, procedure, held, at, note=intro)


def _settle(turn: Turn) -> None:
    """Take a move for a mere return where it was not meant for the step that is reached.

    A button of an earlier step or of another guide, tapped late or twice, moves nothing; nor does a typed "go on" after
    a side question, which goes on with the guide where it was left.
    """
    if turn.intent not in ("guide_next", "guide_done", "guide_back"):
        return
    held, code = turn.guide or {}, str(turn.entities.get("code") or "")
    if turn.tapped and code and (code, turn.entities.get("id")) != (held.get("code"), held.get("step")):
        turn.intent, turn.entities = "guide_resume", {"code": code}
    elif not turn.tapped and turn.intent == "guide_next" and (turn.slots.get("pending") or {}).get("ask") == "resume":
        turn.intent = "guide_resume"


def _resumed(turn: Turn) -> dict[str, Any] | None:
    """The guide with the short code that the message names, that of the button's procedure, or the last one."""
    if short := str(turn.entities.get("id") or ""):
        return turn.memory.shared(short)
    code = str(turn.entities.get("code") or "")
    if turn.guide and code in ("", turn.guide.get("code")):
        return turn.guide
    return turn.memory.begun(code)


def _undone(held: dict[str, Any]) -> dict[str, Any]:
    """The same without the answer given last."""
    return held | {"answers": dict(list(held.get("answers", {}).items())[:-1])}


def start(turn: Turn) -> Outcome:
    """Begin the guide of the procedure in hand, or of the one that the message names."""
    procedure = turn.procedure
    named = "" if turn.entities.get("code") else _named(turn.text)
    if named:
        result = turn.assistant.searcher.run(named)
        if result.decision == "answer" and (procedure is None or result.right > 0.5):
            procedure = turn.assistant.procedure(result.hits[0].code)
        elif procedure is None and result.decision == "clarify":
            return find.clarify(turn, result.hits)
    if procedure is None:
        if turn.guide:
            turn.intent = "guide_resume"
            return handle(turn)
        return turn.reply(text("need_procedure"), Button.to(text("button_help"), "help"))
    how = str(turn.entities.get("aspect") or "")
    if how == "short":
        return _short(turn, procedure)
    held = of(turn, procedure, str(turn.entities.get("id") or ""))
    if how == "again":
        held["answers"] = {}
    if next_question(turn.assistant.guides.questions_of(procedure.code), held["answers"]):
        return ask(turn, procedure, held)
    return show(turn, procedure, held, -1) if how or turn.entities.get("id") else _where_left(turn, procedure, held)


def _where_left(turn: Turn, procedure: Procedure, held: dict[str, Any]) -> Outcome:
    """The step reached, and a way to begin from the start, where the guide was begun before; else its beginning."""
    guide = turn.assistant.guide(procedure, held.get("portal", ""), held.get("answers"))
    at = _position(guide, held.get("step", BEFORE))
    if at < 0:
        return show(turn, procedure, held, -1)
    outcome = show(turn, procedure, held, at, note=text("guide_resume", name=answers.title_of(procedure)))
    first = Button.to(text("button_from_start"), "guide_start", code=procedure.code, aspect="first")
    outcome.reply = replace(outcome.reply, buttons=(*outcome.reply.buttons, first))
    return outcome


def of(turn: Turn, procedure: Procedure, portal: str = "") -> dict[str, Any]:
    """What is held of this procedure's guide, in hand or begun before, else a new one."""
    same = turn.guide if turn.guide and turn.guide.get("code") == procedure.code else None
    if held := same or turn.memory.begun(procedure.code):
        return held | ({"portal": portal} if portal else {})
    return {"code": procedure.code, "portal": portal, "step": BEFORE, "answers": {}, "ticked": []}


def _named(message: str) -> str:
    """The message without the words of asking for a guide; empty when it names no procedure."""
    rest = lexicon().without_aspects(message)
    return rest if len(lexicon().without_guide_words(rest).split()) >= 2 else ""


# -- the case


def ask(turn: Turn, procedure: Procedure, held: dict[str, Any]) -> Outcome:
    """The next question about the case, or the guide's beginning when none is open."""
    questions = turn.assistant.guides.questions_of(procedure.code)
    question = next_question(questions, held.get("answers", {}))
    if question is None:
        return show(turn, procedure, held, -1)
    at = questions.index(question) + 1
    lines = [text("case_question", i=at, n=len(questions), ask=question.ask)]
    if at == 1:
        lines.insert(0, text("case_intro", name=answers.title_of(procedure), n=len(questions)))
    buttons = [
        Button.to(option.label, "case", code=procedure.code, id=question.id, aspect=option.id)
        for option in question.options
    ]
    buttons.append(Button.to(text("button_unsure"), "case", code=procedure.code, id=question.id, aspect=UNSURE))
    outcome = turn.reply(
        "\n\n".join(lines), *buttons, guide=held | {"step": ASKING}, pending={"ask": "case", "id": question.id},
        candidates=None,
    )  # fmt: skip
    outcome.slots["procedure"] = procedure.code
    return _edited(turn, outcome, procedure.code)


def take_typed(turn: Turn) -> Outcome | None:
    """A typed answer to the question that is open; None when the message is something else."""
    procedure = turn.assistant.procedure(str((turn.guide or {}).get("code") or ""))
    if procedure is None:
        return None
    wanted = (turn.slots.get("pending") or {}).get("id")
    question = next((q for q in turn.assistant.guides.questions_of(procedure.code) if q.id == wanted), None)
    if question is None:
        return None
    labels = [*(o.label for o in question.options), text("button_unsure")]
    at = turn.picked(labels)
    if at is not None and aspects_in(turn.text) and not aspects_in(labels[at]):
        return None  # it asks something, in words that a label has too
    if at is None and not turn.exact and (turn.intent == "dont_know" or unsure(turn.text)):
        at = len(question.options)
    if at is None:
        return None
    return _take(turn, question.id, question.options[at].id if at < len(question.options) else UNSURE)


def _take(turn: Turn, question_id: str, option_id: str) -> Outcome:
    """Note an answer and go on: the next question, another procedure, or the guide."""
    code = turn.entities.get("code") or (turn.guide or {}).get("code")
    procedure = turn.assistant.procedure(str(code)) if code else None
    if procedure is None:
        return _nothing(turn)
    held = of(turn, procedure)
    questions = turn.assistant.guides.questions_of(procedure.code)
    question = next((q for q in questions if q.id == question_id), None)
    if question is None:
        return ask(turn, procedure, held)
    option = question.option(option_id)
    if turn.tapped and held.get("answers", {}).get(question_id) == option_id and held.get("step") != ASKING:
        return _where_left(turn, procedure, held)  # an old button, tapped again
    others = {k: v for k, v in held.get("answers", {}).items() if k != question_id}
    if option and option.go:  # no answer for this guide: it stays open
        return _elsewhere(turn, procedure, held | {"step": ASKING, "answers": others}, option.go, option.says)
    held["answers"] = {**others, question_id: option_id if option else UNSURE}
    return ask(turn, procedure, held)


def _elsewhere(
    turn: Turn, procedure: Procedure, held: dict[str, Any], code: str, says: tuple[str, ...]
) -> Outcome:  # fmt: skip
    """Another procedure is the right one: say so and offer it."""
    other = turn.assistant.procedure(code)
    lines = [text("case_elsewhere"), *(f"• {line}" for line in says)]
    again = Button.to(text("button_case_again"), "guide_start", code=procedure.code, aspect="again")
    if other is None:
        lines.append(text("not_held", code=code))
        return turn.reply("\n".join(lines), again, Button.to(text("button_people"), "talk_to_person"), guide=held)
    lines.append(text("case_other", name=answers.title_of(other)))
    opened = Button.to(answers.title_of(other), "open_procedure", code=code)
    return turn.reply("\n".join(lines), opened, again, guide=held, pending={"ask": "choose"}, candidates=[code])


# -- the steps


def _position(guide: Guide, step_id: str) -> int:
    if step_id in (BEFORE, ASKING):
        return -1
    return next((i for i, step in enumerate(guide.steps) if step.id == step_id), -1)


def show(turn: Turn, procedure: Procedure, held: dict[str, Any], at: int, *, note: str = "") -> Outcome:
    """Step ``at`` of the guide (-1: what to have at hand; past the last: its end)."""
    guide = turn.assistant.guide(procedure, held.get("portal", ""), held.get("answers"))
    if at >= len(guide.steps):
        return _finish(turn, procedure, guide)
    held = held | {"portal": guide.portal, "step": guide.steps[at].id if at >= 0 else BEFORE}
    body = _before(turn, procedure, guide, held) if at < 0 else _step(guide.steps[at], at, len(guide.steps))
    date = f"{(procedure.updated_on or procedure.checked_on):%d/%m/%Y}"
    body += "\n\n" + text("guide_source", date=f"{guide.checked_on:%d/%m/%Y}", source=date)
    if at >= 0:
        body += "\n\n" + text("guide_ask")
    if at < 0:
        here = {"code": procedure.code, "id": BEFORE}
        buttons = [
            Button.to(text("button_start"), "guide_next", **here),
            Button.to(text("button_checklist"), "checklist", code=procedure.code),
        ]
        if turn.assistant.guides.questions_of(procedure.code):
            buttons.append(Button.to(text("button_case_again"), "guide_start", code=procedure.code, aspect="again"))
        if turn.memory.done():
            buttons.append(Button.to(text("button_short"), "guide_start", code=procedure.code, aspect="short"))
        elif guide.portal != DIRECT:
            buttons.append(Button.to(text("button_counter"), "guide_start", code=procedure.code, id=DIRECT))
    else:
        here = {"code": procedure.code, "id": guide.steps[at].id}
        buttons = [
            Button.to(text("button_next"), "guide_next", **here),
            Button.to(text("button_stuck"), "guide_stuck"),
            Button.to(text("button_back"), "guide_back", **here),
        ]
        if guide.steps[at].id == CHECK:
            buttons.insert(1, Button.to(text("button_precheck"), "precheck"))
    buttons.append(Button.to(text("button_stop"), "guide_stop"))
    outcome = turn.reply(
        "\n\n".join(x for x in (note, body) if x),
        *buttons,
        guide=held,
        pending={"ask": "step"},
        candidates=None,
    )
    outcome.slots["procedure"] = procedure.code
    return _edited(turn, outcome, procedure.code)


def _edited(turn: Turn, outcome: Outcome, code: str) -> Outcome:
    outcome.reply = replace(outcome.reply, procedure=code, edit=turn.tapped)
    return outcome


def _before(turn: Turn, procedure: Procedure, guide: Guide, held: dict[str, Any]) -> str:
    intro = text("guide_intro", name=answers.title_of(procedure), portal=guide.portal_name, n=len(guide.steps))
    mine = turn.assistant.situation(procedure, held.get("answers", {}))
    blocks = [intro]
    if mine.says:
        blocks.append("\n".join([text("case_says"), *(f"• {line}" for line in mine.says)]))
    if facts := case_facts(turn, mine.agency, held.get("answers", {}), procedure):
        blocks.append(facts)
    blocks.append("\n".join([text("guide_before"), *(f"• {line}" for line in guide.before)]))
    if any(step.certainty == "likely" for step in guide.steps):
        blocks.append(text("guide_likely"))
    return "\n\n".join(blocks)


def case_facts(turn: Turn, agency: str, given: Answers, procedure: Procedure) -> str:
    """Fee, limit and office where the answers settle them."""
    mine = turn.assistant.situation(procedure, given)
    lines = []
    if mine.limit:
        lines.append(text("case_limit", limit=answers.limit_line(mine.limit)))
    if mine.fee and (fee := answers.fee_line(mine.fee, True, turn.now.date())):
        lines.append(text("case_fee", fee=fee))
    if agency:
        lines.append(text("case_agency", agency=agency))
    return "\n".join(lines)


def _step(step: Step, at: int, count: int) -> str:
    lines = [text("guide_step", i=at + 1, n=count, title=step.title), *(f"• {line}" for line in step.do)]
    lines.append(text("guide_see", see=step.see))
    lines += [text("guide_mistake", mistake=m) for m in step.mistakes]
    lines.append(text("guide_skill", skill=step.skill))
    return "\n".join(lines)


def _short(turn: Turn, procedure: Procedure) -> Outcome:
    """All steps at once, for whoever has done one before."""
    held = of(turn, procedure)
    guide = turn.assistant.guide(procedure, held.get("portal", ""), held.get("answers"))
    lines = [text("guide_short", name=answers.title_of(procedure), portal=guide.portal_name)]
    lines += [f"{n}. {step.title}" for n, step in enumerate(guide.steps, 1)]
    here = {"code": procedure.code, "id": BEFORE}
    return turn.reply(
        "\n".join(lines), Button.to(text("button_all_done"), "guide_done", **here, aspect="all"),
        Button.to(text("button_slow"), "guide_start", code=procedure.code, aspect="first"),
        Button.to(text("button_stuck"), "guide_stuck"), guide=held | {"portal": guide.portal, "step": BEFORE},
        pending={"ask": "step"}, procedure=procedure,
    )  # fmt: skip


def _finish(turn: Turn, procedure: Procedure, guide: Guide) -> Outcome:
    turn.memory.finished()
    body = text("guide_finished") + "\n" + "\n".join(f"• {line}" for line in guide.after)
    body += "\n\n" + text("rate_ask")
    outcome = turn.reply(
        body,
        *(Button.to(text(f"button_{a}"), a, code=procedure.code) for a in RATINGS),
        Button.to(text("button_deadline"), "ask_deadline", code=procedure.code),
        Button.to(text("button_other"), "restart"),
        procedure=procedure, guide=None, pending={"ask": "rate"},
    )  # fmt: skip
    return _edited(turn, outcome, procedure.code)


def take_rating(turn: Turn) -> Outcome | None:
    """A typed answer to how it went; None for anything else."""
    if turn.intent in RATINGS:
        return _rate(turn)
    at = turn.picked([text(f"button_{a}") for a in RATINGS])
    if at is None:
        return None
    turn.intent = RATINGS[at]
    return _rate(turn)


def _rate(turn: Turn) -> Outcome:
    """How it went: counted, of nobody in particular; who could not do it is shown a way on."""
    procedure = turn.procedure
    if procedure is not None:
        turn.memory.rate(procedure.code, turn.intent.removeprefix("rate_"))
    more = [Button.to(text("button_people"), "talk_to_person"), Button.to(text("button_other"), "restart")]
    if turn.intent == "rate_not":
        more.insert(0, Button.to(text("button_stuck"), "guide_stuck"))
    return turn.reply(text(turn.intent), *more, pending=None)


def _stop(turn: Turn, procedure: Procedure, guide: Guide, held: dict[str, Any], at: int) -> Outcome:
    body = text("guide_stopped", i=max(at, 0) + 1, n=len(guide.steps))
    if held.get("short"):
        body += "\n" + text("guide_short_code", short=shown_short(held["short"]))
    resume = Button.to(text("button_resume", i=max(at, 0) + 1), "guide_resume", code=procedure.code)
    return turn.reply(body, resume, Button.to(text("button_other"), "restart"), pending={"ask": "resume"})


def _nothing(turn: Turn) -> Outcome:
    if turn.entities.get("id") and turn.intent == "guide_resume":
        return turn.reply(text("guide_no_code"), Button.to(text("button_help"), "help"))
    if turn.procedure and turn.intent in ("guide_next", "guide_done", "guide_repeat"):
        turn.intent = "guide_start"
        return start(turn)
    return turn.reply(text("guide_nothing"), Button.to(text("button_help"), "help"))
