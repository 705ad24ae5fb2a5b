"""YAML files: each mistake is told with its file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge.errors import DataError, RefusedError
from knowledge.events import load_events
from knowledge.guides import load_guides
from knowledge.model import Strict
from knowledge.rescues import load_contacts
from knowledge.returns import load_returns
from knowledge.seed import load_need, load_phrases, load_seed
from knowledge.yamlfile import load_yaml, locate, parse


class Inner(Strict):
    number: int


class Outer(Strict):
    name: str
    items: tuple[Inner, ...] = ()


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "a.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_reads_plain_data(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, "a: [1, đ]\n")) == {"a": [1, "đ"]}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is given twice"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, ""),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "could not determine a constructor"),
        ("x:\n  y: 1\n  y: 2\n", 3, "given twice"),
        ("a: 1\nb:\n  - 2026-02-28\n  - 2026-02-30\n", 4, "a date that does not exist: '2026-02-30'"),
        ("a: 1\n2026-13-01: 2\n", 2, "a date that does not exist: '2026-13-01'"),
        ("a: 2026-02-03 25:00:00\n", 1, "a date that does not exist"),
        ("a: 2026-11-24T10:00:00+99:00\n", 1, "a date that does not exist"),
        ("a: !!timestamp x\n", 1, "a date that does not exist: 'x'"),
        ("a: 1\nb: !!int x1\n", 2, "no int: 'x1'"),
        ("a: !!float zz\n", 1, "no float: 'zz'"),
        ("a: 1\n? [1]\n: 2\n", 2, "a key of several parts"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as error:
        load_yaml(path)
    assert (error.value.path, error.value.line) == (path, line)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert words in str(error.value)


def test_a_character_that_yaml_forbids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not valid YAML: unacceptable character"):
        load_yaml(written(tmp_path, "a: \x01\n"))


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("seed/1.yml", lambda root: load_seed(root / "seed")),
        ("phrases/1.yml", lambda root: load_phrases(root / "phrases")),
        ("need.yml", lambda root: load_need(root / "need.yml")),
        ("guides/portals/1.yml", load_guides),
        ("contacts.yml", load_contacts),
        ("returns.yml", load_returns),
        ("events.yml", load_events),
    ],
)
def test_an_impossible_date_in_any_file_is_told_with_its_line(
    tmp_path: Path, name: str, load: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# a comment\nday: 2026-02-30\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert str(error.value) == f"{path}:2: a date that does not exist: '2026-02-30'"


def test_other_encodings_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8 text"):
        load_yaml(written(tmp_path, "a: đ".encode("utf-16")))
    with pytest.raises(DataError, match="cannot be read"):
        load_yaml(tmp_path / "none.yml")


def test_parse_names_field_reason_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "name: x\nitems:\n  - number: 1\n  - number: hai\n  - numbr: 3\n")
    with pytest.raises(DataError) as error:
        parse(path, Outer, load_yaml(path))
    assert error.value.line == 4
    assert "items.1.number" in error.value.message
    assert "more)" in error.value.message


def test_a_missing_field_points_at_its_parent(tmp_path: Path) -> None:
    path = written(tmp_path, "- name: x\n- items: []\n")
    data = load_yaml(path)
    assert parse(path, Outer, data[0], at=(0,)).name == "x"
    with pytest.raises(DataError) as error:
        parse(path, Outer, data[1], at=(1,))
    assert (error.value.line, error.value.message) == (2, "name: Field required")


def test_locate_in_an_empty_file(tmp_path: Path) -> None:
    assert locate(written(tmp_path, ""), ("a",)) is None


def test_errors_say_as_much_as_they_know() -> None:
    assert str(DataError("broken")) == "broken"
    assert str(DataError("broken", "a.yml")) == "a.yml: broken"
    assert str(DataError("broken", "a.yml", 7)) == "a.yml:7: broken"
    assert isinstance(DataError("x"), RefusedError)
