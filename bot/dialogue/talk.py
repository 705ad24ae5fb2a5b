"""Everything around the procedures: greeting, help, safety, complaints, people, starting over."""

from __future__ import annotations

import re

from bot.dialogue import find
from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome
from bot.texts import text
from index.text import fold

INTENTS = (
    "greet", "thanks", "goodbye", "help", "about_bot", "file_for_me", "offer_secret", "complaint", "talk_to_person",
    "insult", "chitchat", "restart", "forget_me",
)  # fmt: skip
CLEARED = ("candidates", "pending", "last_aspect")

_SECRET = re.compile(r"\b(?:otp|mat khau|passcode|mat ma|ma xac (?:nhan|thuc)|ma bi mat)\b")
_SOMEBODY = re.compile(
    r"\b(?:nguoi (?:ta|la|nao)|co (?:ai|nguoi)|ai|cong an|can bo|nhan vien|ho|xung|goi dien|goi toi)\b"
)
_WANTS = re.compile(r"\b(?:xin|hoi|doi|keu|yeu cau|doc|dua)\b")


def secret_wanted(message: str) -> bool:
    """Whether a message tells of somebody who wants a secret: a fraud in progress, answered whatever else is said.

    >>> secret_wanted("công an gọi điện kêu đọc mã OTP"), secret_wanted("mã OTP không về")
    (True, False)
    """
    said = fold(message)
    return all(words.search(said) for words in (_SECRET, _SOMEBODY, _WANTS))


def handle(turn: Turn) -> Outcome:
    """The text for the intent; every one offers a next thing."""
    people = Button.to(text("button_people"), "talk_to_person")
    assist = Button.to(text("button_help"), "help")
    forget = Button.to(text("button_forget"), "forget_me")
    hotlines = turn.assistant.contacts.hotlines
    match turn.intent:
        case "greet":
            notice = "" if turn.slots.get("seen") else text("privacy", days=turn.keep_days)
            return turn.reply("\n\n".join(x for x in (text("greet"), notice) if x), assist, people, seen=1.0)
        case "restart":
            turn.memory.park()
            kept = text("guide_kept") if turn.guide else ""
            body = "\n".join(x for x in (text("restart"), kept) if x)
            return turn.reply(body, assist, people, drop=True, **dict.fromkeys(CLEARED))
        case "forget_me":
            return turn.reply(text("forgotten"), drop=True, seen=None, guide=None, **dict.fromkeys(CLEARED))
        case "talk_to_person":
            return turn.reply(text("talk_to_person", contacts=turn.assistant.contact_lines()), assist)
        case "complaint":
            portal = hotlines["cong-quoc-gia"]
            return turn.reply(text("complaint", portal=f"{portal.name}: {portal.number}"), people)
        case "offer_secret":
            vneid = hotlines["vneid"]
            return turn.reply(text("offer_secret", vneid=f"{vneid.name}: {vneid.number}"), people)
        case "file_for_me":
            procedure = turn.procedure
            buttons = find.fact_buttons(procedure)[:1] if procedure else []
            return turn.reply(text("file_for_me"), *buttons, people)
        case "about_bot":
            return turn.reply(f"{text('about_bot')}\n\n{text('privacy', days=turn.keep_days)}", forget, people)
    return turn.reply(text(turn.intent), people)
