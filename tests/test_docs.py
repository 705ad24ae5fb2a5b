"""The documents name every command, option, setting and Make target, and name none that does not exist."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from pydantic import SecretStr

from bot.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
HANDBOOKS = sorted((ROOT / "docs" / "vi").glob("*.md"))
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLE = ROOT / ".env.example"
FIELDS = {f"TTHC_{name.upper()}": field for name, field in Settings.model_fields.items()}

_FENCE = re.compile(r"^(?P<fence>```+)(?P<kind>\w*)\n(?P<body>.*?)^(?P=fence)$", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?:[\w-]+/)+(?:[\w.-]+\.(?:yml|py|md|toml|txt|jsonl))?|[\w-]+\.(?:yml|toml)|\.env\.example")
_VARIABLE = re.compile(r"\bTTHC_[A-Z_]*[A-Z]\b")
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*", re.S)
_SHELL = ("", "sh", "bash", "console")
STATE = ("draft/", "releases/", "models/", "rasa-model/", "logs/", "index/", "encoder/", "var/")
"""Folders under ``TTHC_HOME``, which a fresh clone does not have."""


class Command(NamedTuple):
    """A command as a document writes it. ``whole``: from a code block, so its arguments have to be complete."""

    doc: Path
    words: list[str]
    whole: bool

    def __str__(self) -> str:
        return f"{self.doc.relative_to(ROOT)}: {' '.join(self.words)}"


def commands_in(doc: Path) -> Iterator[Command]:
    """Every command line of a document's code blocks and backticks, without assignments before it."""
    text = doc.read_text(encoding="utf-8")
    lines = [
        (line, True)
        for block in _FENCE.finditer(text)
        if block["kind"] in _SHELL
        for line in block["body"].replace("\\\n", " ").splitlines()
    ]
    lines += [(code, False) for code in _INLINE.findall(_FENCE.sub("", text))]
    for line, whole in lines:
        words = _split(line)
        for part in _parts(words):
            while part and (_ASSIGNMENT.fullmatch(part[0]) or part[0] in ("sudo", "$")):
                part = part[1:]
            if part:
                yield Command(doc, part, whole)


