"""In what procedures differ and how to ask about it: ``differences.yml``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from knowledge.model import Procedure, Strict
from knowledge.yamlfile import load_yaml, parse

FILE = Path(__file__).with_name("differences.yml")
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=70)]
Say = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=30)]


class Way(Strict):
    """One side of a difference."""

    say: Say
    label: Say | None = None
    words: tuple[Words, ...] = ()
    values: tuple[Words, ...] = ()

    @property
    def button(self) -> str:
        """The way as a label."""
        return self.label or self.say[0].upper() + self.say[1:]


class Difference(Strict):
    """Something in which procedures differ, read off one part of the record (``look``)."""

    id: Words
    look: Literal["start", "name", "levels", "applicants", "province"]
    ask: Annotated[str, StringConstraints(pattern=r"^[^{}]*\{options\}[^{}]*$")]
    many: Annotated[str, StringConstraints(min_length=2, pattern=r"^[^{}]*$")]
    default: str = ""
    options: Annotated[tuple[Way, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _sound(self) -> Difference:
        if any(len({getattr(o, name) for o in self.options}) < len(self.options) for name in ("say", "button")):
            raise ValueError("two options are called the same")
        if self.default and self.default not in [o.say for o in self.options]:
            raise ValueError(f"default {self.default!r} is no option")
        return self

    @cached_property
    def _owner(self) -> dict[str, Way]:
        return {w.lower(): o for o in self.options for w in o.words}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Every word that tells an option, the longest first so that "cấp lại" is not "cấp"."""
        return re.compile(rf"(?<!\w)(?:{any_of(list(self._owner))})(?!\w)")

    def told(self, words: str) -> tuple[Way, ...]:
        """The options whose words stand in ``words``, in that order."""
        return tuple(dict.fromkeys(self._owner[" ".join(w.split())] for w in self.pattern.findall(words.lower())))

    def ways(self, p: Procedure, head: str) -> tuple[Way, ...]:
        """The sides on which ``p`` stands, none when its record does not say; ``head``: what its name says is done."""
        if self.look == "start":
            return self.told(head)
        if self.look == "name":
            ways = self.told(p.name)
            if len(ways) > 1:
                return ()
        elif self.look == "levels":
            return tuple(o for o in self.options if set(o.values) & set(p.levels))[:1]
        elif self.look == "province":
            ways = tuple(o for o in self.options if p.province in o.values)
        else:
            ways = tuple(o for o in self.options if any(a.lower().startswith(o.values) for a in p.applicants))
            return ways if len(ways) == 1 else ()
        return ways or tuple(o for o in self.options if o.say == self.default)


class Differences(Strict):
    """``differences.yml``."""

    differences: Annotated[tuple[Difference, ...], Field(min_length=1)]
    fillers: tuple[Words, ...]
    openings: tuple[Words, ...]
    breaks: tuple[Words, ...]
    joints: tuple[Words, ...]
    dull: tuple[Words, ...]

    @cached_property
    def start(self) -> re.Pattern[str]:
        """Fillers and then (group 1) every word for what is done at the start of a name."""
        words = any_of([w for d in self.differences if d.look == "start" for o in d.options for w in o.words])
        return re.compile(
            rf"(?:(?:{any_of(self.fillers)})\s+)*((?:(?:{words})(?!\w)(?:\s*[,;/]\s*|\s+(?:hoặc|và)\s+|\s+|$))*)", re.I
        )

    @cached_property
    def told(self) -> re.Pattern[str]:
        """Words of a name that a difference tells already, wherever they stand."""
        return self._inside({"name", "levels", "applicants", "province"})

    @cached_property
    def levels(self) -> re.Pattern[str]:
        """The same for levels only."""
        return self._inside({"levels"})

    def _inside(self, looks: set[str]) -> re.Pattern[str]:
        words = [w for d in self.differences if d.look in looks for o in d.options for w in o.words]
        return re.compile(rf"\(?(?<!\w)(?:{any_of(words)})(?!\w)\)?", re.I)

    @cached_property
    def bounds(self) -> re.Pattern[str]:
        """Where a long name falls into parts."""
        return re.compile(rf"[;:()]\s*|\s(?=(?:{any_of(self.breaks)})\s)", re.I)

    @cached_property
    def joint(self) -> re.Pattern[str]:
        """What a part need not begin with."""
        return re.compile(rf"^(?:{any_of(self.joints)})\s+", re.I)

    @cached_property
    def empty(self) -> re.Pattern[str]:
        """What makes a part say nothing to people."""
        return re.compile(rf"(?<!\w)(?:{any_of(self.dull)})(?!\w)", re.I)

    @cached_property
    def opening(self) -> re.Pattern[str]:
        """What a long name need not begin with."""
        return re.compile(rf"^(?:{any_of(self.openings)})\s+", re.I)


def any_of(words: Sequence[str]) -> str:
    """A pattern for any of ``words``, the longest first."""
    return "|".join(r"\s+".join(map(re.escape, w.split())) for w in sorted(words, key=len, reverse=True)) or r"(?!)"


def load_differences(path: Path = FILE) -> Differences:
    """``differences.yml``. Raises DataError with file and line."""
    return parse(path, Differences, load_yaml(path))


@lru_cache(maxsize=1)
def differences() -> Differences:
    """The packaged differences, loaded once."""
    return load_differences()
