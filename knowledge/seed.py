"""The project's own seed: the procedures people ask for most, in our own words, and how people say things.

``seed/CODE.yml`` holds one procedure's facts, ``phrases/*.yml`` map codes to the ways people bring the matter up,
``need.yml`` says how many people need a procedure, ``outside.yml`` holds messages that none answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from knowledge.errors import DataError
from knowledge.model import CODE_PATTERN, Method, Procedure
from knowledge.yamlfile import load_yaml, locate, parse

HERE = Path(__file__).parent


def load_seed(folder: Path = HERE / "seed") -> list[Procedure]:
    """Every seed procedure, by code. Raises DataError with file and line for the first one that does not fit."""
    found: dict[str, tuple[Procedure, Path]] = {}
    for path in sorted(folder.glob("*.yml")):
        data = load_yaml(path)
        if not isinstance(data, dict):
            raise DataError("a procedure is a mapping of fields", path, 1)
        procedure = parse(path, Procedure, {**data, "source": "seed"})
        if procedure.code in found:
            raise DataError(f"code {procedure.code} stands already in {found[procedure.code][1].name}", path, 1)
        if path.stem != procedure.code:
            raise DataError(
                f"the file of {procedure.code} must be called {procedure.code}.yml", path, locate(path, ("code",))
            )
        found[procedure.code] = procedure, path
    return [procedure for procedure, _ in found.values()]


def load_phrases(folder: Path = HERE / "phrases") -> dict[str, list[str]]:
    """Phrases by code, in file order and without repeats. Raises DataError with file and line."""
    phrases: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.yml")):
        for code, texts in read_phrases(path).items():
            phrases[code] = list(dict.fromkeys([*phrases.get(code, ()), *texts]))
    return phrases


def read_phrases(path: Path) -> dict[str, list[str]]:
    """Phrases by code of one file. Raises DataError with file and line."""
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise DataError("a phrase file maps codes to lists of phrases", path, 1)
    for code, texts in data.items():
        if not isinstance(code, str) or not re.match(CODE_PATTERN, code):
            raise DataError(f"{code!r} is not a procedure code in quotes", path, locate(path, (code,)))
        if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
            raise DataError(f"the phrases of {code} are a list of texts", path, locate(path, (code,)))
    return {code: list(dict.fromkeys(t.strip() for t in texts)) for code, texts in data.items()}


def load_outside(path: Path = HERE / "outside.yml") -> dict[str, list[str]]:
    """Messages that no procedure answers, by topic. Raises DataError with file and line."""
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise DataError("maps topics to lists of messages", path, 1)
    for topic, texts in data.items():
        if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
            raise DataError(f"the messages of {topic} are a list of texts", path, locate(path, (topic,)))
    return {str(topic): list(dict.fromkeys(t.strip() for t in texts)) for topic, texts in data.items()}


def load_need(path: Path = HERE / "need.yml") -> dict[str, int]:
    """How many people need a procedure, by code: 1 few to 3 nearly everybody. Raises DataError with file and line."""
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise DataError("maps 1, 2 and 3 to lists of codes", path, 1)
    need: dict[str, int] = {}
    for level, codes in data.items():
        if level not in (1, 2, 3) or not isinstance(codes, list):
            raise DataError(f"{level!r} is not 1, 2 or 3 with a list of codes", path, locate(path, (level,)))
        for i, code in enumerate(codes):
            if not isinstance(code, str) or not re.match(CODE_PATTERN, code):
                raise DataError(f"{code!r} is not a procedure code in quotes", path, locate(path, (level, i)))
            if code in need:
                raise DataError(f"{code} stands here twice", path, locate(path, (level, i)))
            need[code] = level
    return need


def merge(imported: Iterable[Procedure], seed: Iterable[Procedure]) -> list[Procedure]:
    """Imported records with the seed's lay wording attached, then the seed's own where nothing was imported.

    Imported facts win. The seed's plain names for papers and its steps stay only while the portal's papers and steps
    are, to the letter, the version that they were checked against (``fingerprint``).
    """
    ours = {p.code: p for p in seed}
    merged = []
    for procedure in imported:
        own = ours.pop(procedure.code, None)
        if own is not None:
            update: dict[str, object] = {"short_name": own.short_name, "summary": own.summary}
            if own.fingerprint and own.fingerprint == procedure.fingerprint:
                update |= {"documents": own.documents, "steps": own.steps, "methods": _with_notes(procedure, own)}
            update |= {f: getattr(own, f) for f in ("receiver", "agency") if not getattr(procedure, f)}
            procedure = procedure.model_copy(update=update)
        merged.append(procedure)
    return merged + list(ours.values())


def _with_notes(imported: Procedure, own: Procedure) -> tuple[Method, ...]:
    """Imported methods; where one gives no time at all, with what the seed read about it in the record's steps."""
    notes = {m.channel: m.limit_note for m in own.methods}
    return tuple(
        m if m.limits or m.limit_note else m.model_copy(update={"limit_note": notes.get(m.channel, "")})
        for m in imported.methods
    )


def coverage(procedures: Iterable[Procedure], phrases: Mapping[str, list[str]]) -> tuple[int, int]:
    """(procedures with phrases, procedures in all)."""
    codes = [p.code for p in procedures]
    return sum(c in phrases for c in codes), len(codes)
