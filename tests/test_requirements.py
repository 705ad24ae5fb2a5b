"""What is imported is pinned, what is declared is pinned, and what the pins need is pinned too."""

from __future__ import annotations

import ast
import importlib.metadata as installed
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
OURS = {"bot", "index", "knowledge", "nlu", "benchmarks", "scripts", "tests"}
APART = {"torch", "pip", "setuptools"}
"""Pinned in torch.txt, or part of every environment."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.M)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [Requirement(line) for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]
EXTRAS = {canonicalize_name(one.name): one.extras for one in DECLARED}
PINS = {canonicalize_name(n): Version(v) for n, v in _PIN.findall((ROOT / "requirements" / "app.txt").read_text())}


def imports_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """(top-level module, file) of every import below ``folder``."""
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], file) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0], file


@cache
def distributions() -> dict[str, set[str]]:
    """Names of the distributions that hold a module."""
    found = installed.packages_distributions()
    return {module: {canonicalize_name(name) for name in holders} for module, holders in found.items()}


@pytest.mark.parametrize("folder", ["bot", "index", "knowledge", "benchmarks", "tests"])
def test_what_is_imported_is_pinned(folder: str) -> None:
    beside = {file.stem for file in (ROOT / folder).rglob("*.py")} if folder == "tests" else set()
    known = OURS | sys.stdlib_module_names | beside
    missing = {
        f"{module} ({file.relative_to(ROOT)})"
        for module, file in imports_of(ROOT / folder)
        if module not in known and not (PINS.keys() | APART) & distributions().get(module, set())
    }
    assert not missing


@pytest.mark.parametrize("wanted", DECLARED, ids=str)
def test_what_is_declared_is_pinned(wanted: Requirement) -> None:
    name = canonicalize_name(wanted.name)
    if name not in APART:
        assert name in PINS
        assert PINS[name] in wanted.specifier


def test_what_the_pins_need_is_pinned_too() -> None:
    """``scripts/setup.py`` installs the pins as they are, without looking for what they need."""
    for name in PINS:
        try:
            needs = [Requirement(need) for need in installed.requires(name) or []]
        except installed.PackageNotFoundError:  # for another system
            continue
        for need in needs:
            wanted = not need.marker or any(need.marker.evaluate({"extra": x}) for x in ("", *EXTRAS.get(name, ())))
            if wanted and canonicalize_name(need.name) not in APART:
                assert canonicalize_name(need.name) in PINS, f"{name} needs {need}"
