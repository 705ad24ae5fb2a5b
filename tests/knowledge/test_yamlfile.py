"""YAML files: each mistake is told with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.errors import DataError, RefusedError
from knowledge.model import Strict
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
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as error:
        load_yaml(path)
    assert (error.value.path, error.value.line) == (path, line)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert words in str(error.value)


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
