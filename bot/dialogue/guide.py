"""The guide: one small step at a time, stopped and resumed at will; and help for those who are stuck."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot import answers
from bot.dialogue import find
from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome
from bot.texts import text
from index.text import lexicon
from knowledge.guides import DIRECT, Guide, Step
from knowledge.model import Procedure
from knowledge.rescues import Rescue

INTENTS = (
    "guide_start", "guide_next", "guide_done", "guide_back", "guide_repeat", "guide_stuck", "guide_stop",
    "guide_resume", "rescue",
)  # fmt: skip
BEFORE = "before"
"""Step id of the list of things to have at hand, shown before the first step."""


def handle(turn: Turn) -> Outcome:
    """Start, move, stop or help."""
    if turn.intent == "rescue":
        return rescue(turn, turn.assistant.rescues.get(str(turn.entities.get("id"))))
    if turn.intent == "guide_stuck":
        return stuck(turn)
    if turn.intent == "guide_start":
        return start(turn)
    held = turn.guide
    procedure = turn.assistant.procedure(held["code"]) if held else None
    if held is None or procedure is None:
        return _nothing(turn)
    guide = turn.assistant.guide(procedure, held.get("portal", ""))
    at = _position(guide, held.get("step", BEFORE))
    if at < 0 and held.get("step", BEFORE) != BEFORE and turn.intent != "guide_stop":
        return _show(turn, procedure, guide, -1, note=text("guide_moved"))
    match turn.intent:
        case "guide_next" | "guide_done":
            return _show(turn, procedure, guide, at + 1)
        case "guide_back":
            return _show(turn, procedure, guide, max(-1, at - 1), note=text("guide_first") if at < 0 else "")
        case "guide_stop":
            return _stop(turn, procedure, guide, at)
    intro = text("guide_resume", name=answers.title_of(procedure)) if turn.intent == "guide_resume" else ""
    return _show(turn, procedure, guide, at, note=intro)


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
    guide = turn.assistant.guide(procedure, str(turn.entities.get("id") or ""))
    return _show(turn, procedure, guide, -1)


def _named(message: str) -> str:
    """The message without the words of asking for a guide; empty when it names no procedure."""
    rest = lexicon().without_aspects(message)
    return rest if len(lexicon().without_guide_words(rest).split()) >= 2 else ""


def _position(guide: Guide, step_id: str) -> int:
    if step_id == BEFORE:
        return -1
    return next((i for i, step in enumerate(guide.steps) if step.id == step_id), -1)


def _show(turn: Turn, procedure: Procedure, guide: Guide, at: int, *, note: str = "") -> Outcome:
    if at >= len(guide.steps):
        return _finish(turn, procedure, guide)
    held = {"code": procedure.code, "portal": guide.portal, "step": guide.steps[at].id if at >= 0 else BEFORE}
    body = _before(procedure, guide) if at < 0 else _step(guide.steps[at], at, len(guide.steps))
    date = f"{(procedure.updated_on or procedure.checked_on):%d/%m/%Y}"
    body += "\n\n" + text("guide_source", date=f"{guide.checked_on:%d/%m/%Y}", source=date)
    buttons = [Button.to(text("button_start" if at < 0 else "button_next"), "guide_next")]
    if at >= 0:
        buttons += [Button.to(text("button_stuck"), "guide_stuck"), Button.to(text("button_back"), "guide_back")]
    elif guide.portal != DIRECT:
        buttons.append(Button.to(text("button_counter"), "guide_start", code=procedure.code, id=DIRECT))
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


def _before(procedure: Procedure, guide: Guide) -> str:
    intro = text("guide_intro", name=answers.title_of(procedure), portal=guide.portal_name, n=len(guide.steps))
    lines = [text("guide_before"), *(f"• {line}" for line in guide.before)]
    return f"{intro}\n\n" + "\n".join(lines)


def _step(step: Step, at: int, count: int) -> str:
    lines = [text("guide_step", i=at + 1, n=count, title=step.title), *(f"• {line}" for line in step.do)]
    lines.append(text("guide_see", see=step.see))
    lines += [text("guide_mistake", mistake=m) for m in step.mistakes]
    if step.certainty == "likely":
        lines.append(text("guide_likely"))
    return "\n".join([*lines, "", text("guide_ask")])


def _finish(turn: Turn, procedure: Procedure, guide: Guide) -> Outcome:
    body = text("guide_finished") + "\n" + "\n".join(f"• {line}" for line in guide.after)
    outcome = turn.reply(
        body, Button.to(text("button_other"), "restart"), Button.to(text("button_people"), "talk_to_person"),
        procedure=procedure, guide=None, pending=None,
    )  # fmt: skip
    return _edited(turn, outcome, procedure.code)


def _stop(turn: Turn, procedure: Procedure, guide: Guide, at: int) -> Outcome:
    body = text("guide_stopped", i=max(at, 0) + 1, n=len(guide.steps))
    resume = Button.to(text("button_resume", i=max(at, 0) + 1), "guide_resume")
    return turn.reply(body, resume, Button.to(text("button_other"), "restart"), pending=None)


def _nothing(turn: Turn) -> Outcome:
    if turn.procedure and turn.intent in ("guide_next", "guide_done", "guide_repeat"):
        turn.intent = "guide_start"
        return start(turn)
    return turn.reply(text("guide_nothing"), Button.to(text("button_help"), "help"))


def stuck(turn: Turn) -> Outcome:
    """Help for what the message describes, else ask where it pinches; a step offers what typically goes wrong there."""
    if not turn.tapped and (found := turn.assistant.find_rescue(turn.text)):
        return rescue(turn, found)
    step = (turn.guide or {}).get("step", "")
    rescues = list(turn.assistant.rescues.values())
    here = [r for r in rescues if step in r.steps] or rescues
    buttons = [Button.to(r.title, "rescue", id=r.id) for r in here[:4]]
    return turn.reply(
        text("stuck_ask"), *buttons, Button.to(text("button_people"), "talk_to_person"), pending={"ask": "stuck"}
    )


def rescue(turn: Turn, found: Rescue | None) -> Outcome:
    """What to do when stuck so; ends with a number to call or an office."""
    if found is None:
        return stuck(turn)
    hotline: Any = turn.assistant.contacts.hotlines.get(found.hotline)
    lines = [text("rescue", title=found.title), *(f"• {line}" for line in found.advice)]
    lines.append(text("stuck_call", hotline=f"{hotline.name}: {hotline.number}") if hotline else text("stuck_person"))
    line, resume = turn.back_to_guide()
    if line:
        lines += ["", line]
    people = Button.to(text("button_people"), "talk_to_person")
    return turn.reply("\n".join(lines), *resume, people, pending={"ask": "resume"} if resume else None)
