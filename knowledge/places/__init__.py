"""Old communes and districts in a message, and the communes they became on 1 July 2025: ``knowledge/places.csv``;
``knowledge/places-earlier.csv`` has those that were gone before, each with its source and how certain it is.

People keep saying the old names. What is found is said only as far as the message tells it: a name of several old
communes stays *ambiguous* until type, district or former province tells them apart, and a commune that was divided
stays *divided*. A name that is also an everyday word, a street or a person is a place only beside a word that says so.

    table       the files and their rows
    words       a message as words; syllables with and without marks
    vocabulary  words that stand beside names
    names       the names and how people spell them
    signs       what stands around a name, and what it says of it
    reading     all this together: which place a message names
"""

from __future__ import annotations

from pathlib import Path

from knowledge.places.reading import Places
from knowledge.places.table import PLACES, Found, Joined, Kind, Unit, load_units

__all__ = ["PLACES", "Found", "Joined", "Kind", "Places", "Unit", "load_places"]


def load_places(path: Path = PLACES) -> Places:
    """The table of ``path`` (and what is beside it), ready to read messages. Raises DataError with file and line."""
    return Places(load_units(path))
