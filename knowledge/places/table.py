"""The table of old communes: ``places.csv``, one row for every part of an old commune."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knowledge.errors import DataError

PLACES = Path(__file__).parents[1] / "places.csv"
COLUMNS = ("old", "district", "province", "new")
Kind = Literal["old", "divided", "ambiguous", "district", "new"]

PREFIXES = {
    "old": ("Xã", "Phường", "Thị trấn"),
    "district": ("Huyện", "Thị xã", "Thành phố"),
    "province": ("Tỉnh",),
    "new": ("Xã", "Phường"),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """An old commune and the communes its area belongs to now: several when it was divided."""

    old: str
    district: str
    province: str
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a message names.

    ``old``: whichever candidate is meant (nearly always there is one), ``new`` is the one commune it belongs to now.
    ``divided``: one candidate, several in ``new``.
    ``ambiguous``: ``new`` holds every possible commune; one that no candidate leads to bears the name itself, or is of
    the old district of that name.
    ``district``: the candidates are its old communes. ``new``: the candidates are the old communes it was made of.
    """

    kind: Kind
    name: str
    candidates: tuple[Unit, ...]
    new: tuple[str, ...]


def split_type(name: str) -> tuple[str, str]:
    """Type word and bare name.

    >>> split_type("Thị trấn Ngô Mây")
    ('Thị trấn', 'Ngô Mây')
    """
    for prefix in sorted({p for each in PREFIXES.values() for p in each}, key=len, reverse=True):
        if name.startswith(prefix + " "):
            return prefix, name[len(prefix) + 1 :]
    return "", name


def load_units(path: Path) -> tuple[Unit, ...]:
    """The old communes of a file like ``places.csv``. Raises DataError with file and line."""
    units: dict[tuple[str, str], Unit] = {}
    provinces: dict[str, str] = {}
    for line, (old, district, province, new) in _rows(path):
        if provinces.setdefault(district, province) != province:
            raise DataError(f"{district!r} is in {provinces[district]!r} above", path, line)
        held = units.get((old, district))
        if held and new in held.new:
            raise DataError(f"{old!r} of {district!r} and {new!r} are given twice", path, line)
        units[old, district] = Unit(old, district, province, (*(held.new if held else ()), new))
    if not units:
        raise DataError("there are no places", path, 1)
    return tuple(units.values())


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their lines, every cell checked."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if tuple(next(reader, ())) != COLUMNS:
                raise DataError(f"the columns {','.join(COLUMNS)} are expected", path, 1)
            for row in reader:
                if len(row) != len(COLUMNS):
                    raise DataError(f"{len(COLUMNS)} cells are expected, not {len(row)}", path, reader.line_num)
                for column, cell in zip(COLUMNS, row, strict=True):
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
    if not any(cell.startswith(prefix + " ") for prefix in PREFIXES[column]):
        raise DataError(f"{column}: {cell!r} does not begin with {' or '.join(PREFIXES[column])}", path, line)
