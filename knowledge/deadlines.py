"""The latest day on which a result is due ("Nộp hôm nay thì bao giờ có?"), and the days that offices work.

Counting follows Civil Code 147–148: the day of receipt is day 0, counting starts on the day after it, and a last day
that is off moves to the next working day. The clock is that of a complete dossier. All times are local, without zone.
"""

from __future__ import annotations

import datetime as dt
import math
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from holidays.countries.vietnam import Vietnam
from pydantic import Field, model_validator

from knowledge.errors import DataError
from knowledge.model import Strict, Text, TimeLimit, Unit
from knowledge.yamlfile import load_yaml, locate, parse

FILE = Path(__file__).parent / "holidays.yml"

OPENS, CLOSES = dt.time(7, 30), dt.time(17)
"""A dossier filed outside these hours is received at the next opening; 17:00 itself is in time."""
BREAK = dt.time(11, 30), dt.time(13, 30)
"""Between these no working hour passes."""
NOON = dt.time(12)
WORKING_HOURS = 8
"""Limits of up to this many hours count working hours; longer ones run day and night."""

_DAY = dt.timedelta(days=1)
_WEEKEND = {5: "thứ bảy", 6: "chủ nhật"}
Day = Annotated[dt.date, Field(strict=True)]
DaysOff = tuple[tuple[dt.date, str], ...]


class Entry(Strict):
    """A day of ``holidays.yml`` that is off, or worked, against what the library or the week says."""

    day: Day
    name: Text
    certainty: Literal["checked", "likely"] = "checked"
    note: str = ""
    """Why it is not certain."""

    @model_validator(mode="after")
    def _reason(self) -> Entry:
        if self.certainty == "likely" and not self.note:
            raise ValueError("a day that is only likely needs a note that says why")
        return self


class Span(Strict):
    """The days for which the official calendar was looked at."""

    since: Day
    until: Day


class HolidayFile(Strict):
    """The content of ``holidays.yml``."""

    checked: Span
    holidays: tuple[Entry, ...] = ()
    workdays: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Calendar:
    """Which days offices work: the file's word first, then the library's holidays, then the weekend."""

    checked: Span
    off: Mapping[dt.date, str]
    worked: Mapping[dt.date, str]
    unsure: Mapping[dt.date, str]
    """Days that are not announced, with the reason."""
    library: Mapping[dt.date, str]

    def reason_off(self, day: dt.date) -> str:
        """Why ``day`` is off, in Vietnamese; empty when it is worked."""
        if day in self.worked:
            return ""
        return self.off.get(day) or self.library.get(day) or _WEEKEND.get(day.weekday(), "")

    def works(self, day: dt.date) -> bool:
        """True on a working day, a swapped Saturday included."""
        return not self.reason_off(day)

    def certain(self, day: dt.date) -> bool:
        """False when it is not announced whether ``day`` is off, or nobody has looked."""
        return self.checked.since <= day <= self.checked.until and day not in self.unsure

    def onward(self, day: dt.date) -> tuple[dt.date, DaysOff]:
        """``day`` or the first working day after it, and the days off on the way."""
        off = []
        while reason := self.reason_off(day):
            off.append((day, reason))
            day += _DAY
        return day, tuple(off)


@dataclass(frozen=True)
class Due:
    """When a result is due at the latest."""

    first: dt.date
    """First counted day; for hours the day of receipt."""
    day: dt.date
    at: dt.time | None
    """The hour, for limits in hours; noon where the last working day is a half; else None: by the end of the day."""
    off: DaysOff
    """Days skipped, with the reason. Calendar counts skip none but those between their end and ``day``."""
    moved: bool
    """A count that does not leave out days off ended on one, or just before it, and was carried over."""
    certain: bool
    """No day whose status mattered is unsure."""


def load_calendar(path: Path = FILE) -> Calendar:
    """The calendar with the corrections in ``path``. Raises DataError with file and line."""
    book = parse(path, HolidayFile, load_yaml(path))
    span = book.checked
    if span.since > span.until:
        raise DataError("checked: since is after until", path, locate(path, ("checked",)))
    library: Mapping[dt.date, str] = Vietnam(language="vi")  # type: ignore[no-untyped-call]
    seen: set[dt.date] = set()
    for part, entries in (("holidays", book.holidays), ("workdays", book.workdays)):
        for i, entry in enumerate(entries):
            day, problem = entry.day, ""
            if day in seen:
                problem = "is given twice"
            elif not span.since <= day <= span.until:
                problem = f"is not between {span.since} and {span.until} (checked)"
            elif part == "holidays" and day.weekday() in _WEEKEND:
                problem = f"is off anyway ({_WEEKEND[day.weekday()]})"
            elif part == "workdays" and entry.certainty == "checked" and not _usually_off(day, library):
                problem = "is worked anyway"
            if problem:
                raise DataError(f"{part}: {day} {problem}", path, locate(path, (part, i, "day")))
            seen.add(day)
    return Calendar(
        checked=span,
        off={e.day: e.name for e in book.holidays},
        worked={e.day: e.name for e in book.workdays},
        unsure={e.day: e.note for e in (*book.holidays, *book.workdays) if e.certainty == "likely"},
        library=library,
    )


