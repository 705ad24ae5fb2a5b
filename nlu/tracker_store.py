"""A tracker store that remembers slots and a few turns, never a whole life of a conversation.

Chats on Telegram and Zalo have no end, and Rasa rebuilds a conversation from all its events at every turn. Here
one row a conversation holds the slot values and the last few user turns, so that the four hundredth turn costs
what the tenth does. A ``Restarted`` event deletes the row: whoever asks to be forgotten is forgotten.

What is dropped: the bot's own utterances, older turns, intent rankings, model ids. Rules look at the last user
turn only, so they decide as before.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Text

from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.constants import ACTION_LISTEN_NAME, SESSION_START_METADATA_SLOT
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    BotUttered,
    DefinePrevUserUtteredFeaturization,
    Event,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUttered,
    deserialise_events,
)
from rasa.shared.core.trackers import DialogueStateTracker

TURNS = 3
DAYS = 30
_DAY = 86400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversation (
    sender TEXT PRIMARY KEY, slots TEXT NOT NULL, turns TEXT NOT NULL, seen REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS conversation_seen ON conversation (seen);
"""
_DROPPED = (SlotSet, BotUttered, SessionStarted, DefinePrevUserUtteredFeaturization)
_DUMP = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class BoundedTrackerStore(TrackerStore):
    """One SQLite file (WAL), one row a conversation: slots, the last turns, and when it was last seen.

    Settings: ``path`` of the file (endpoints.yml), ``TTHC_TRACKER_TURNS`` user turns kept (default 3),
    ``TTHC_TRACKER_DAYS`` days after which an idle conversation is deleted (default 30; 0 keeps for ever).
    A turn is one transaction: after a kill it is there wholly or not at all.
    """

    def __init__(
        self,
        domain: Optional[Domain] = None,
        event_broker: Optional[EventBroker] = None,
        path: Text = "tracker.db",
        host: Optional[Text] = None,
        **kwargs: Any,
    ) -> None:
        """Open (and if need be create) the file at ``path`` and purge idle conversations."""
        super().__init__(domain, event_broker)
        self.turns = max(1, int(os.environ.get("TTHC_TRACKER_TURNS") or TURNS))
        self.days = float(os.environ.get("TTHC_TRACKER_DAYS") or DAYS)
        Path(path).expanduser().parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(os.path.expanduser(path), isolation_level=None, check_same_thread=False, timeout=10)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "busy_timeout=10000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self._purged = 0.0
        self.purge()

    def purge(self, now: Optional[float] = None) -> int:
        """Delete conversations idle for longer than ``TTHC_TRACKER_DAYS``; return how many."""
        self._purged = now = time.time() if now is None else now
        if not self.days:
            return 0
        cursor = self._db.execute("DELETE FROM conversation WHERE seen < ?", (now - self.days * _DAY,))
        return cursor.rowcount

    def forget(self, sender_id: Text) -> None:
        """Delete all that is kept of ``sender_id``, from the write-ahead log too."""
        self._db.execute("DELETE FROM conversation WHERE sender = ?", (sender_id,))
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Store slots and the last turns, or delete everything when the conversation was restarted."""
        if self.event_broker is not None:
            await self.stream_events(tracker)
        if any(isinstance(e, Restarted) for e in tracker.events):
            self.forget(tracker.sender_id)
            return
        if not tracker.events:  # a conversation that has not begun
            return
        if time.time() - self._purged > _DAY:
            self.purge()
        slots = {
            name: slot.value
            for name, slot in tracker.slots.items()
            if slot.value != slot.initial_value and name != SESSION_START_METADATA_SLOT
        }
        turns = [_pack(e) for e in _last_turns(tracker, self.turns)]
        self._db.execute(
            "INSERT OR REPLACE INTO conversation VALUES (?, ?, ?, ?)",
            (tracker.sender_id, _DUMP(slots), _DUMP(turns), time.time()),
        )

    async def retrieve(self, sender_id: Text) -> Optional[DialogueStateTracker]:
        """Rebuild the conversation: slots first, then the kept turns; ``None`` if there is none."""
        row = self._db.execute("SELECT slots, turns FROM conversation WHERE sender = ?", (sender_id,)).fetchone()
        if row is None:
            return None
        tracker = self.init_tracker(sender_id)
        for name, value in json.loads(row[0]).items():
            if name in tracker.slots:  # a slot of an older domain is left behind
                tracker.update(SlotSet(name, value))
        for packed in json.loads(row[1]):
            tracker.update(_unpack(packed))
        return tracker

    async def keys(self) -> Iterable[Text]:
        """Return the ids of all kept conversations."""
        return [row[0] for row in self._db.execute("SELECT sender FROM conversation")]


def _last_turns(tracker: DialogueStateTracker, turns: int) -> List[Event]:
    """Return the events from the listening before the ``turns``-last user message on, without the dropped kinds."""
    kept: List[Event] = []
    left = turns
    for event in reversed(tracker.events):
        if isinstance(event, _DROPPED):
            continue
        kept.append(event)
        if isinstance(event, UserUttered):
            left -= 1
        elif not left and isinstance(event, ActionExecuted) and event.action_name == ACTION_LISTEN_NAME:
            break
    return kept[::-1]


def _pack(event: Event) -> List[Any]:
    if isinstance(event, ActionExecuted) and event.action_name:
        return ["a", event.action_name, event.timestamp]
    if isinstance(event, UserUttered):
        intent = {k: event.intent[k] for k in ("name", "confidence") if k in event.intent}
        return ["u", event.text, intent, event.entities, event.input_channel, event.timestamp]
    data: Dict[Text, Any] = event.as_dict()
    data.pop("metadata", None)
    return ["e", data]


def _unpack(packed: List[Any]) -> Event:
    kind = packed[0]
    if kind == "a":
        return ActionExecuted(packed[1], timestamp=packed[2])
    if kind == "u":
        _, text, intent, entities, channel, timestamp = packed
        return UserUttered(text, intent, entities, timestamp=timestamp, input_channel=channel)
    return deserialise_events([packed[1]])[0]
