"""The table of old communes: ``places.csv``, and ``places-earlier.csv`` for those that were gone before July 2025."""

from __future__ import annotations

import csv
import datetime as dt
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knowledge.errors import DataError

PLACES = Path(__file__).parents[1] / "places.csv"
EARLIER = "places-earlier.csv"
"""Stands beside the table."""
COLUMNS = ("old", "district", "province", "new")
EARLIER_COLUMNS = ("old", "district", "into", "since", "source", "url", "certainty")
Kind = Literal["old", "divided", "ambiguous", "district", "new"]

PREFIXES = {
    "old": ("Xã", "Phường", "Thị trấn"),
    "district": ("Huyện", "Thị xã", "Thành phố"),
    "province": ("Tỉnh",),
    "new": ("Xã", "Phường"),
    "into": ("Xã", "Phường", "Thị trấn"),
}


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a commune that was gone before July 2025."""

    into: tuple[str, ...]
    """Communes of the same district that took it in."""
    since: str
    """``2024-12-01``, or the year alone."""
    source: str
    certain: bool
    """Whether the source is the decision itself or quotes it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """An old commune and the communes its area belongs to now: several when it was divided."""

    old: str
    district: str
    province: str
    new: tuple[str, ...]
    joined: Joined | None = None
    """Set for a commune that was gone before July 2025."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a message names.

    ``old``: whichever candidate is meant (nearly always there is one), ``new`` is the one commune it belongs to now.
    ``divided``: one candidate, several in ``new``.
    ``ambiguous``: ``new`` holds every possible commune; one that no candidate leads to bears the name itself, or is of
    ``district``, the old district of that name.
    ``district``: the candidates are its old communes. ``new``: the candidates are the old communes it was made of.
    """

    kind: Kind
    name: str
    candidates: tuple[Unit, ...]
    new: tuple[str, ...]
    district: str = ""


def split_type(name: str) -> tuple[str, str]:
    """Type word and bare name.

    >>> split_type("Thị trấn Ngô Mây")
    ('Thị trấn', 'Ngô Mây')
    """
    for prefix in sorted({p for each in PREFIXES.values() for p in each}, key=len, reverse=True):
        if name.startswith(prefix + " "):
            return prefix, name[len(prefix) + 1 :]
    return "", name


# -- reading the files -----------------------------------------------------------------------------------------------


def load_units(path: Path = PLACES) -> tuple[Unit, ...]:
    """The old communes of ``path``, and of the file :data:`EARLIER` beside it. Raises DataError with file and line."""
    units: dict[tuple[str, str], Unit] = {}
    provinces: dict[str, str] = {}
    for line, (old, district, province, new) in _rows(path, COLUMNS):
        if provinces.setdefault(district, province) != province:
            raise DataError(f"{district!r} is in {provinces[district]!r} above", path, line)
        held = units.get((old, district))
        if held and new in held.new:
            raise DataError(f"{old!r} of {district!r} and {new!r} are given twice", path, line)
        units[old, district] = Unit(old, district, province, (*(held.new if held else ()), new))
    if not units:
        raise DataError("there are no places", path, 1)
    earlier = path.with_name(EARLIER)
    return (*units.values(), *(_load_earlier(earlier, units) if earlier.exists() else ()))


def _load_earlier(path: Path, units: dict[tuple[str, str], Unit]) -> tuple[Unit, ...]:
    """Communes that were gone before; where they belong now follows from the commune that took them in."""
    found: dict[tuple[str, str], Unit] = {}
    for line, (old, district, into, since, source, _, certainty) in _rows(path, EARLIER_COLUMNS):
        host = units.get((into, district))
        if host is None:
            raise DataError(f"into: {into!r} of {district!r} is not in {PLACES.name}", path, line)
        if (old, district) in units:
            raise DataError(f"old: {old!r} of {district!r} is in {PLACES.name}", path, line)
        if not _is_date(since):
            raise DataError(f"since: {since!r} is neither YYYY-MM-DD nor a year", path, line)
        if certainty not in ("sure", "likely"):
            raise DataError(f"certainty: {certainty!r} is neither sure nor likely", path, line)
        if not source:
            raise DataError("source: is empty", path, line)
        held = found.get((old, district))
        joined = Joined((into,), since, source, certainty == "sure")
        if held and held.joined:
            if into in held.joined.into:
                raise DataError(f"{old!r} and {into!r} are given twice", path, line)
            joined = Joined((*held.joined.into, into), since, source, joined.certain and held.joined.certain)
        new = tuple(dict.fromkeys((*(held.new if held else ()), *host.new)))
        found[old, district] = Unit(old, district, host.province, new, joined)
    return tuple(found.values())


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text if len(text) == 10 else f"{text}-01-01")
    except ValueError:
        return False
    return True


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows with their lines, every cell checked."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if tuple(next(reader, ())) != columns:
                raise DataError(f"the columns {','.join(columns)} are expected", path, 1)
            for row in reader:
                if len(row) != len(columns):
                    raise DataError(f"{len(columns)} cells are expected, not {len(row)}", path, reader.line_num)
                for column, cell in zip(columns, row, strict=True):
                    _check(column, cell, path, reader.line_num)
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start})", path) from error
    except csv.Error as error:
        raise DataError(f"not valid CSV: {error}", path, reader.line_num) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error


def _check(column: str, cell: str, path: Path, line: int) -> None:
    if cell != " ".join(unicodedata.normalize("NFC", cell).split()):
        raise DataError(f"{column}: {cell!r} is not NFC text with single blanks", path, line)
    if column in PREFIXES and not any(cell.startswith(prefix + " ") for prefix in PREFIXES[column]):
        raise DataError(f"{column}: {cell!r} does not begin with {' or '.join(PREFIXES[column])}", path, line)
    if column == "url" and not cell.startswith("https://"):
        raise DataError(f"url: {cell!r} does not begin with https://", path, line)
