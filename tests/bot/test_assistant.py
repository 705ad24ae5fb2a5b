"""What a conversation draws on: loaded from a release, reloaded when another is published."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from bot import assistant as module
from bot.assistant import Assistant, Current
from bot.cli.catalogue import REQUIRED
from knowledge.additions import Additions
from knowledge.errors import RefusedError
from knowledge.guides import DIRECT
from knowledge.release import Releases


class Now(threading.Thread):
    """A thread that does its work at once."""

    def start(self) -> None:
        self.run()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.threading, "Thread", Now)
    monkeypatch.setattr(Current, "every", 0.0)


def publish_again(home: Path, tiny_draft: Path, mark: str) -> Path:
    releases = Releases(home)
    shutil.copytree(tiny_draft, releases.draft)
    (releases.draft / "mark").write_text(mark, encoding="utf-8")
    releases.publish(procedures=6, imported=6, required=REQUIRED, notes={})
    return releases.current()


def test_nothing_published(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no published release"):
        Current(tmp_path).get()


def test_a_switch_is_noticed(tiny_home: Path, tiny_draft: Path) -> None:
    current = Current(tiny_home)
    first = current.get()
    assert current.get() is first
    target = publish_again(tiny_home, tiny_draft, "hai")
    current.get()
    assert current.get().release == target
    assert current.get() is not first
    assert first.searcher.run("nuôi trâu").hits  # who still holds the old one can go on


def test_it_does_not_look_all_the_time(tiny_home: Path, tiny_draft: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Current, "every", 3600.0)
    current = Current(tiny_home)
    first = current.get()
    publish_again(tiny_home, tiny_draft, "ba")
    assert current.get() is first


def test_a_release_that_cannot_be_loaded_leaves_the_old_one(
    tiny_home: Path, tiny_draft: Path, caplog: pytest.LogCaptureFixture
) -> None:
    current = Current(tiny_home)
    first = current.get()
    target = publish_again(tiny_home, tiny_draft, "bốn")
    (target / "index" / "rows.json").write_text("{", encoding="utf-8")
    assert current.get() is first
    assert current.get() is first
    assert "cannot be loaded; the old one stays in use" in caplog.text


def test_procedures_and_guides(tiny_home: Path) -> None:
    made = Assistant.load(Releases(tiny_home).current())
    procedure = made.procedure("1.000002")
    assert procedure is not None
    assert made.procedure("9.999999") is None
    assert made.procedure(None) is None
    assert made.procedure("") is None
    assert made.guide(procedure).portal == "cong-quoc-gia"
    assert made.guide(procedure, DIRECT).portal == DIRECT
    assert made.guide(procedure, "khong-co").portal == "cong-quoc-gia"


def test_contacts_are_told_whole(tiny_home: Path) -> None:
    made = Assistant.load(Releases(tiny_home).current())
    lines = made.contact_lines()
    for hotline in made.contacts.hotlines.values():
        assert hotline.number in lines
    for centre in made.contacts.centres:
        assert centre.address in lines


def test_nearest_things(tiny_home: Path) -> None:
    made: Any = Assistant.load(Releases(tiny_home).current())
    rescue = next(iter(made.rescues.values()))
    first, second, third = made.stuck.run(rescue.title)
    assert first.id == rescue.id
    assert 1.01 > first.score >= second.score >= third.score
    assert made.stuck.run("") == []
    assert len(made.happened.run("trồng dừa", 1)) == 1


def test_phrases_of_staff_are_found_and_forgotten(tiny_home: Path) -> None:
    current, additions = Current(tiny_home), Additions(tiny_home)
    additions.add("1.000005", "bẻ buồng cau lùn")
    first = current.get()
    assert first.searcher.run("bẻ buồng cau lùn").hits[0].code == "1.000005"
    additions.add("1.000001", "phóng lồng đèn giấy")
    assert current.get() is first
    assert first.searcher.run("phóng lồng đèn giấy").hits[0].code == "1.000001"
    additions.remove("1.000005", "bẻ buồng cau lùn")
    current.get()
    assert current.get() is not first
    assert "cau" not in " ".join(h.matched for h in current.get().searcher.run("bẻ buồng cau lùn").hits)
    assert current.get().searcher.run("phóng lồng đèn giấy").hits[0].code == "1.000001"


def test_a_broken_file_of_phrases_leaves_all_as_it_was(tiny_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    current, additions = Current(tiny_home), Additions(tiny_home)
    first = current.get()
    additions.path.write_text("- lộn xộn", encoding="utf-8")
    assert current.get() is first
    assert "left as they were" in caplog.text
