"""Why dossiers come back (``returns.yml``): to check oneself before handing in, and to make out a notice afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from knowledge.cases import Id, Line
from knowledge.guides import DIRECT, PACKAGE
from knowledge.model import Code, Strict
from knowledge.yamlfile import load_list


class Return(Strict):
    """One usual reason."""

    id: Id
    title: Annotated[Line, StringConstraints(max_length=60)]
    phrases: Annotated[tuple[Line, ...], Field(min_length=5)]
    """How the notice words it, and how people tell it."""
    check: Line
    """What to ask oneself before handing in; "yes" is good."""
    fix: Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)]
    """What to do now, in the same dossier."""
    online: bool = True
    direct: bool = True
    codes: frozenset[Code] = frozenset()
    """Only for these procedures; empty: for all."""

    def concerns(self, code: str, portal: str) -> bool:
        """Whether it can happen with this procedure, handed in there."""
        here = self.direct if portal == DIRECT else self.online
        return here and (not self.codes or code in self.codes)


def load_returns(root: Path = PACKAGE) -> tuple[Return, ...]:
    """``returns.yml`` under ``root``, the most usual first. Raises DataError with file and line."""
    return load_list(root / "returns.yml", Return)


def worth_checking(returns: tuple[Return, ...], code: str, portal: str, most: int) -> list[Return]:
    """At most ``most`` reasons to check for one filing: what is particular to it first, then the most usual."""
    found = [r for r in returns if r.concerns(code, portal)]
    particular = [r for r in found if r.codes][: most // 2]
    usual = [r for r in found if not r.codes]
    return sorted([*particular, *usual[: most - len(particular)]], key=returns.index)
