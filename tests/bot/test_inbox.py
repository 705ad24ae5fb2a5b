"""`tthc inbox` and what `tthc doctor` says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.inbox import Inbox
from bot.message import Incoming
from bot.reply import Part
from bot.service import FILE, Service


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two dead letters, one of them half answered, and a message that waits."""
    service = Service(tmp_path / FILE)
    inbox = Inbox(service)
    for delivery in ("aa11", "aa22", "bb33"):
        inbox.receive(delivery, Incoming("zalo", "1", "x", delivery), "u", "u", "x", "sealed")
    inbox.answered("aa11", [Part("một"), Part("hai")])
    inbox.mark("aa11", 0, "sent")
    inbox.mark("aa11", 1, "dropped")
    inbox.die("aa11", "Zalo refuses a message (-201)")
    inbox.die("aa22", "too old to be answered")
    service.close()
    return tmp_path


def states(home: Path) -> dict[str, str]:
    service = Service(home / FILE)
    found = {row["delivery"]: row["state"] for row in service.db["inbox"].rows}
    service.close()
    return found


def test_what_waits_and_what_is_dead(home: Path, tthc: Any) -> None:
    said = tthc(home, "inbox")
    assert said.code == 0
    first, *letters = said.out.splitlines()
    assert first.startswith("waiting 1, being sent 0, oldest ")
    assert first.endswith("dead 2")
    assert [line.split()[0] for line in letters] == ["aa11", "aa22"]
    assert letters[0].endswith("Zalo refuses a message (-201)")


def test_a_letter_is_named_by_its_beginning_and_only_if_one_begins_so(home: Path, tthc: Any) -> None:
    assert tthc(home, "inbox", "replay", "aa").err == "tthc: aa: several dead letters begin so\n"
    assert tthc(home, "inbox", "drop", "bb").err == "tthc: bb: no dead letter begins so\n"
    assert tthc(home, "inbox", "replay", "aa1").out == "put back: 1\n"
    assert states(home) == {"aa11": "answered", "aa22": "dead", "bb33": "new"}
    service = Service(home / FILE)
    assert [row.state for row in Inbox(service).parts("aa11")] == ["sent", "ready"], "what was sent is not sent again"
    service.close()


def test_all_are_put_back_and_one_is_dropped(home: Path, tthc: Any) -> None:
    assert tthc(home, "inbox", "drop", "aa22").out == "dropped: 1\n"
    assert tthc(home, "inbox", "replay").out == "put back: 1\n"
    assert states(home) == {"aa11": "answered", "aa22": "done", "bb33": "new"}
    assert tthc(home, "inbox").out.splitlines()[1:] == []


def test_doctor_tells_of_dead_letters(home: Path, settings_for: Any) -> None:
    from bot.doctor import _inbox, _zalo

    check = _inbox(settings_for(home))
    assert not check.fine
    assert "2 dead letters" in check.said
    assert _zalo(settings_for(home)).fine
    half = _zalo(settings_for(home, zalo_app_id="1", zalo_secret="s"))
    assert not half.fine
    assert "TTHC_ZALO_REFRESH_TOKEN" in half.said
    assert "TTHC_ZALO_SECRET" not in half.said
