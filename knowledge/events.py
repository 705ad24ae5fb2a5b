"""Life events (``events.yml``): what has happened to someone, and which procedures follow, in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from knowledge.cases import Id, Line
from knowledge.errors import DataError
from knowledge.guides import PACKAGE, Title
from knowledge.model import Code, Strict
from knowledge.yamlfile import load_list, locate


class Task(Strict):
    """One procedure of an event."""

    code: Code
    what: Annotated[Line, StringConstraints(max_length=60)]
    why: Line
    when: Annotated[str, StringConstraints(max_length=140)] = ""
    """Condition under which it is needed; empty: always."""
    after: tuple[Code, ...] = ()
    """Procedures of the same event whose result it needs."""
    together: tuple[Code, ...] = ()
    """Procedures of the same event that can be filed with it in one go."""


class Event(Strict):
    """Something that happens in a life."""

    id: Id
    title: Title
    phrases: Annotated[tuple[Line, ...], Field(min_length=8)]
    intro: Annotated[tuple[Line, ...], Field(min_length=1, max_length=3)]
    items: Annotated[tuple[Task, ...], Field(min_length=2, max_length=8)]
    notes: Annotated[tuple[Line, ...], Field(max_length=3)] = ()


def load_events(root: Path = PACKAGE) -> tuple[Event, ...]:
    """``events.yml`` under ``root``. Raises DataError with file and line."""
    path = root / "events.yml"
    events = load_list(path, Event)
    for i, event in enumerate(events):
        codes = [task.code for task in event.items]
        for n, task in enumerate(event.items):
            at = (i, "items", n)
            if codes.count(task.code) > 1:
                raise DataError(f"{event.id}: {task.code} is given twice", path, locate(path, at))
            for other in (*task.after, *task.together):
                if other not in codes:
                    raise DataError(
                        f"{event.id}: {task.code} names {other}, which is not of it", path, locate(path, at)
                    )
            if late := [c for c in task.after if codes.index(c) > n]:
                raise DataError(
                    f"{event.id}: {task.code} stands before {late[0]}, which it needs", path, locate(path, at)
                )
    return events
