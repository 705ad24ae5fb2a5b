"""``service.db``: what happens while the bot runs. Users only as keyed hashes, texts only after masking.

Tables: ``inbox`` (deliveries and their answers, so that a second delivery finds itself), ``buttons`` (short key →
payload), ``progress`` (guide in hand of a user), ``unanswered`` (questions that found nothing), ``users`` (last seen),
``owed`` (whom Rasa has yet to forget).
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlite_utils

FILE = "service.db"
OF_A_USER = ("inbox", "buttons", "progress", "users")
ANSWERED_DAYS = 3
"""Days after which an answered delivery is forgotten; no channel repeats one that late."""

_SCHEMA = """
create table if not exists inbox (
    delivery text primary key, user text not null, text text not null, button text, received real not null,
    answered real, replies text
);
create index if not exists inbox_user on inbox (user);
create table if not exists buttons (
    key text primary key, user text not null, position integer not null, label text not null, payload text not null,
    batch text not null, made real not null
);
create index if not exists buttons_user on buttons (user, made);
create table if not exists progress (
    user text primary key, code text not null, portal text not null, step text not null, changed real not null
);
create table if not exists unanswered (
    question text primary key, times integer not null, first real not null, last real not null
);
create table if not exists owed (user text primary key);
create table if not exists users (user text primary key, seen real not null);
"""


class Service:
    """Access to ``service.db``; every method is one transaction. Threads may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=normal")
        connection.execute("pragma secure_delete=on")
        connection.executescript(_SCHEMA)
        self.path, self.db = path, sqlite_utils.Database(connection)
        self._connection, self._lock = connection, threading.RLock()

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        with self._lock:
            return self._connection.execute(sql, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else on this connection meanwhile."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    # -- inbox

    def receive(self, delivery: str, user: str, text: str, button: str | None) -> bool:
        """Keep a delivery. False when it was kept before."""
        now = time.time()
        cursor = self._run(
            "insert or ignore into inbox (delivery, user, text, button, received) values (?, ?, ?, ?, ?)",
            (delivery, user, text, button, now),
        )
        fresh = cursor.rowcount == 1
        if fresh:
            self._run(
                "insert into users values (?, ?) on conflict (user) do update set seen = excluded.seen", (user, now)
            )
        return fresh

    def answered(self, delivery: str, replies: list[dict[str, Any]]) -> None:
        """Note the answer of a delivery; its text is not needed any more and is emptied."""
        self._run(
            "update inbox set answered = ?, replies = ?, text = '' where delivery = ?",
            (time.time(), json.dumps(replies, ensure_ascii=False), delivery),
        )

    def answer_of(self, delivery: str) -> list[dict[str, Any]] | None:
        """The replies that a delivery got, None while it has none."""
        row = self._run("select replies from inbox where delivery = ?", (delivery,)).fetchone()
        return json.loads(row[0]) if row and row[0] else None

    def waiting(self) -> list[tuple[str, str, str, str | None]]:
        """Deliveries without an answer, oldest first: (delivery, user, text, button)."""
        rows = self._run(
            "select delivery, user, text, button from inbox where answered is null order by received, rowid"
        )
        return list(rows.fetchall())

    # -- buttons

    def keep_buttons(self, user: str, buttons: Iterable[tuple[str, str]], keep: int = 200) -> list[str]:
        """Short keys (8 characters) for (label, payload) pairs of one reply."""
        batch, now = secrets.token_urlsafe(6), time.time()
        rows = [
            (secrets.token_urlsafe(6), user, i, label, payload, batch, now)
            for i, (label, payload) in enumerate(buttons, 1)
        ]
        with self._transaction():
            for row in rows:
                self._run("insert into buttons values (?, ?, ?, ?, ?, ?, ?)", row)
            self._run(
                "delete from buttons where user = ? and key not in"
                " (select key from buttons where user = ? order by made desc, position limit ?)",
                (user, user, keep),
            )
        return [row[0] for row in rows]

    def button(self, user: str, key: str) -> str | None:
        """The payload behind a key of this user's, None when it is unknown or somebody else's."""
        row = self._run("select payload from buttons where user = ? and key = ?", (user, key)).fetchone()
        return str(row[0]) if row else None

    def nth_button(self, user: str, position: int) -> str | None:
        """Key of the n-th button (from 1) of the user's last reply that had any."""
        row = self._run(
            "select key from buttons where user = ? and position = ? and batch ="
            " (select batch from buttons where user = ? order by made desc limit 1)",
            (user, position, user),
        ).fetchone()
        return str(row[0]) if row else None

    # -- progress of guides

    def progress(self, user: str) -> dict[str, str] | None:
        """The guide in hand: code, portal, step."""
        row = self._run("select code, portal, step from progress where user = ?", (user,)).fetchone()
        return dict(zip(("code", "portal", "step"), row, strict=True)) if row else None

    def keep_progress(self, user: str, held: dict[str, str] | None) -> None:
        """Set or end the guide in hand."""
        if held is None:
            self._run("delete from progress where user = ?", (user,))
            return
        self._run(
            "insert into progress values (?, ?, ?, ?, ?) on conflict (user) do update set"
            " code = excluded.code, portal = excluded.portal, step = excluded.step, changed = excluded.changed",
            (user, held["code"], held["portal"], held["step"], time.time()),
        )

    # -- what was asked in vain

    def unanswered(self, question: str) -> None:
        """Count a masked question that found nothing; it is not tied to anyone."""
        now = time.time()
        self._run(
            "insert into unanswered values (?, 1, ?, ?) on conflict (question) do update set"
            " times = times + 1, last = excluded.last",
            (question[:500], now, now),
        )

    # -- forgetting

    def forget(self, user: str) -> None:
        """Delete all that is held of a user."""
        with self._transaction():
            for table in OF_A_USER:
                self._run(f"delete from {table} where user = ?", (user,))
        self._run("pragma wal_checkpoint(truncate)")

    def owe_forgetting(self, user: str) -> None:
        """Note that Rasa has yet to forget a user, since it could not be reached."""
        self._run("insert or ignore into owed values (?)", (user,))

    def owed_forgettings(self) -> list[str]:
        """Users whom Rasa has yet to forget."""
        return [row[0] for row in self._run("select user from owed").fetchall()]

    def forgetting_done(self, user: str) -> None:
        """Rasa has forgotten a user."""
        self._run("delete from owed where user = ?", (user,))

    def purge(self, days: int) -> int:
        """Forget users not seen for ``days``, answered deliveries, old questions; returns users forgotten."""
        now = time.time()
        idle = [r[0] for r in self._run("select user from users where seen < ?", (now - days * 86400,)).fetchall()]
        for user in idle:
            self.forget(user)
        self._run("delete from inbox where answered < ?", (now - ANSWERED_DAYS * 86400,))
        self._run("delete from unanswered where last < ?", (now - days * 86400,))
        return len(idle)

    def close(self) -> None:
        """Close the file."""
        self.db.close()
