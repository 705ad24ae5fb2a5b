"""Inbox and outbox in ``service.db``: what came in, what goes out, and how far each is, so that a kill loses nothing.

A delivery is ``new`` until its answer is made, ``answered`` while its parts are on their way, then ``done``; ``dead``
when it was given up and staff have to look. A part is ``ready``, ``sending`` (a call is under way: after a kill nobody
knows whether it arrived), ``sent``, ``unsure`` (it may have arrived) or ``dropped``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.message import Incoming, Kind
from bot.reply import Part
from bot.service import Service


@dataclass(frozen=True)
class Kept:
    """A delivery as it is kept. ``place`` is sealed; ``text`` is masked and empty once it is done."""

    delivery: str
    user: str
    chat: str
    channel: str
    kind: Kind
    text: str
    button: str | None
    group: bool
    place: str
    state: str
    received: float
    attempts: int


@dataclass(frozen=True)
class Row:
    """A part in the outbox."""

    delivery: str
    n: int
    part: Part
    state: str


_COLUMNS = "delivery, user, chat, channel, kind, text, button, grouped, place, state, received, attempts"


class Inbox:
    """Deliveries and parts; every method is one transaction. Raises sqlite3.Error when it cannot be written."""

    def __init__(self, service: Service) -> None:
        self._service = service

    # -- in

    def receive(self, delivery: str, incoming: Incoming, user: str, chat: str, text: str, place: str = "") -> bool:
        """Keep a delivery; False when it was kept before."""
        now = time.time()
        with self._service.transaction():
            cursor = self._service.run(
                "insert or ignore into inbox (delivery, user, chat, channel, kind, text, button, grouped, place, sent,"
                " received) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (delivery, user, chat, incoming.channel, incoming.kind, text, incoming.button, incoming.group, place,
                 incoming.sent, now),
            )  # fmt: skip
            if cursor.rowcount == 1:
                self._service.run(
                    "insert into users (user, seen) values (?, ?)"
                    " on conflict (user) do update set seen = excluded.seen",
                    (user, now),
                )
        return cursor.rowcount == 1

    def known(self, delivery: str) -> bool:
        """Whether it was kept before."""
        return self._service.run("select 1 from inbox where delivery = ?", (delivery,)).fetchone() is not None

    def waiting(self, chat: str) -> int:
        """Deliveries of a chat that are not done yet."""
        row = self._service.run(
            "select count(*) from inbox where chat = ? and state in ('new', 'answered')", (chat,)
        ).fetchone()
        return int(row[0])

    def open_chats(self) -> list[str]:
        """Chats with work left, the longest waiting first."""
        rows = self._service.run(
            "select chat from inbox where state in ('new', 'answered') and channel != 'console'"
            " group by chat order by min(received)"
        )
        return [row[0] for row in rows.fetchall()]

    def next(self, chat: str) -> Kept | None:
        """What is to be done next in a chat: the answer on its way first, then what was sent first."""
        row = self._service.run(
            f"select {_COLUMNS} from inbox where chat = ? and state in ('new', 'answered')"
            " order by state = 'new', sent, rowid limit 1",
            (chat,),
        ).fetchone()
        return _kept(row) if row else None

    def find(self, delivery: str) -> Kept | None:
        """A delivery by its id, None when it is unknown."""
        row = self._service.run(f"select {_COLUMNS} from inbox where delivery = ?", (delivery,)).fetchone()
        return _kept(row) if row else None

    def failed(self, delivery: str, error: str) -> int:
        """Note that an attempt failed; the number of attempts so far."""
        self._service.run("update inbox set attempts = attempts + 1, error = ? where delivery = ?", (error, delivery))
        row = self._service.run("select attempts from inbox where delivery = ?", (delivery,)).fetchone()
        return int(row[0]) if row else 0

    # -- answers

    def answered(self, delivery: str, parts: Sequence[Part], *, forget: bool = False) -> None:
        """Keep the answer of a delivery, to be sent part by part; its text is not needed any more and is emptied."""
        with self._service.transaction():
            for n, part in enumerate(parts):
                self._insert(delivery, n, part)
            self._service.run(
                "update inbox set state = ?, answered = ?, text = '', forget = ? where delivery = ?",
                ("answered", time.time(), forget, delivery),
            )

    def _insert(self, delivery: str, n: int, part: Part) -> None:
        self._service.run(
            "insert or ignore into outbox (delivery, n, part, state) values (?, ?, ?, 'ready')",
            (delivery, n, json.dumps(part.to_json(), ensure_ascii=False)),
        )

    def add_part(self, delivery: str, part: Part, n: int) -> None:
        """One more part, as the n-th."""
        with self._service.transaction():
            self._insert(delivery, n, part)

    def parts(self, delivery: str) -> list[Row]:
        """All parts of a delivery's answer, in order."""
        rows = self._service.run(
            "select delivery, n, part, state from outbox where delivery = ? order by n", (delivery,)
        )
        return [Row(d, n, Part.from_json(json.loads(part)), state) for d, n, part, state in rows.fetchall()]

    def mark(self, delivery: str, n: int, state: str) -> None:
        """Set how far a part is."""
        self._service.run("update outbox set state = ? where delivery = ? and n = ?", (state, delivery, n))

    def done(self, delivery: str, *, sent: int | None = None) -> None:
        """All is sent (``sent``: the last part): forget where it went, and its sender if that was asked."""
        with self._service.transaction():
            if sent is not None:
                self.mark(delivery, sent, "sent")
            self._service.run(
                "update inbox set state = 'done', place = '', text = '', error = null where delivery = ?", (delivery,)
            )
            row = self._service.run("select user from inbox where delivery = ? and forget", (delivery,)).fetchone()
            if row:
                self._service.forget(row[0])
        if row:
            self._service.overwrite()

    def die(self, delivery: str, error: str) -> None:
        """Give a delivery up; it waits for staff."""
        self._service.run("update inbox set state = 'dead', error = ? where delivery = ?", (error, delivery))

    def interrupted(self) -> int:
        """At the start: parts whose sending was cut off are unsure from now on; how many."""
        return self._service.run("update outbox set state = 'unsure' where state = 'sending'").rowcount

    # -- for staff

    def dead(self) -> list[dict[str, Any]]:
        """Dead letters: delivery, channel, received, attempts, error; oldest first."""
        rows = self._service.run(
            "select delivery, channel, received, attempts, error from inbox where state = 'dead' order by received"
        )
        return [dict(zip(("delivery", "channel", "received", "attempts", "error"), r, strict=True)) for r in rows]

    def counts(self) -> dict[str, int]:
        """Deliveries by state, and ``oldest``: seconds that the longest waiting one waits."""
        rows = self._service.run("select state, count(*) from inbox where state != 'done' group by state").fetchall()
        (since,) = self._service.run("select min(received) from inbox where state in ('new', 'answered')").fetchone()
        return {"new": 0, "answered": 0, "dead": 0, **dict(rows), "oldest": int(time.time() - since) if since else 0}

    def replay(self, delivery: str) -> bool:
        """Have a dead letter handled again: its unsent parts, or all of it; False when it is not dead."""
        with self._service.transaction():
            answered = self._service.run("select 1 from outbox where delivery = ?", (delivery,)).fetchone()
            self._service.run("update outbox set state = 'ready' where delivery = ? and state = 'dropped'", (delivery,))
            cursor = self._service.run(
                "update inbox set state = ?, attempts = 0, received = ? where delivery = ? and state = 'dead'",
                ("answered" if answered else "new", time.time(), delivery),
            )
        return cursor.rowcount == 1

    def drop(self, delivery: str) -> bool:
        """Put a dead letter away unanswered; False when it is not dead."""
        cursor = self._service.run(
            "update inbox set state = 'done', place = '', text = '' where delivery = ? and state = 'dead'", (delivery,)
        )
        return cursor.rowcount == 1


def _kept(row: tuple[Any, ...]) -> Kept:
    delivery, user, chat, channel, kind, text, button, grouped, place, state, received, attempts = row
    return Kept(
        delivery, user, chat, channel, kind, text, button, bool(grouped), place, state, received, attempts
    )  # fmt: skip
