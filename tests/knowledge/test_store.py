"""``knowledge.db``: what is written comes back; broken or foreign files are refused."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowledge.errors import DataError
from knowledge.portal import Skipped
from knowledge.store import FILE, Catalogue, write_catalogue
from tests.making import procedure, six


@pytest.fixture
def path(tmp_path: Path) -> Path:
    procedures, phrases = six()
    skipped = [Skipped(7, "1.000099", "Nội bộ", "internal")]
    write_catalogue(tmp_path / "a" / FILE, procedures, phrases, skipped, {"source": "six", "imported": 6})
    return tmp_path / "a" / FILE


def test_what_was_written_comes_back(path: Path) -> None:
    procedures, phrases = six()
    catalogue = Catalogue(path)
    assert len(catalogue) == 6
    assert list(catalogue) == procedures
    assert catalogue.get("1.000002") == procedures[1]
    assert catalogue.get("1.000002") is catalogue.get("1.000002")
    assert catalogue.get("9.999999") is None
    assert catalogue.phrases() == phrases
    assert catalogue.meta["source"] == "six"
    catalogue.close()
    with sqlite3.connect(path) as db:
        assert db.execute("select line, code, reason from skipped").fetchall() == [(7, "1.000099", "internal")]
        assert db.execute("pragma foreign_key_check").fetchall() == []
    db.close()


def test_phrases_of_codes_that_are_not_held_are_left_out(tmp_path: Path) -> None:
    write_catalogue(tmp_path / FILE, [procedure()], {"1.000001": ["a"], "1.000009": ["b"]})
    assert Catalogue(tmp_path / FILE).phrases() == {"1.000001": ["a"]}


def test_a_catalogue_without_phrases(tmp_path: Path) -> None:
    write_catalogue(tmp_path / FILE, [procedure()], {})
    assert Catalogue(tmp_path / FILE).phrases() == {}


def test_it_cannot_be_written_through_the_view(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        Catalogue(path)._db.execute("delete from procedures")


def test_a_reader_keeps_what_it_opened_while_a_new_file_is_put_in_place(path: Path) -> None:
    before = Catalogue(path)
    write_catalogue(path, [procedure(name="Mới")], {})
    assert len(list(before)) == 6
    assert [p.name for p in Catalogue(path)] == ["Mới"]
    assert [p.name for p in path.parent.iterdir()] == [FILE]


def test_a_failed_write_leaves_the_old_file(path: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        write_catalogue(path, [procedure(), procedure()], {})
    assert len(Catalogue(path)) == 6


def test_threads_share_it(path: Path) -> None:
    catalogue = Catalogue(path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(catalogue.get, [f"1.00000{1 + n % 6}" for n in range(200)]))
    assert {p.code for p in found if p} == {f"1.00000{n}" for n in range(1, 7)}


def test_missing_and_foreign_files(tmp_path: Path, path: Path) -> None:
    with pytest.raises(DataError, match="no catalogue here"):
        Catalogue(tmp_path / "none.db")
    with sqlite3.connect(path) as db:
        db.execute("update meta set value = '99' where key = 'schema'")
    db.close()
    with pytest.raises(DataError, match="schema 99, wanted 1"):
        Catalogue(path)
