"""What to do when stuck, and whom to call: ``rescues.yml`` and ``contacts.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from knowledge.errors import DataError
from knowledge.guides import PACKAGE, Certainty, Guides, Id, Line, Title, load_guides
from knowledge.model import Strict
from knowledge.yamlfile import load_yaml, locate, parse


class Hotline(Strict):
    """A number that people may call."""

    name: Line
    number: Annotated[str, StringConstraints(pattern=r"^[0-9][0-9. ]{2,14}[0-9]$")]
    note: Line
    certainty: Certainty


class Centre(Strict):
    """An office that receives dossiers."""

    name: Line
    address: Line
    note: Line
    certainty: Certainty


class Contacts(Strict):
    """Hotlines by key, the provincial centres, and what holds for all communes."""

    hotlines: Mapping[Id, Hotline]
    centres: tuple[Centre, ...]
    communes: Line
    """Where the nearest counter is."""
    province_wide: Line
    """That any centre of the province receives ("phi địa giới")."""
    zalo: Line
    """Where the province itself sends the state of a dossier."""
    complain: Line
    """Where to send a complaint or a remark."""


class Rescue(Strict):
    """Help for one way of being stuck."""

    id: Id
    title: Title
    phrases: Annotated[tuple[Line, ...], Field(min_length=8, max_length=12)]
    """How people say it."""
    advice: Annotated[tuple[Line, ...], Field(min_length=3, max_length=6)]
    hotline: str = ""
    """Key of a hotline in the contacts, or empty."""
    steps: tuple[Id, ...] = ()
    """Portal steps where it typically happens."""


def load_contacts(root: Path = PACKAGE) -> Contacts:
    """``contacts.yml`` under ``root``. Raises DataError with file and line."""
    path = root / "contacts.yml"
    return parse(path, Contacts, load_yaml(path))


def load_rescues(
    root: Path = PACKAGE, guides: Guides | None = None, contacts: Contacts | None = None
) -> tuple[Rescue, ...]:
    """``rescues.yml`` under ``root``, checked against guides and contacts. Raises DataError with file and line."""
    path = root / "rescues.yml"
    step_ids = (guides or load_guides(root)).step_ids
    hotlines = (contacts or load_contacts(root)).hotlines
    data = load_yaml(path)
    if not isinstance(data, list):
        raise DataError("a list of rescues is expected", path, 1)
    rescues: list[Rescue] = []
    for i, item in enumerate(data):
        rescue = parse(path, Rescue, item, at=(i,))
        if any(rescue.id == other.id for other in rescues):
            raise DataError(f"rescue {rescue.id!r} is given twice", path, locate(path, (i, "id")))
        if rescue.hotline and rescue.hotline not in hotlines:
            raise DataError(f"unknown hotline {rescue.hotline!r}", path, locate(path, (i, "hotline")))
        for n, step_id in enumerate(rescue.steps):
            if step_id not in step_ids:
                raise DataError(f"no portal has a step {step_id!r}", path, locate(path, (i, "steps", n)))
        rescues.append(rescue)
    return tuple(rescues)
