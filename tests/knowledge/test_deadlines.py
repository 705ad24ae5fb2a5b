"""Due days: counted by hand with a calendar on paper, never copied from what the function said."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from knowledge.deadlines import CLOSES, OPENS, Due, due, load_calendar, received
from knowledge.errors import DataError
from knowledge.model import TimeLimit, Unit

CALENDAR = load_calendar()
WD, DAY, HOUR, MONTH, YEAR = Unit.WORKING_DAY, Unit.DAY, Unit.HOUR, Unit.MONTH, Unit.YEAR


def ask(filed: str, value: float, unit: Unit) -> Due:
    return due(dt.datetime.fromisoformat(filed), TimeLimit(value=value, unit=unit), CALENDAR)


# June and July 2026 are ordinary: 1 June is a Monday, 6 July is a Monday.
# filed, value, unit, due ("day" or "day hour")
TABLE = [
    # -- working days, ordinary weeks
    ("2026-06-01 09:00", 1, WD, "2026-06-02"),
    ("2026-06-01 09:00", 3, WD, "2026-06-04"),
    ("2026-06-01 09:00", 5, WD, "2026-06-08"),  # 2 3 4 5, 8
    ("2026-06-03 10:00", 10, WD, "2026-06-17"),  # 4 5, 8–12, 15 16 17
    ("2026-06-04 10:00", 7, WD, "2026-06-15"),  # 5, 8–12, 15
    ("2026-06-01 09:00", 20, WD, "2026-06-29"),  # 2–5 (4), 8–12 (9), 15–19 (14), 22–26 (19), 29
    ("2026-06-01 09:00", 25, WD, "2026-07-06"),  # … 29 30 (21), 1–3 (24), 6 July
    ("2026-06-02 12:00", 2, WD, "2026-06-04"),  # filed in the lunch break: the same day
    # -- working days, filed when the office is closed
    ("2026-06-05 16:59", 1, WD, "2026-06-08"),
    ("2026-06-05 17:00", 1, WD, "2026-06-08"),  # 17:00 is in time
    ("2026-06-05 17:01", 1, WD, "2026-06-09"),  # Friday evening: received on Monday
    ("2026-06-06 08:00", 1, WD, "2026-06-09"),  # Saturday morning: received on Monday
    ("2026-06-07 20:00", 2, WD, "2026-06-10"),
    ("2026-06-02 02:00", 1, WD, "2026-06-03"),  # before opening: received that Tuesday
    ("2026-06-02 23:30", 1, WD, "2026-06-04"),  # received on Wednesday
    # -- halves and quarters: the part falls on the next working day, up to a half by noon
    ("2026-06-01 09:00", 0.5, WD, "2026-06-02 12:00"),
    ("2026-06-04 09:00", 1.5, WD, "2026-06-08 12:00"),  # 5 whole, then the morning of Monday
    ("2026-06-01 09:00", 7.5, WD, "2026-06-11 12:00"),  # 2–5 (4), 8 9 10 (7), half of 11
    ("2026-06-01 09:00", 12.5, WD, "2026-06-18 12:00"),  # 2–5 (4), 8–12 (9), 15 16 17 (12), half of 18
    ("2026-06-03 09:00", 17.5, WD, "2026-06-29 12:00"),  # 4 5 (2), 8–12 (7), 15–19 (12), 22–26 (17), half of 29
    ("2026-06-01 09:00", 6.25, WD, "2026-06-10 12:00"),  # 2–5 (4), 8 9 (6), a quarter of 10
    ("2026-06-01 09:00", 4.75, WD, "2026-06-08"),  # 2–5 (4), three quarters of 8: more than its morning
    # -- New Year 2026: 1–4 January off, Saturday 10 worked
    ("2025-12-31 10:00", 1, WD, "2026-01-05"),
    ("2025-12-30 10:00", 2, WD, "2026-01-05"),  # 31, 5
    ("2025-12-29 10:00", 5, WD, "2026-01-07"),  # 30 31, 5 6 7
    ("2026-01-02 09:00", 1, WD, "2026-01-06"),  # received on Monday 5
    ("2026-01-08 09:00", 2, WD, "2026-01-10"),  # 9, Saturday 10
    ("2026-01-09 09:00", 1, WD, "2026-01-10"),
    ("2026-01-09 18:00", 1, WD, "2026-01-12"),  # received on Saturday 10
    ("2026-01-10 10:00", 1, WD, "2026-01-12"),
    ("2026-01-10 17:30", 1, WD, "2026-01-13"),  # received on Monday 12
    ("2026-01-07 10:00", 5, WD, "2026-01-13"),  # 8 9 10, 12 13
    # -- Tết 2026: 14–22 February off
    ("2026-02-13 09:00", 1, WD, "2026-02-23"),
    ("2026-02-12 09:00", 3, WD, "2026-02-24"),  # 13, 23 24
    ("2026-02-13 18:00", 1, WD, "2026-02-24"),  # received on 23
    ("2026-02-17 10:00", 2, WD, "2026-02-25"),  # mùng một: received on 23
    ("2026-02-22 20:00", 1, WD, "2026-02-24"),
    ("2026-02-09 10:00", 10, WD, "2026-03-02"),  # 10–13 (4), 23–27 (9), 2 March
    ("2026-02-09 10:00", 7.5, WD, "2026-02-26 12:00"),  # 10–13 (4), 23 24 25 (7), half of 26
    # -- Giỗ Tổ on Sunday 26 April, so Monday 27 off; Thursday 30 April and Friday 1 May off
    ("2026-04-24 09:00", 1, WD, "2026-04-28"),
    ("2026-04-24 09:00", 3, WD, "2026-05-04"),  # 28 29, 4
    ("2026-04-29 09:00", 1, WD, "2026-05-04"),
    ("2026-04-22 09:00", 5, WD, "2026-05-04"),  # 23 24, 28 29, 4
    ("2026-04-20 09:00", 10, WD, "2026-05-07"),  # 21–24 (4), 28 29 (6), 4–7 (10)
    ("2026-04-27 08:00", 1, WD, "2026-04-29"),  # received on 28
    ("2026-04-30 08:00", 1, WD, "2026-05-05"),  # received on 4
    ("2026-04-29 17:30", 2, WD, "2026-05-06"),  # received on 4, then 5 6
    # -- 2 September 2026: Saturday 22 August worked; 29 August to 2 September off
    ("2026-08-21 09:00", 1, WD, "2026-08-22"),
    ("2026-08-20 09:00", 3, WD, "2026-08-24"),  # 21 22, 24
    ("2026-08-22 09:00", 1, WD, "2026-08-24"),
    ("2026-08-28 09:00", 1, WD, "2026-09-03"),
    ("2026-08-31 09:00", 2, WD, "2026-09-07"),  # received on 3, then 4, 7
    ("2026-08-19 09:00", 10, WD, "2026-09-04"),  # 20 21 22 (3), 24–28 (8), 3 4
    ("2026-08-21 09:00", 10, WD, "2026-09-08"),  # 22 (1), 24–28 (6), 3 4 (8), 7 8
    ("2026-08-21 19:00", 7.5, WD, "2026-09-07 12:00"),  # received on 22; 24–28 (5), 3 4 (7), half of 7
    # -- 24 November 2026, a Tuesday, off
    ("2026-11-23 09:00", 1, WD, "2026-11-25"),
    ("2026-11-24 10:00", 3, WD, "2026-11-30"),  # received on 25; 26 27, 30
    ("2026-11-20 09:00", 3, WD, "2026-11-26"),  # 23, 25 26
    ("2026-11-23 17:30", 1, WD, "2026-11-26"),  # received on 25
    # -- 2027: 1 January a Friday; Tết 4–10 February; 16 April; 30 April to 3 May; 2 and 3 September; 24 November
    ("2026-12-31 09:00", 1, WD, "2027-01-04"),
    ("2026-12-30 09:00", 5, WD, "2027-01-07"),  # 31, 4–7
    ("2027-02-03 09:00", 1, WD, "2027-02-11"),
    ("2027-02-01 09:00", 7, WD, "2027-02-17"),  # 2 3, 11 12, 15 16 17
    ("2027-02-06 09:00", 2, WD, "2027-02-15"),  # mùng một: received on 11; 12, 15
    ("2027-04-15 09:00", 1, WD, "2027-04-19"),
    ("2027-04-29 09:00", 2, WD, "2027-05-05"),  # 4 5
    ("2027-09-01 09:00", 1, WD, "2027-09-06"),
    ("2027-11-23 09:00", 1, WD, "2027-11-25"),
    # -- calendar days
    ("2026-06-01 09:00", 1, DAY, "2026-06-02"),
    ("2026-06-01 09:00", 10, DAY, "2026-06-11"),
    ("2026-06-01 09:00", 30, DAY, "2026-07-01"),
    ("2026-06-01 09:00", 60, DAY, "2026-07-31"),  # 29 left of June, 31 of July
    ("2026-12-02 09:00", 15, DAY, "2026-12-17"),
    ("2026-06-04 09:00", 2, DAY, "2026-06-08"),  # Saturday 6
    ("2026-06-02 09:00", 5, DAY, "2026-06-08"),  # Sunday 7
    ("2026-06-05 18:00", 10, DAY, "2026-06-18"),  # received on Monday 8
    ("2026-06-01 09:00", 1.5, DAY, "2026-06-03"),  # a part of a day counts whole
    ("2026-01-01 10:00", 5, DAY, "2026-01-10"),  # received on 5; the 10th is the worked Saturday
    ("2026-02-11 09:00", 10, DAY, "2026-02-23"),  # 21 is in Tết
    ("2026-02-06 09:00", 10, DAY, "2026-02-23"),  # 16 is in Tết
    ("2026-04-20 09:00", 10, DAY, "2026-05-04"),  # 30 April
    ("2026-04-17 09:00", 10, DAY, "2026-04-28"),  # 27 is the day in lieu of Giỗ Tổ
    ("2026-04-16 09:00", 10, DAY, "2026-04-28"),  # Sunday 26, then 27 off
    ("2026-08-19 09:00", 30, DAY, "2026-09-18"),  # 12 left of August
    ("2026-08-18 09:00", 15, DAY, "2026-09-03"),  # 2 September
    ("2026-11-14 09:00", 10, DAY, "2026-11-26"),  # Saturday: received on 16
    ("2026-11-13 09:00", 11, DAY, "2026-11-25"),  # 24 November
    ("2026-12-22 09:00", 10, DAY, "2027-01-04"),  # 1 January
    ("2027-01-25 09:00", 10, DAY, "2027-02-11"),  # 4 February
    # -- months and years
    ("2026-06-10 09:00", 1, MONTH, "2026-07-10"),
    ("2026-06-10 09:00", 3, MONTH, "2026-09-10"),
    ("2026-06-10 09:00", 12, MONTH, "2027-06-10"),
    ("2026-01-15 09:00", 1, MONTH, "2026-02-23"),  # Sunday 15 February, in Tết
    ("2026-01-29 09:00", 1, MONTH, "2026-03-02"),  # no 29 February: Saturday 28
    ("2026-03-31 09:00", 1, MONTH, "2026-05-04"),  # 30 April
    ("2026-08-31 09:00", 6, MONTH, "2027-03-03"),  # received on 3 September
    ("2026-11-30 09:00", 3, MONTH, "2027-03-01"),  # Sunday 28 February
    ("2026-12-31 09:00", 2, MONTH, "2027-03-01"),  # the same
    ("2026-03-02 09:00", 1.5, MONTH, "2026-04-17"),  # 2 April and fifteen days
    ("2026-06-10 09:00", 1, YEAR, "2027-06-10"),
    ("2026-06-10 09:00", 3, YEAR, "2029-06-11"),  # 10 June 2029 is a Sunday
    ("2026-06-10 09:00", 0.5, YEAR, "2026-12-10"),
    ("2028-02-29 09:00", 1, YEAR, "2029-02-28"),
    # -- hours, up to eight: office hours 07:30–11:30 and 13:30–17:00
    ("2026-06-01 08:00", 1, HOUR, "2026-06-01 09:00"),
    ("2026-06-01 07:30", 4, HOUR, "2026-06-01 11:30"),
    ("2026-06-01 11:00", 1, HOUR, "2026-06-01 14:00"),  # half an hour before the break, half after
    ("2026-06-01 12:00", 1, HOUR, "2026-06-01 14:30"),
    ("2026-06-01 10:00", 4, HOUR, "2026-06-01 16:00"),  # 1.5 and 2.5
    ("2026-06-01 16:30", 1, HOUR, "2026-06-02 08:00"),
    ("2026-06-01 07:30", 8, HOUR, "2026-06-02 08:00"),  # the day has 7.5
    ("2026-06-01 08:00", 8, HOUR, "2026-06-02 08:30"),  # 3.5 and 3.5, one more
    ("2026-06-01 06:00", 1, HOUR, "2026-06-01 08:30"),
    ("2026-06-01 22:00", 1, HOUR, "2026-06-02 08:30"),
    ("2026-06-05 16:30", 2, HOUR, "2026-06-08 09:00"),
    ("2026-06-05 17:00", 1, HOUR, "2026-06-08 08:30"),
    ("2026-06-07 10:00", 1, HOUR, "2026-06-08 08:30"),
    ("2026-02-13 16:00", 2, HOUR, "2026-02-23 08:30"),
    ("2026-01-09 16:00", 2, HOUR, "2026-01-10 08:30"),  # the worked Saturday
    ("2026-11-23 16:00", 4, HOUR, "2026-11-25 10:30"),
    # -- more hours: by the clock, day and night
    ("2026-06-01 09:00", 24, HOUR, "2026-06-02 09:00"),
    ("2026-06-01 09:00", 48, HOUR, "2026-06-03 09:00"),
    ("2026-06-02 12:00", 24, HOUR, "2026-06-03 12:00"),
    ("2026-06-05 10:00", 72, HOUR, "2026-06-08 10:00"),
    ("2026-06-05 10:00", 24, HOUR, "2026-06-08 07:30"),  # Saturday 10:00
    ("2026-06-04 10:00", 48, HOUR, "2026-06-08 07:30"),
    ("2026-06-01 09:00", 12, HOUR, "2026-06-02 07:30"),  # 21:00
    ("2026-06-01 16:00", 15, HOUR, "2026-06-02 07:30"),  # 07:00
    ("2026-06-05 10:00", 12, HOUR, "2026-06-08 07:30"),  # Friday 22:00
    ("2026-06-01 19:00", 24, HOUR, "2026-06-03 07:30"),  # received on Tuesday at 07:30
    ("2026-08-27 09:00", 72, HOUR, "2026-09-03 07:30"),  # Sunday 30 August
    ("2026-01-09 09:00", 24, HOUR, "2026-01-10 09:00"),  # the worked Saturday
]


@pytest.mark.parametrize(("filed", "value", "unit", "expected"), TABLE)
def test_due(filed: str, value: float, unit: Unit, expected: str) -> None:
    found = ask(filed, value, unit)
    assert f"{found.day} {found.at:%H:%M}" if found.at else f"{found.day}" == expected


@pytest.mark.parametrize(
    ("filed", "value", "unit", "first"),
    [
        ("2026-06-01 09:00", 3, WD, "2026-06-02"),
        ("2026-06-05 09:00", 3, WD, "2026-06-08"),  # counting working days starts on one
        ("2026-06-05 09:00", 3, DAY, "2026-06-06"),  # counting days starts on the next day, whichever it is
        ("2026-06-05 18:00", 1, MONTH, "2026-06-09"),
        ("2026-06-05 09:00", 2, HOUR, "2026-06-05"),
        ("2026-06-05 18:00", 48, HOUR, "2026-06-08"),
    ],
)
def test_first_counted_day(filed: str, value: float, unit: Unit, first: str) -> None:
    assert str(ask(filed, value, unit).first) == first


@pytest.mark.parametrize(
    ("filed", "at"),
    [
        ("2026-06-01 07:29", "2026-06-01T07:30:00"),
        ("2026-06-01 09:15", "2026-06-01T09:15:00"),
        ("2026-06-01 17:00", "2026-06-01T17:00:00"),
        ("2026-06-01 17:00:01", "2026-06-02T07:30:00"),
        ("2026-06-06 09:15", "2026-06-08T07:30:00"),
        ("2026-01-10 09:15", "2026-01-10T09:15:00"),
        ("2026-02-13 20:00", "2026-02-23T07:30:00"),
    ],
)
def test_received(filed: str, at: str) -> None:
    assert received(dt.datetime.fromisoformat(filed), CALENDAR).isoformat() == at


def test_a_time_with_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        due(dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC), TimeLimit(value=1, unit=WD), CALENDAR)


def test_skipped_days_have_their_reasons() -> None:
    assert [f"{day:%d/%m} {why}" for day, why in ask("2026-04-24 09:00", 3, WD).off] == [
        "25/04 thứ bảy",
        "26/04 Ngày Giỗ Tổ Hùng Vương",
        "27/04 Ngày Giỗ Tổ Hùng Vương (nghỉ bù)",
        "30/04 Ngày Chiến thắng",
        "01/05 Ngày Quốc tế Lao động",
        "02/05 thứ bảy",
        "03/05 chủ nhật",
    ]
    assert [str(day) for day, _ in ask("2026-08-20 09:00", 3, WD).off] == ["2026-08-23"]
    assert [str(day) for day, _ in ask("2026-06-05 16:30", 2, HOUR).off] == ["2026-06-06", "2026-06-07"]
    # Calendar days run over a weekend without skipping it.
    assert ask("2026-06-01 09:00", 10, DAY).off == ()


@pytest.mark.parametrize(
    ("filed", "value", "unit", "moved"),
    [
        ("2026-06-05 09:00", 1, WD, False),
        ("2026-06-01 09:00", 10, DAY, False),
        ("2026-06-04 09:00", 2, DAY, True),
        ("2026-01-15 09:00", 1, MONTH, True),
        ("2026-06-05 16:30", 2, HOUR, False),
        ("2026-06-05 10:00", 24, HOUR, True),
        ("2026-06-05 10:00", 12, HOUR, True),  # Friday 22:00, over the weekend
        ("2026-06-01 09:00", 12, HOUR, False),  # Monday 21:00, to Tuesday
    ],
)
def test_moved(filed: str, value: float, unit: Unit, moved: bool) -> None:
    assert ask(filed, value, unit).moved is moved


@pytest.mark.parametrize(
    ("filed", "value", "unit", "certain"),
    [
        ("2026-06-01 09:00", 5, WD, True),
        ("2026-02-13 09:00", 1, WD, True),
        ("2026-11-20 09:00", 1, WD, True),  # due on 23
        ("2026-11-20 09:00", 2, WD, False),  # is 24 off?
        ("2026-11-24 09:00", 1, WD, False),
        ("2026-11-24 18:00", 1, WD, True),  # received on 25 either way
        ("2026-11-20 09:00", 10, DAY, True),  # due on 30, whatever 24 is
        ("2026-11-13 09:00", 11, DAY, False),
        ("2027-02-02 09:00", 1, WD, True),
        ("2027-02-02 09:00", 5, WD, False),
        ("2027-01-11 09:00", 1, MONTH, False),  # 11 February may be off
        ("2027-01-15 09:00", 1, MONTH, True),
        ("2027-08-31 09:00", 1, WD, False),  # 1 September may be off
        ("2026-11-23 16:00", 4, HOUR, False),
        ("2026-11-23 09:00", 24, HOUR, False),
        ("2027-12-30 09:00", 1, WD, True),
        ("2027-12-31 09:00", 1, WD, False),  # beyond what was checked
        ("2025-12-30 09:00", 5, WD, False),
    ],
)
def test_certain(filed: str, value: float, unit: Unit, certain: bool) -> None:
    assert ask(filed, value, unit).certain is certain


# -- the calendar


def weekdays_off(year: int) -> set[str]:
    days = (dt.date(year, 1, 1) + dt.timedelta(n) for n in range(365))
    return {f"{d:%d/%m}" for d in days if d.weekday() < 5 and not CALENDAR.works(d)}


def weekends_worked(year: int) -> set[str]:
    days = (dt.date(year, 1, 1) + dt.timedelta(n) for n in range(365))
    return {f"{d:%d/%m}" for d in days if d.weekday() > 4 and CALENDAR.works(d)}


def test_the_years_as_announced() -> None:
    tet = {f"{n}/02" for n in (16, 17, 18, 19, 20)}
    assert weekdays_off(2026) == {"01/01", "02/01", *tet, "27/04", "30/04", "01/05", "31/08", "01/09", "02/09", "24/11"}
    assert weekends_worked(2026) == {"10/01", "22/08"}
    tet = {"04/02", "05/02", "08/02", "09/02", "10/02"}
    assert weekdays_off(2027) == {"01/01", *tet, "16/04", "30/04", "03/05", "02/09", "03/09", "24/11"}
    assert weekends_worked(2027) == set()


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2026-06-05", ""),
        ("2026-06-06", "thứ bảy"),
        ("2026-06-07", "chủ nhật"),
        ("2026-01-10", ""),
        ("2026-01-02", "Nghỉ hoán đổi dịp Tết Dương lịch (làm bù thứ bảy 10/01)"),
        ("2026-02-17", "Tết Nguyên Đán"),
        ("2027-02-05", "Giao thừa Tết Nguyên đán"),  # the file's name, not the library's
        ("2028-04-30", "Ngày Chiến thắng"),
    ],
)
def test_reason_off(day: str, reason: str) -> None:
    assert CALENDAR.reason_off(dt.date.fromisoformat(day)) == reason


# -- the file

HEAD = "checked: {since: 2026-01-01, until: 2026-12-31}\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "holidays.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("holidays: []\n", 1, "checked: Field required"),
        (HEAD + "holiday: []\n", 2, "holiday: Extra inputs"),
        (HEAD + "holidays:\n  - {day: 2026-06-01}\n", 3, "holidays.0.name: Field required"),
        (HEAD + "holidays:\n  - {day: 2026-06-01, name: ' '}\n", 3, "holidays.0.name"),
        (HEAD + "holidays:\n  - {day: 1/6/2026, name: a}\n", 3, "holidays.0.day"),
        (HEAD + "holidays:\n  - {day: 20260601, name: a}\n", 3, "holidays.0.day"),
        (HEAD + "holidays:\n  - {day: 2026-06-01 08:00:00, name: a}\n", 3, "holidays.0.day"),
        (HEAD + "holidays:\n  - {day: 2026-06-01, name: a, certainty: maybe}\n", 3, "holidays.0.certainty"),
        (HEAD + "holidays:\n  - {day: 2026-06-01, name: a, certainty: likely}\n", 3, "needs a note"),
        (HEAD + "holidays:\n  # 2026-02-31\n  - {day: 2026-02-30, name: a}\n", 4, "a date that does not exist"),
        (HEAD + "holidays:\n  - {day: 2025-06-02, name: a}\n", 3, "holidays: 2025-06-02 is not between"),
        (HEAD + "holidays:\n  - {day: 2026-06-06, name: a}\n", 3, "holidays: 2026-06-06 is off anyway (thứ bảy)"),
        (HEAD + "workdays:\n  - {day: 2026-06-05, name: a}\n", 3, "workdays: 2026-06-05 is worked anyway"),
        (
            HEAD + "holidays:\n  - {day: 2026-06-01, name: a}\n  - name: b\n    day: 2026-06-01\n",
            5,
            "holidays: 2026-06-01 is given twice",
        ),
        (
            HEAD + "holidays:\n  - {day: 2026-11-24, name: a}\nworkdays:\n  - {day: 2026-11-24, name: b}\n",
            5,
            "workdays: 2026-11-24 is given twice",
        ),
        ("checked: {since: 2026-12-31, until: 2026-01-01}\n", 1, "since is after until"),
        (HEAD + "holidays:\n  - day: 2026-06-01\n    day: 2026-06-02\n", 4, "'day' is given twice"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as error:
        load_calendar(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert words in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_calendar(tmp_path / "none.yml")


def test_the_file_overrules_the_library(tmp_path: Path) -> None:
    day = dt.date(2026, 11, 24)
    assert load_calendar(written(tmp_path, HEAD)).reason_off(day) == "Ngày Văn hóa Việt Nam"
    calendar = load_calendar(written(tmp_path, HEAD + "workdays:\n  - {day: 2026-11-24, name: Vẫn đi làm}\n"))
    assert calendar.works(day)
    assert calendar.certain(day)
    filed = dt.datetime.fromisoformat("2026-11-23 09:00")
    assert due(filed, TimeLimit(value=1, unit=WD), calendar).day == day


# -- what always holds

FILED = st.builds(dt.datetime.combine, st.dates(dt.date(2026, 1, 1), dt.date(2027, 12, 31)), st.times())
VALUES = st.one_of(st.integers(1, 60), st.integers(1, 120).map(lambda n: n / 2))
UNITS = st.sampled_from(Unit)


@given(FILED, VALUES, UNITS)
def test_always_a_working_day_after_filing(filed: dt.datetime, value: float, unit: Unit) -> None:
    found = due(filed, TimeLimit(value=value, unit=unit), CALENDAR)
    assert CALENDAR.works(found.day)
    assert filed.date() <= received(filed, CALENDAR).date() <= found.first <= found.day
    assert all(not CALENDAR.works(day) and reason for day, reason in found.off)
    assert all(found.first - dt.timedelta(31) < day < found.day for day, _ in found.off)
    if found.moved:
        assert found.off
    if unit is HOUR:
        assert found.at is not None
        assert OPENS <= found.at <= CLOSES
        assert dt.datetime.combine(found.day, found.at) > filed
    else:
        assert found.day > filed.date()


@given(FILED, st.integers(1, 60))
def test_as_many_working_days_as_the_limit_says(filed: dt.datetime, value: int) -> None:
    found = due(filed, TimeLimit(value=value, unit=WD), CALENDAR)
    span = [found.first + dt.timedelta(n) for n in range((found.day - found.first).days + 1)]
    assert sum(map(CALENDAR.works, span)) == value


@given(FILED, VALUES, VALUES, UNITS)
def test_more_is_never_earlier(filed: dt.datetime, some: float, more: float, unit: Unit) -> None:
    some, more = sorted((some, more))
    # Working hours and hours of the clock are different measures.
    assume(unit is not HOUR or (some <= 8) == (more <= 8))
    ends = [due(filed, TimeLimit(value=value, unit=unit), CALENDAR) for value in (some, more)]
    sooner, later = (dt.datetime.combine(e.day, e.at or dt.time.max) for e in ends)
    assert sooner <= later


@given(FILED, FILED, VALUES, UNITS)
def test_later_filing_is_never_due_earlier(one: dt.datetime, other: dt.datetime, value: float, unit: Unit) -> None:
    limit = TimeLimit(value=value, unit=unit)
    early, late = sorted((one, other))
    assert due(early, limit, CALENDAR).day <= due(late, limit, CALENDAR).day
