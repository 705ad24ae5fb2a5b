"""Guides: the citizen's side of filing, one small step at a time, done with their own hands.

A :class:`Portal` (site, app or counter) holds the steps that every filing there goes through; a
:class:`ProcedureGuide` changes and adds what is particular to one procedure. :class:`Guides` composes both into a
:class:`Guide` for any code of the catalogue: a procedure without a guide of its own gets its portal's steps.

Files: ``guides/portals/<id>.yml``, ``guides/procedures/<code>.yml``. What to do when stuck is in
:mod:`knowledge.rescues`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from knowledge.cases import UNSURE, Id, Line, Question
from knowledge.errors import DataError, RefusedError
from knowledge.model import Code, Procedure, Strict
from knowledge.yamlfile import load_yaml, locate, parse

DEFAULT = "cong-quoc-gia"
"""Portal of an online procedure that no other portal claims."""
DIRECT = "truc-tiep"
"""The counter: for procedures that cannot be filed online, and for people who prefer it."""
LONGEST_NAME = 90
"""Characters of a name within a step; longer official names are shortened at a word, with an ellipsis."""
PACKAGE = Path(__file__).parent


Title = Annotated[Line, StringConstraints(max_length=45)]
Certainty = Literal["checked", "likely"]
"""``checked``: seen live, or in what the authority or the press published. ``likely``: from knowledge; may differ."""


class Step(Strict):
    """One small step: what to do, what one then sees, what often goes wrong, which skill is learnt."""

    id: Id
    title: Title
    do: Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)]
    see: Line
    mistakes: Annotated[tuple[Line, ...], Field(max_length=3)] = ()
    skill: Annotated[Line, StringConstraints(max_length=60)]
    certainty: Certainty


class StepChange(Strict):
    """The fields of a portal's step that a procedure words anew; fields left out stay as they are."""

    title: Title | None = None
    do: Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)] | None = None
    see: Line | None = None
    mistakes: Annotated[tuple[Line, ...], Field(max_length=3)] | None = None
    skill: Annotated[Line, StringConstraints(max_length=60)] | None = None
    certainty: Certainty | None = None


class Extra(Strict):
    """A step that a procedure adds after another one."""

    after: Id
    step: Step


class Words(Strict):
    """How a portal's steps speak of what the catalogue leaves empty."""

    name: Line
    agency: Line


class Portal(Strict):
    """A place where a dossier is handed in, with the steps that lead there."""

    id: Id
    name: Line
    url: str = ""
    """Address of the site; empty for an app or a counter."""
    checked_on: dt.date
    issuers: tuple[Line, ...] = ()
    """Publishing bodies (parts of their names) whose procedures are filed here when nothing else is said."""
    words: Words
    before: tuple[Line, ...]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    after: tuple[Line, ...]

    def claims(self, issuer: str, agency: str) -> bool:
        """True when the publishing body, or the body that settles the procedure, belongs to this portal."""
        parts = [part.casefold() for part in self.issuers]
        return any(part in issuer.casefold() or agency.casefold().startswith(part) for part in parts)


class ProcedureGuide(Strict):
    """What is particular to one procedure, laid over a portal."""

    code: Code
    portal: Id
    also: tuple[Id, ...] = ()
    questions: Annotated[tuple[Question, ...], Field(max_length=3)] = ()
    """What to ask before anything else, see :mod:`knowledge.cases`."""
    before: tuple[Line, ...] = ()
    changes: Mapping[Id, StepChange] = Field(default_factory=dict)
    extra: tuple[Extra, ...] = ()
    after: tuple[Line, ...] = ()

    @property
    def portals(self) -> tuple[str, ...]:
        """Portals where it can be filed, the usual one first and the counter last."""
        return tuple(dict.fromkeys((self.portal, *self.also, DIRECT)))


class Guide(Strict):
    """A guide for one procedure on one portal, ready to show: no placeholder is left."""

    code: Code
    portal: Id
    portal_name: str
    url: str
    before: tuple[str, ...]
    steps: tuple[Step, ...]
    after: tuple[str, ...]
    checked_on: dt.date


@dataclass(frozen=True)
class Guides:
    """All guides.

    >>> guides = load_guides()
    >>> guides.guide_for("1.001193", online=True).portal
    'cong-quoc-gia'
    >>> guides.guide_for("1.001193", online=False).portal
    'truc-tiep'
    """

    portals: Mapping[str, Portal]
    own: Mapping[str, ProcedureGuide]

    @property
    def step_ids(self) -> frozenset[str]:
        """Ids of all steps: of the portals, and of the procedures' extra ones."""
        shared = (step.id for portal in self.portals.values() for step in portal.steps)
        return frozenset((*shared, *(extra.step.id for guide in self.own.values() for extra in guide.extra)))

    def questions_of(self, code: str) -> tuple[Question, ...]:
        """What to ask about a procedure before its guide."""
        own = self.own.get(code)
        return own.questions if own else ()

    def portals_for(self, code: str, *, online: bool, issuer: str = "", agency: str = "") -> tuple[str, ...]:
        """Ids of the portals where the procedure can be filed: the usual one first, the counter last."""
        if not online:
            return (DIRECT,)
        if own := self.own.get(code):
            return own.portals
        claimed = next((p.id for p in self.portals.values() if p.claims(issuer, agency)), DEFAULT)
        return tuple(dict.fromkeys((claimed, DEFAULT, DIRECT)))

    def guide_for(
        self,
        code: str,
        *,
        online: bool,
        issuer: str = "",
        portal: str = "",
        name: str = "",
        agency: str = "",
        skip: Collection[str] = (),
    ) -> Guide:
        """The guide for a procedure, on ``portal`` or on its usual one, without the steps in ``skip``.

        Raises RefusedError when the procedure cannot be filed on the portal asked for.
        """
        possible = self.portals_for(code, online=online, issuer=issuer, agency=agency)
        if portal and portal not in possible:
            raise RefusedError(f"{code} is not filed on {portal!r}; possible: {', '.join(possible)}")
        base = self.portals[portal or possible[0]]
        own = self.own.get(code) or ProcedureGuide(code=code, portal=base.id)
        values = {
            "code": code,
            "name": _shorten(name) or base.words.name,
            "agency": _shorten(agency) or base.words.agency,
        }
        return Guide(
            code=code,
            portal=base.id,
            portal_name=base.name,
            url=base.url,
            before=_fill(own.before + base.before, values),
            steps=tuple(_fill_step(step, values) for step in compose(base, own) if step.id not in skip),
            after=_fill(own.after + base.after, values),
            checked_on=base.checked_on,
        )

    def for_procedure(self, procedure: Procedure, portal: str = "", skip: Collection[str] = ()) -> Guide:
        """The guide for a record of the catalogue."""
        return self.guide_for(
            procedure.code,
            online=procedure.online,
            issuer=procedure.issuer,
            portal=portal,
            name=procedure.name,
            agency=procedure.agency,
            skip=skip,
        )


