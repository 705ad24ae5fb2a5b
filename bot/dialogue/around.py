"""Around a filing: by which day the result is due, and what an old commune is called now."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bot import answers
from bot.dialogue import find
from bot.dialogue.turn import Turn
from bot.reply import Button, Outcome
from bot.texts import text
from index.text import fold, lexicon
from knowledge.deadlines import due
from knowledge.model import Procedure, Strict, TimeLimit, Unit
from knowledge.places import Found, Joined
from knowledge.yamlfile import load_yaml, parse

INTENTS = ("ask_deadline", "ask_place", "english")
LIMITS, BUTTONS, SKIPPED = 3, 6, 8
_RELATIVE = {"hom nay": 0, "bay gio": 0, "ngay mai": 1, "mai": 1, "ngay mot": 2, "hom qua": -1, "hom kia": -2}
_RELATIVE_WORD = re.compile(rf"\b({'|'.join(_RELATIVE)})\b")
_WEEKDAY = re.compile(r"\b(?:thu (hai|ba|tu|nam|sau|bay|[2-7])|chu nhat|t([2-7]))\b")
_WEEKDAYS = {"hai": 0, "ba": 1, "tu": 2, "nam": 3, "sau": 4, "bay": 5} | {str(n): n - 2 for n in range(2, 8)}
_DATE = re.compile(r"(?<![\d/.-])(\d{1,2})[/.-](\d{1,2})(?:[/.-](\d{4}))?(?![\d/])")
_HOUR = re.compile(r"\b(\d{1,2})\s*(?:gio|h)\b")


def handle(turn: Turn) -> Outcome:
    """The day, the place, or a word in English."""
    match turn.intent:
        case "ask_place":
            return place(turn)
        case "english":
            return english(turn)
    return deadline(turn)


# -- the day


def filed_at(message: str, now: dt.datetime) -> dt.datetime:
    """When somebody hands in, as far as the message says; now when it does not.

    >>> filed_at("thứ hai nộp thì bao giờ có", dt.datetime(2026, 11, 25, 9)).date().isoformat()
    '2026-11-30'
    >>> filed_at("hôm 3/12 nộp lúc 16 giờ", dt.datetime(2026, 11, 25, 9)).isoformat()
    '2026-12-03T16:00:00'
    """
    said = fold(message)
    day, hour = now.date(), None
    if found := _DATE.search(said):
        year = int(found[3] or now.year)
        try:
            day = dt.date(year, int(found[2]), int(found[1]))
        except ValueError:
            return now
        if not found[3] and day < now.date() - dt.timedelta(days=180):
            day = day.replace(year=year + 1)
    elif word := _RELATIVE_WORD.search(said):
        day += dt.timedelta(days=_RELATIVE[word[1]])
    elif found := _WEEKDAY.search(said):
        wanted = _WEEKDAYS.get(found[1] or found[2] or "", 6)
        ahead = (wanted - day.weekday()) % 7
        day += dt.timedelta(days=ahead)
    if found := _HOUR.search(said):
        hour = int(found[1]) % 24
    if day == now.date() and hour is None:
        return now
    return dt.datetime.combine(day, dt.time(9 if hour is None else hour))


def names_day(message: str) -> bool:
    """Whether a message names a day by its date."""
    return bool(_DATE.search(message))


def without_day(message: str) -> str:
    """A message without the day and hour it names.

    >>> without_day("nộp đăng ký thường trú hôm nay thì bao giờ có")
    'nộp đăng ký thường trú thì bao giờ có'
    """
    said = fold(message)
    if len(said) != len(message):
        return message
    for words in (_DATE, _RELATIVE_WORD, _WEEKDAY, _HOUR):
        for found in reversed(list(words.finditer(said))):
            said, message = (t[: found.start()] + t[found.end() :] for t in (said, message))
    return " ".join(message.split())


def deadline(turn: Turn) -> Outcome:
    """By which day the result is due, how that was counted, and what to do when it has passed."""
    procedure = turn.procedure
    if not turn.entities.get("code"):
        named = lexicon().without_guide_words(lexicon().without_aspects(without_day(turn.text)))
        found = turn.assistant.searcher.run(named) if len(named.split()) >= 2 else None
        if found and found.decision == "answer" and (procedure is None or found.right > 0.6):
            procedure = turn.assistant.procedure(found.hits[0].code)
    if procedure is None:
        return turn.reply(text("need_procedure"), Button.to(text("button_help"), "help"))
    filed = filed_at("" if turn.tapped else turn.text, turn.now)
    lines = [text("deadline", name=answers.title_of(procedure))]
    limits = _limits(turn, procedure)
    if not limits:
        notes = dict.fromkeys(m.limit_note for m in procedure.methods if m.limit_note)
        lines += [*notes] or [text("limit_unknown")]
    for limit in limits[:LIMITS]:
        lines += ["", *_count(turn, filed, limit)]
    if len(limits) > LIMITS:
        lines.append(text("deadline_more"))
    lines += ["", text("deadline_after")]
    buttons = [Button.to(text("button_late"), "complaint"), *find.fact_buttons(procedure, "ask_time_limit")[:2]]
    return turn.reply("\n".join(lines), *buttons, procedure=procedure, pending={"ask": "guide"})


def _limits(turn: Turn, procedure: Procedure) -> list[TimeLimit]:
    """Limits that hold for this person: the one that their answers settle, else all of the record."""
    if turn.guide and turn.guide.get("code") == procedure.code:
        mine = turn.assistant.situation(procedure, turn.guide.get("answers", {}))
        if mine.limit:
            return [mine.limit]
    return list(dict.fromkeys(limit for method in procedure.methods for limit in method.limits))


def _count(turn: Turn, filed: dt.datetime, limit: TimeLimit) -> list[str]:
    found = due(filed, limit, turn.assistant.calendar)
    day = text("deadline_day", weekday=text(f"weekday_{found.day.weekday()}"), date=f"{found.day:%d/%m/%Y}")
    at = " " + text("deadline_at", time=f"{found.at:%H:%M}") if found.at else ""
    lines = [
        text("deadline_limit", limit=answers.limit_line(limit)),
        text("deadline_due", filed=f"{filed:%d/%m/%Y}", at=at, day=day),
    ]
    if limit.unit is not Unit.HOUR:
        lines.append(text("deadline_first", date=f"{found.first:%d/%m/%Y}"))
    holidays = [f"{day:%d/%m} ({why})" for day, why in found.off if day.weekday() < 5]
    weekend = sum(day.weekday() >= 5 for day, _ in found.off)
    if weekend:
        lines.append(text("deadline_weekend", n=weekend))
    if holidays:
        lines.append(text("deadline_off", days=", ".join(holidays[:SKIPPED])))
    if found.moved:
        lines.append(text("deadline_moved"))
    if not found.certain:
        lines.append(text("deadline_unsure"))
    return lines


# -- the place

_WHICH_PLACE = re.compile(r"\b(?:(?:xa|phuong|thi tran|noi) (?:nao|gi|moi)|ten (?:gi|moi)|cu|sap nhap)\b")


def asks_place(turn: Turn) -> bool:
    """Whether a message that asks where names a commune and wants to know which one that is now."""
    return bool(_WHICH_PLACE.search(fold(turn.text))) and turn.assistant.places.find(turn.text) is not None


def place(turn: Turn) -> Outcome:
    """What an old commune or district is called now; asked back when that depends, never guessed."""
    tapped = turn.entities.get("place") if turn.tapped else None
    return _told(turn, turn.assistant.places.find(f"{tapped} mới" if tapped else turn.text))


def take_place(turn: Turn) -> Outcome | None:
    """A message that is nothing but a place ("ở Quy Nhơn"), read as a part of the district asked about, if one was."""
    places = turn.assistant.places
    if not places.is_name(turn.text):
        return None
    district = str((turn.slots.get("pending") or {}).get("district") or "")
    found = places.find(f"{turn.text}, {district} cũ") if district else None
    if found is None or found.kind == "district":
        found = places.find(turn.text)
    return _told(turn, found) if found else None


def _told(turn: Turn, found: Found | None) -> Outcome:
    """``found`` in words. Where it does not settle the commune, the next message is an answer to that."""
    line, resume = turn.back_to_guide()
    body = _place(found) if found else text("place_unknown", centres=turn.assistant.contacts.communes)
    lines = [body, *_anywhere(turn)]
    if line:
        lines += ["", line]
    asked = found is None or found.kind in ("district", "ambiguous")
    buttons = list(resume)
    if found and asked and len(found.new) + len(buttons) <= BUTTONS:
        buttons = [*(Button.to(name, "ask_place", place=name) for name in found.new), *buttons]
    elif turn.procedure and not resume:
        buttons += find.fact_buttons(turn.procedure)[:1]
    if len(buttons) < BUTTONS:
        buttons.append(Button.to(text("button_people"), "talk_to_person"))
    pending = None
    if resume:
        pending = {"ask": "resume"}
    elif asked:
        pending = {"ask": "place", "district": found.name if found and found.kind == "district" else ""}
    return turn.reply("\n".join(lines), *buttons, pending=pending)


def _anywhere(turn: Turn) -> list[str]:
    """That one may hand in at any centre of the province; not for what the police settles, who want the right one."""
    if turn.procedure and "cong an" in fold(turn.procedure.agency):
        return []
    return ["", text("place_anywhere", note=turn.assistant.contacts.province_wide)]


def _place(found: Found) -> str:
    match found.kind:
        case "old":
            unit = found.candidates[0]
            if unit.joined:
                return _joined(found, unit.district, unit.joined)
            return text("place_old", old=found.name, district=unit.district, new=found.new[0])
        case "divided":
            return text("place_divided", old=found.name, new=_either(found.new))
        case "ambiguous":
            lines = [text("place_ambiguous", old=found.name)]
            lines += [text("place_line", old=u.old, district=u.district, new=_either(u.new)) for u in found.candidates]
            told = {n for u in found.candidates for n in u.new}
            others = [n for n in found.new if n not in told]
            if found.district:
                lines.append(text("place_line_district", district=found.district, new=", ".join(others)))
            else:
                lines += [text("place_line_new", new=n) for n in others]
            return "\n".join(lines)
        case "district":
            lines = [text("place_district", old=found.name)]
            for new in found.new:
                olds = [u.old for u in found.candidates if new in u.new]
                lines.append(text("place_line_made", new=new, old=", ".join(olds)))
            return "\n".join([*lines, text("place_which")])
    olds = [u.old for u in found.candidates if u.old != found.name]
    made = text("place_made", old=", ".join(olds)) if olds else ""
    return "\n".join(line for line in (text("place_new", new=found.name), made) if line)


def _joined(found: Found, district: str, joined: Joined) -> str:
    """A commune that was gone before July 2025: what took it in and when, and who says so."""
    since = joined.since
    when = f"{dt.date.fromisoformat(since):%d/%m/%Y}" if len(since) == 10 else text("place_year", year=since)
    lines = [
        text("place_joined", old=found.name, district=district, into=", ".join(joined.into), when=when),
        text("place_joined_now", new=found.new[0], source=joined.source),
    ]
    return "\n".join([*lines, *([] if joined.certain else [text("place_likely")])])


def _either(names: tuple[str, ...]) -> str:
    return f" {text('place_or')} ".join(names)


# -- English


class Topic(Strict):
    """A line of ``english.yml``: any of ``words`` stands for the Vietnamese ``search``."""

    words: Annotated[tuple[str, ...], Field(min_length=1)]
    search: str


@lru_cache(maxsize=1)
def _topics() -> list[Topic]:
    path = Path(__file__).parents[1] / "english.yml"
    return [parse(path, Topic, item, at=(i,)) for i, item in enumerate(load_yaml(path))]


def english(turn: Turn) -> Outcome:
    """The basics for whoever writes English, and the procedure when common words name it."""
    said = turn.text.lower()
    query = next((topic.search for topic in _topics() if any(word in said for word in topic.words)), "")
    hotline = turn.assistant.contacts.hotlines["cong-quoc-gia"]
    people = Button.to(text("button_people_english"), "talk_to_person")
    result = turn.assistant.searcher.run(query) if query else None
    if result and result.hits and result.decision != "none":
        hits = [p for h in result.hits[:3] if (p := turn.assistant.procedure(h.code))]
        lines = [text("english_found"), *(f"{n}. {answers.title_of(p)}" for n, p in enumerate(hits, 1))]
        buttons = [Button.to(answers.title_of(p), "open_procedure", code=p.code) for p in hits]
        return turn.reply(
            "\n".join(lines), *buttons, people, candidates=[p.code for p in hits], pending={"ask": "choose"}
        )
    return turn.reply(text("english", number=hotline.number), people)