def _usually_off(day: dt.date, library: Mapping[dt.date, str]) -> bool:
    return day.weekday() in _WEEKEND or day in library


def received(filed: dt.datetime, calendar: Calendar) -> dt.datetime:
    """When something filed at any hour counts as received: at once in office hours, else at the next opening.

    Raises ValueError for a datetime with a zone, whose clock need not be the office's.
    """
    if filed.tzinfo is not None:
        raise ValueError("local time without a zone is expected")
    day, _ = calendar.onward(_reached(filed))
    return dt.datetime.combine(day, OPENS if day > filed.date() else max(filed.time(), OPENS))


def due(filed: dt.datetime, limit: TimeLimit, calendar: Calendar) -> Due:
    """When the result of a complete dossier filed at ``filed`` is due at the latest.

    - Working days: days off are left out. Up to a half at the end falls on the next working day, by noon.
    - Days: calendar days; a part of a day counts whole. Months and years end on the same number of the month, or on
      its last day; half a month is fifteen days. All move to the next working day from a day off.
    - Hours, up to eight: hours of the office without its break. More: hours of the clock; an end outside
      07:30–17:00 of a working day moves to the next opening.
    """
    start = received(filed, calendar)
    day0 = first = last = start.date()
    at, moved = None, False
    if limit.unit is Unit.WORKING_DAY:
        first, _ = calendar.onward(day0 + _DAY)
        day, off = _working_days(day0, math.ceil(limit.value), calendar)
        at = NOON if 0 < limit.value % 1 <= 0.5 else None
    elif limit.unit is Unit.HOUR and limit.value <= WORKING_HOURS:
        end, off = _working_hours(start, dt.timedelta(hours=limit.value), calendar)
        day, at = end.date(), end.time()
    elif limit.unit is Unit.HOUR:
        end = start + dt.timedelta(hours=limit.value)
        evening = end.time() > CLOSES
        last = end.date() + _DAY * evening
        day, off = calendar.onward(last)
        at, moved = OPENS if evening or off else max(end.time(), OPENS), bool(off)
    else:
        first, last = day0 + _DAY, _last_day(day0, limit)
        day, off = calendar.onward(last)
        moved = bool(off)
    asked = _days(_reached(filed), day0) + _days(last, day)
    return Due(first, day, at, off, moved, certain=all(map(calendar.certain, asked)))


def _reached(filed: dt.datetime) -> dt.date:
    """The first day on which something filed can be received."""
    return filed.date() + _DAY * (filed.time() > CLOSES)


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + _DAY * n for n in range((last - first).days + 1)]


def _working_days(day: dt.date, count: int, calendar: Calendar) -> tuple[dt.date, DaysOff]:
    """The ``count``-th working day after ``day``, and the days off on the way."""
    skipped: list[tuple[dt.date, str]] = []
    for _ in range(count):
        day, off = calendar.onward(day + _DAY)
        skipped += off
    return day, tuple(skipped)


def _working_hours(start: dt.datetime, left: dt.timedelta, calendar: Calendar) -> tuple[dt.datetime, DaysOff]:
    """When ``left`` has passed in the office's hours from ``start`` on a working day."""
    day, skipped = start.date(), list[tuple[dt.date, str]]()
    while True:
        for opens, closes in _sittings(day):
            begin = max(start, opens)
            if begin + left <= closes:
                return begin + left, tuple(skipped)
            left -= max(closes - begin, dt.timedelta())
        day, off = calendar.onward(day + _DAY)
        skipped += off


def _sittings(day: dt.date) -> Iterable[tuple[dt.datetime, dt.datetime]]:
    for opens, closes in ((OPENS, BREAK[0]), (BREAK[1], CLOSES)):
        yield dt.datetime.combine(day, opens), dt.datetime.combine(day, closes)


def _last_day(day: dt.date, limit: TimeLimit) -> dt.date:
    """Where a calendar count from day 0 ends, worked or not."""
    if limit.unit is Unit.DAY:
        return day + _DAY * math.ceil(limit.value)
    part, months = math.modf(limit.value * (12 if limit.unit is Unit.YEAR else 1))
    year, month = divmod(day.year * 12 + day.month - 1 + int(months), 12)
    number = min(day.day, monthrange(year, month + 1)[1])
    return dt.date(year, month + 1, number) + _DAY * math.ceil(part * 30)