def _split(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&")
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # prose of an example dialogue, not a command
        return []


def _parts(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set("|;&"):
            yield part
            part = []
        else:
            part.append(word)


@cache
def written() -> tuple[Command, ...]:
    """All commands of all documents."""
    return tuple(command for doc in DOCS for command in commands_in(doc))


def tthc_commands() -> dict[str, Any]:
    """The click commands of ``tthc`` by their words ("kb import"); groups as well."""
    from bot.cli import catalogue, indexing, service, talk

    app = typer.Typer(add_completion=False)
    app.add_typer(catalogue.app, name="kb")
    app.add_typer(indexing.app, name="index")
    for module in (talk, service):
        module.register(app)
    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        found[name] = command
        for sub, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {sub}".strip())

    walk(typer.main.get_command(app), "")
    return found


TTHC = tthc_commands()
LEAVES = sorted(name for name, command in TTHC.items() if not hasattr(command, "commands"))


def resolve(words: list[str]) -> tuple[str, list[str]]:
    """("kb import", the words after it). Raises KeyError for a word that is no command."""
    name, rest = "", words
    while rest and hasattr(TTHC[name], "commands") and not rest[0].startswith("-"):
        name, rest = f"{name} {rest[0]}".strip(), rest[1:]
        if name not in TTHC:
            raise KeyError(name)
    return name, rest


def uses_of(name: str) -> list[tuple[Command, list[str]]]:
    """Where the command ``name`` is written, with the words after it."""
    found = []
    for command, words in uses_of_tthc():
        with suppress(KeyError):
            resolved, rest = resolve(words)
            if resolved == name:
                found.append((command, rest))
    return found


def uses_of_tthc() -> list[tuple[Command, list[str]]]:
    """Commands that call ``tthc``, with the words after it."""
    return [(c, c.words[1:]) for c in written() if c.words[0] == "tthc" or c.words[0].endswith("/tthc")]


def make_targets() -> dict[str, str]:
    """Targets of the Makefile that have a help text."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z]+):.*?## (.*)$", makefile, re.M))


# -- everything is documented


@pytest.mark.parametrize("name", LEAVES)
def test_command_and_its_options_are_documented(name: str) -> None:
    said = uses_of(name)
    assert said, f"`tthc {name}` stands in no document"
    options = {p.opts[0] for p in TTHC[name].params if p.param_type_name == "option" and "--help" not in p.opts}
    missing = options - {word for _, rest in said for word in rest}
    if missing:  # an option may also be explained by itself in the handbook that explains the command
        own = {command.doc for command, _ in said}
        missing -= {command.words[0] for command in written() if command.doc in own}
    assert not missing, f"`tthc {name}`: no document names {sorted(missing)}"


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_setting_is_documented_with_its_default(name: str) -> None:
    rows = [line for doc in HANDBOOKS for line in doc.read_text(encoding="utf-8").splitlines()]
    row = next((line for line in rows if line.startswith(f"| `{name}` |")), None)
    assert row, f"{name} is in no table of the handbooks"
    default = FIELDS[name].default
    shown = row.split("|")[2].strip().strip("`")
    if isinstance(default, SecretStr) or default == "":
        assert shown == "trống"
    elif isinstance(default, Path):
        assert ROOT / shown == default
    else:
        assert shown == str(default)


@pytest.mark.parametrize("target", sorted(make_targets()))
def test_make_target_is_documented(target: str) -> None:
    assert any(c.words[0] == "make" and target in c.words[1:] for c in written()), f"`make {target}` is in no document"


def test_env_example_lists_every_setting_once_with_its_default() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    found = [m.groups() for line in lines if (m := re.fullmatch(r"(?:# )?(TTHC_[A-Z_]+)=(.*)", line))]
    assert sorted(name for name, _ in found) == sorted(FIELDS)
    for name, value in found:
        default = FIELDS[name].default
        if isinstance(default, SecretStr):
            assert value == "", f"{name}: no secret in the example"
        elif isinstance(default, Path):
            assert ROOT / value == default
        else:
            assert value == str(default), name


def test_env_example_says_what_each_setting_is_for() -> None:
    blocks = EXAMPLE.read_text(encoding="utf-8").split("\n\n")
    silent = [b for b in blocks if "TTHC_" in b and not re.match(r"# (?!TTHC_\w+=|-- )\S", b)]
    assert not silent


# -- everything documented exists


def test_commands_of_tthc_exist() -> None:
    wrong = []
    for command, words in uses_of_tthc():
        try:
            name, rest = resolve(words)
        except KeyError:
            wrong.append(str(command))
            continue
        known = {o for p in TTHC[name].params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        wrong += [f"{command}: {word}" for word in rest if word.startswith("--") and word not in known]
    assert not wrong


def test_commands_of_tthc_in_code_blocks_are_complete() -> None:
    for command, words in uses_of_tthc():
        if command.whole:
            name, rest = resolve(words)
            TTHC[name].make_context(name, list(rest))  # raises a UsageError that says what is wrong


def test_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\((?!MAKEFILE_LIST)([A-Z]+)\)", makefile)) - {"BIN"}
    wrong = []
    for command in written():
        if command.words[0] == "make":
            for word in command.words[1:]:
                name, assigned, _ = word.partition("=")
                if name not in (variables if assigned else make_targets()):
                    wrong.append(f"{command}: {word}")
    assert not wrong


@pytest.mark.parametrize("doc", [*DOCS, EXAMPLE], ids=lambda d: str(d.relative_to(ROOT)))
def test_settings_named_exist(doc: Path) -> None:
    sources = [p for folder in ("nlu", "scripts", "benchmarks", "tests") for p in (ROOT / folder).rglob("*.py")]
    known = set(FIELDS) | {name for p in sources for name in _VARIABLE.findall(p.read_text(encoding="utf-8"))}
    assert set(_VARIABLE.findall(doc.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("doc", DOCS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_resolve(doc: Path) -> None:
    targets = [t.partition("#")[0] for t in _LINK.findall(_FENCE.sub("", doc.read_text(encoding="utf-8")))]
    inside = [t for t in targets if t and "://" not in t and not t.startswith("mailto:")]
    assert not [t for t in inside if not (doc.parent / t).exists()]


@pytest.mark.parametrize("doc", DOCS, ids=lambda d: str(d.relative_to(ROOT)))
def test_files_named_exist(doc: Path) -> None:
    named = [c for c in _INLINE.findall(_FENCE.sub("", doc.read_text(encoding="utf-8"))) if _PATH.fullmatch(c)]
    folders = ("", "bot", "index", "knowledge", "knowledge/guides", "nlu")
    places = (doc.parent, *(ROOT / folder for folder in folders))
    missing = [n for n in named if "CODE" not in n and not n.startswith(STATE)]
    assert not [n for n in missing if not any((place / n).exists() for place in places)]


@pytest.mark.parametrize("doc", [*DOCS, EXAMPLE], ids=lambda d: str(d.relative_to(ROOT)))
def test_text_is_nfc(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    assert text == unicodedata.normalize("NFC", text)
