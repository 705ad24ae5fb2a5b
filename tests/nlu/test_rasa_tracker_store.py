"""The tracker store by itself, in Rasa's environment."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from rasa_harness import inside

pytestmark = pytest.mark.rasa(model=False)

PRELUDE = """
import asyncio, sys, time
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import *
from nlu.tracker_store import BoundedTrackerStore
run = asyncio.new_event_loop().run_until_complete
domain = Domain.load("nlu/domain.yml")
path = {path!r}
def store(): return BoundedTrackerStore(domain, path=path)
def turn(s, sender, n, *more):
    t = run(s.get_or_create_tracker(sender, append_action_listen=False))
    start = [ActionExecuted("action_session_start"), SessionStarted(), ActionExecuted("action_listen")]
    place = [{{"entity": "place", "value": "xã Tuy Phước"}}]
    said = UserUttered(f"câu {{n}}", {{"name": "ask_fee", "confidence": 0.9}}, place)
    done = [ActionExecuted("action_fact"), BotUttered("dài " * 100), *more, ActionExecuted("action_listen")]
    for e in [*([] if t.events else start), said, *done]: t.update(e)
    run(s.save(t))
    return run(s.retrieve(sender))
"""


def check(path: Path, code: str) -> None:
    """Run ``code`` after the prelude; it must print ``fine``."""
    done = inside(PRELUDE.format(path=str(path / "tracker.db")) + textwrap.dedent(code) + '\nprint("fine")')
    assert "fine" in done.stdout, done.stderr


def test_keeps_slots_and_last_turns(tmp_path: Path) -> None:
    """Slots survive for ever, turns do not; the state is that of a whole history."""
    check(
        tmp_path,
        """
        s = store()
        t = turn(s, "a", 0, SlotSet("procedure", "1.001193"), SlotSet("pending", {"step": 2}))
        sizes = []
        for n in range(1, 50):
            t = turn(s, "a", n, SlotSet("misses", float(n)))
            sizes.append(len(t.events))
        assert t.get_slot("procedure") == "1.001193"
        assert (t.get_slot("pending"), t.get_slot("misses")) == ({"step": 2}, 49)
        assert [e.text for e in t.events if isinstance(e, UserUttered)] == ["câu 47", "câu 48", "câu 49"]
        assert t.latest_message.text == "câu 49" and t.latest_message.entities[0]["value"] == "xã Tuy Phước"
        assert t.latest_action_name == "action_listen" and t.followup_action is None
        assert len(set(sizes[5:])) == 1, sizes
        assert t.copy().current_slot_values() == t.current_slot_values()
        assert "dài" not in s._db.execute("SELECT turns FROM conversation").fetchone()[0]
        again = run(store().retrieve("a"))
        assert again.current_slot_values() == t.current_slot_values()
        """,
    )


def test_restart_deletes(tmp_path: Path) -> None:
    """A ``Restarted`` event anywhere in the turn deletes the sender, whatever follows it."""
    check(
        tmp_path,
        """
        s = store()
        turn(s, "a", 1, SlotSet("procedure", "1"))
        turn(s, "b", 1, SlotSet("procedure", "2"))
        assert turn(s, "a", 2, Restarted(), SlotSet("procedure", "3")) is None
        assert list(run(s.keys())) == ["b"]
        """,
    )


def test_purges_idle_conversations(tmp_path: Path) -> None:
    """What nobody came back to for ``TTHC_TRACKER_DAYS`` days goes at the next start."""
    check(
        tmp_path,
        """
        import os
        s = store()
        turn(s, "old", 1); turn(s, "new", 1)
        s._db.execute("UPDATE conversation SET seen = ? WHERE sender = 'old'", (time.time() - 31 * 86400,))
        assert list(run(store().keys())) == ["new"]
        s._db.execute("UPDATE conversation SET seen = ?", (time.time() - 8 * 86400,))
        os.environ["TTHC_TRACKER_DAYS"] = "7"
        assert list(run(store().keys())) == []
        """,
    )


def test_a_slot_of_an_older_domain_is_left_behind(tmp_path: Path) -> None:
    """A slot that no longer exists does no harm."""
    check(
        tmp_path,
        """
        s = store()
        turn(s, "a", 1, SlotSet("procedure", "1"))
        s._db.execute("UPDATE conversation SET slots = '{\\"gone\\": 1, \\"procedure\\": \\"1\\"}'")
        assert run(s.retrieve("a")).get_slot("procedure") == "1"
        """,
    )
