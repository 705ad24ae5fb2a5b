"""Being stuck: which rescue it is, then its small tree, down to "it works", a number to call, or the nearest office."""

from __future__ import annotations

from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome
from bot.texts import text
from knowledge.rescues import CALL, OFFICE, SOLVED, Node, Rescue

INTENTS = ("guide_stuck", "rescue")
SHORT = 4
"""Words up to which a description of what fails may be the answer to a question."""
CLEAR, APART, FAINT = 0.45, 0.06, 0.25
"""Score from which a description is taken at its word, how far the next has to be, and what is worth offering."""
ALIKE, SURE = 0.35, 0.7
"""Score from which words inside a guide that nothing else explains are taken for being stuck, and from which words
about a dossier are, wherever they are said."""


def handle(turn: Turn) -> Outcome:
    """A tapped rescue or node, or a description of what fails."""
    if turn.intent == "rescue" and (found := turn.assistant.rescues.get(str(turn.entities.get("id") or ""))):
        return _at(turn, found, str(turn.entities.get("aspect") or ""))
    return describe(turn)


def describe(turn: Turn) -> Outcome:
    """The rescue that the message clearly describes, else the likeliest few to choose from."""
    if found := clear(turn):
        return found
    near = turn.assistant.stuck.run(turn.text) if not turn.tapped and turn.text else []
    step = (turn.guide or {}).get("step", "")
    here = [r for r in turn.assistant.rescues.values() if step in r.steps]
    likely = [turn.assistant.rescues[n.id] for n in near if n.score >= FAINT]
    likely.sort(key=lambda rescue: step not in rescue.steps)
    offered = list(dict.fromkeys([*likely, *(here or turn.assistant.rescues.values())]))[:4]
    buttons = [Button.to(r.title, "rescue", id=r.id) for r in offered]
    return turn.reply(
        text("stuck_ask"), *buttons, Button.to(text("button_people"), "talk_to_person"),
        pending={"ask": "stuck", "ids": [r.id for r in offered]},
    )  # fmt: skip


def inside(turn: Turn) -> Outcome | None:
    """What to do about words that nothing else explains, where a guide is in hand: the rescue they describe, or which.

    None outside guides and for words that are like no rescue.
    """
    near = turn.assistant.stuck.run(turn.text) if turn.guide and not turn.tapped and turn.text else []
    return describe(turn) if near and near[0].score >= ALIKE else None


def clear(turn: Turn, least: float = CLEAR) -> Outcome | None:
    """The rescue that the message clearly describes; None when it describes none, or two alike."""
    near = turn.assistant.stuck.run(turn.text) if not turn.tapped and turn.text else []
    if near and near[0].score >= least and near[0].score - near[1].score >= APART:
        return _at(turn, turn.assistant.rescues[near[0].id], "")
    return None


def take_typed(turn: Turn) -> Outcome | None:
    """A typed answer to a rescue's question, or one of the rescues offered; None when it is something else."""
    pending = turn.slots.get("pending") or {}
    if turn.intent == "guide_stuck" and len(turn.text.split()) > SHORT:
        return None
    if pending.get("ask") == "stuck":
        offered = [r for i in pending.get("ids") or () if (r := turn.assistant.rescues.get(i))]
        at = turn.picked([r.title for r in offered])
        return None if at is None else _at(turn, offered[at], "")
    found = turn.assistant.rescues.get(str(pending.get("id") or ""))
    node = found.node(str(pending.get("node") or "")) if found else None
    if found is None or node is None:
        return None
    at = turn.picked([way.label for way in node.options])
    return None if at is None else _at(turn, found, node.options[at].to)


def again(turn: Turn) -> Outcome:
    """The question that is open once more, for a yes or no that does not answer it."""
    pending = turn.slots.get("pending") or {}
    found = turn.assistant.rescues.get(str(pending.get("id") or ""))
    if found is None:
        turn.tapped = True
        return describe(turn)
    return _at(turn, found, str(pending.get("node") or ""))


def _at(turn: Turn, found: Rescue, where: str) -> Outcome:
    """A node of a rescue (its first for an empty ``where``) or one of its ends."""
    if where in (SOLVED, CALL, OFFICE):
        return _end(turn, found, where)
    return _node(turn, found, found.node(where) or found.nodes[0])


def _node(turn: Turn, found: Rescue, node: Node) -> Outcome:
    lines = [text("rescue", title=found.title)] if node is found.nodes[0] else []
    lines += [*(f"• {line}" for line in node.say), "", node.ask]
    buttons = [Button.to(way.label, "rescue", id=found.id, aspect=way.to) for way in node.options]
    return turn.reply("\n".join(lines), *buttons, pending={"ask": "rescue", "id": found.id, "node": node.id})


def _end(turn: Turn, found: Rescue, end: str) -> Outcome:
    hotline = turn.assistant.contacts.hotlines[found.hotline]
    lines = {
        SOLVED: [text("rescue_solved")],
        CALL: [text("stuck_call", hotline=f"{hotline.name}: {hotline.number}"), text("stuck_call_note")],
        OFFICE: [text("stuck_person"), f"• {turn.assistant.contacts.communes}"],
    }[end]
    people = Button.to(text("button_people"), "talk_to_person")
    other = () if turn.guide else (Button.to(text("button_other"), "restart"),)
    rest = () if end == SOLVED and turn.guide else (people,)
    return turn.reply("\n".join(lines), *rest, *other, pending=None)
