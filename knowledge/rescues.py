"""What to do when stuck, and whom to call: ``rescues.yml`` and ``contacts.yml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from knowledge.cases import Id, Label, Line
from knowledge.errors import DataError
from knowledge.guides import PACKAGE, Certainty, Guides, Title, load_guides
from knowledge.model import Strict
from knowledge.yamlfile import load_list, load_yaml, locate, parse


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


SOLVED, CALL, OFFICE = "xong", "goi", "quay"
"""Where every tree ends: it works now, a number to call, the nearest office."""


class Way(Strict):
    """An answer in a rescue and where it leads: another node, or one of the ends."""

    label: Label
    to: str


class Node(Strict):
    """One or two things to try, a question, and the ways on."""

    id: Id
    say: Annotated[tuple[Line, ...], Field(min_length=1, max_length=5)]
    ask: Line
    options: Annotated[tuple[Way, ...], Field(min_length=2, max_length=4)]


class Rescue(Strict):
    """Help for one way of being stuck: a small tree that begins with its first node."""

    id: Id
    title: Title
    phrases: Annotated[tuple[Line, ...], Field(min_length=8)]
    """How people say it."""
    nodes: Annotated[tuple[Node, ...], Field(min_length=1, max_length=7)]
    hotline: str
    """Key of a hotline in the contacts."""
    steps: tuple[Id, ...] = ()
    """Portal steps where it typically happens."""

    def node(self, node_id: str) -> Node | None:
        """The node with this id; the first one for an empty id."""
        return self.nodes[0] if not node_id else next((n for n in self.nodes if n.id == node_id), None)


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
    rescues = load_list(path, Rescue)
    for i, rescue in enumerate(rescues):
        if rescue.hotline not in hotlines:
            raise DataError(f"unknown hotline {rescue.hotline!r}", path, locate(path, (i, "hotline")))
        for n, step_id in enumerate(rescue.steps):
            if step_id not in step_ids:
                raise DataError(
                    f"no portal and no procedure has a step {step_id!r}", path, locate(path, (i, "steps", n))
                )
        _check_tree(path, i, rescue)
    return rescues


def _check_tree(path: Path, at: int, rescue: Rescue) -> None:
    """Refuse ways that lead nowhere or round and round, and nodes that no way leads to."""
    order = {node.id: n for n, node in enumerate(rescue.nodes)}
    if len(order) < len(rescue.nodes):
        raise DataError(f"{rescue.id}: two nodes have the same id", path, locate(path, (at, "nodes")))
    reached = {rescue.nodes[0].id}
    for node in _outwards(rescue):
        for m, way in enumerate(node.options):
            where = (at, "nodes", order[node.id], "options", m, "to")
            if way.to in (SOLVED, CALL, OFFICE):
                continue
            if way.to not in order:
                raise DataError(f"{rescue.id}: no node {way.to!r}", path, locate(path, where))
            reached.add(way.to)
    if lost := [node.id for node in rescue.nodes if node.id not in reached]:
        raise DataError(f"{rescue.id}: no way leads to {lost[0]!r}", path, locate(path, (at, "nodes", order[lost[0]])))
    if _circles(rescue, rescue.nodes[0].id, ()):
        raise DataError(f"{rescue.id}: its ways go round and round", path, locate(path, (at, "nodes")))


def _outwards(rescue: Rescue) -> Iterator[Node]:
    seen: set[str] = set()
    waiting = [rescue.nodes[0].id]
    while waiting:
        node = rescue.node(waiting.pop())
        if node is None or node.id in seen:
            continue
        seen.add(node.id)
        yield node
        waiting += [way.to for way in node.options]


def _circles(rescue: Rescue, node_id: str, passed: tuple[str, ...]) -> bool:
    node = rescue.node(node_id)
    if node is None or node_id in passed:
        return node is not None
    return any(
        way.to not in (SOLVED, CALL, OFFICE) and _circles(rescue, way.to, (*passed, node_id)) for way in node.options
    )