def compose(portal: Portal, own: ProcedureGuide) -> tuple[Step, ...]:
    """The portal's steps with the procedure's changes and extra steps; what names other portals' steps is left out."""
    steps: list[Step] = []
    for step in portal.steps:
        change = own.changes.get(step.id)
        steps.append(step.model_copy(update=change.model_dump(exclude_none=True)) if change else step)
    for extra in own.extra:
        at = next((i for i, step in enumerate(steps) if step.id == extra.after), None)
        if at is not None:
            steps.insert(at + 1, extra.step)
    return tuple(steps)


def load_guides(root: Path = PACKAGE) -> Guides:
    """All guides under ``root``/guides. Raises DataError, with file and line, for the first mistake."""
    portals: dict[str, Portal] = {}
    for path in sorted((root / "guides" / "portals").glob("*.yml")):
        portal = parse(path, Portal, load_yaml(path))
        _named(path, portal.id, "id")
        _unique(path, portal.steps)
        portals[portal.id] = portal
    for needed in (DEFAULT, DIRECT):
        if needed not in portals:
            raise DataError("portal is missing", root / "guides" / "portals" / f"{needed}.yml")
    own: dict[str, ProcedureGuide] = {}
    for path in sorted((root / "guides" / "procedures").glob("*.yml")):
        guide = parse(path, ProcedureGuide, load_yaml(path))
        _named(path, guide.code, "code")
        _check(path, guide, portals)
        own[guide.code] = guide
    return Guides(portals, own)


def _check(path: Path, guide: ProcedureGuide, portals: Mapping[str, Portal]) -> None:
    """Refuse a procedure's guide that names portals or steps which do not exist, or repeats a step."""
    for at, name in [(("portal",), guide.portal), *((("also", i), p) for i, p in enumerate(guide.also))]:
        if name not in portals:
            raise DataError(f"unknown portal {name!r}", path, locate(path, at))
    known = {step.id for name in guide.portals for step in portals[name].steps}
    for step_id in guide.changes:
        if step_id not in known:
            raise DataError(
                f"changes: no step {step_id!r} in {guide.portals}", path, locate(path, ("changes", step_id))
            )
    for i, extra in enumerate(guide.extra):
        if extra.after not in known:
            raise DataError(f"extra: no step {extra.after!r} in {guide.portals}", path, locate(path, ("extra", i)))
        if extra.step.id in known:
            raise DataError(f"extra: step {extra.step.id!r} exists already", path, locate(path, ("extra", i, "step")))
        known.add(extra.step.id)
    _check_questions(path, guide, known)


def _check_questions(path: Path, guide: ProcedureGuide, steps: Collection[str]) -> None:
    """Refuse questions or options with the same id, and steps to skip that do not exist."""
    asked: set[str] = set()
    for i, question in enumerate(guide.questions):
        if question.id in asked:
            raise DataError(f"question {question.id!r} is given twice", path, locate(path, ("questions", i, "id")))
        asked.add(question.id)
        seen = {UNSURE}
        for n, option in enumerate(question.options):
            at = ("questions", i, "options", n)
            if option.id in seen:
                raise DataError(f"option {option.id!r} is given twice", path, locate(path, at))
            seen.add(option.id)
            if unknown := [step for step in option.skip if step not in steps]:
                raise DataError(f"no step {unknown[0]!r} to skip in {guide.portals}", path, locate(path, at))


def _named(path: Path, name: str, field: str) -> None:
    if path.stem != name:
        raise DataError(f"{field} {name!r} does not match the file's name", path, locate(path, (field,)))


def _unique(path: Path, steps: tuple[Step, ...]) -> None:
    seen: set[str] = set()
    for i, step in enumerate(steps):
        if step.id in seen:
            raise DataError(f"step {step.id!r} is given twice", path, locate(path, ("steps", i, "id")))
        seen.add(step.id)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def _fill(lines: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
    """Placeholders replaced, in one pass (a value that itself holds braces stays as it is)."""
    filled = (re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], m[0]), line) for line in lines)
    return tuple(line.replace("….", "…") for line in filled)


def _fill_step(step: Step, values: Mapping[str, str]) -> Step:
    title, see, skill = _fill((step.title, step.see, step.skill), values)
    update = {"title": title, "see": see, "skill": skill}
    return step.model_copy(update=update | {"do": _fill(step.do, values), "mistakes": _fill(step.mistakes, values)})
