"""Phrases that staff add between two releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.additions import LONGEST, Additions
from knowledge.errors import DataError, RefusedError


def test_nothing_there(tmp_path: Path) -> None:
    assert Additions(tmp_path).load() == {}
    assert Additions(tmp_path).changed() == 0


def test_kept_tidied_and_taken_out(tmp_path: Path) -> None:
    additions = Additions(tmp_path / "home")
    assert additions.add("1.000001", "  thả   diều đêm: được không ") == "thả diều đêm: được không"
    seen = additions.changed()
    additions.add("1.000001", "diều sáo")
    additions.add("1.000002", "# con trâu")
    assert additions.changed() != seen
    assert additions.load() == {"1.000001": ["thả diều đêm: được không", "diều sáo"], "1.000002": ["# con trâu"]}
    additions.remove("1.000002", "# con trâu")
    additions.remove("1.000001", "diều sáo")
    assert additions.load() == {"1.000001": ["thả diều đêm: được không"]}
    additions.remove("1.000001", "thả diều đêm: được không")
    assert additions.load() == {}
    assert [p.name for p in additions.path.parent.iterdir()] == [additions.path.name]


@pytest.mark.parametrize(("phrase", "reason"), [("  ", "no letters"), ("123 ?", "no letters"), ("a" * 201, "at most")])
def test_what_is_no_phrase_is_refused(tmp_path: Path, phrase: str, reason: str) -> None:
    assert LONGEST == 200
    with pytest.raises(RefusedError, match=reason):
        Additions(tmp_path).add("1.000001", phrase)
    assert not Additions(tmp_path).path.exists()


def test_a_phrase_belongs_to_one_procedure(tmp_path: Path) -> None:
    additions = Additions(tmp_path)
    additions.add("1.000001", "Thả diều")
    with pytest.raises(RefusedError, match=r"1\.000001 has this phrase already"):
        additions.add("1.000002", "thả DIỀU")
    with pytest.raises(RefusedError, match="no phrase 'x' here"):
        additions.remove("1.000001", "x")


def test_a_mistake_by_hand_is_named_with_its_line(tmp_path: Path) -> None:
    additions = Additions(tmp_path)
    additions.path.write_text('"1.000001":\n  - a\n"1.2":\n  - b\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"phrases\.yml:4: '1\.2' is not a procedure code"):
        additions.load()
