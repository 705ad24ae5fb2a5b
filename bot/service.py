"""``service.db``: what happens while the bot runs. Users only as keyed hashes, texts only after masking.

Tables: ``inbox`` and ``outbox`` (see :mod:`bot.inbox`), ``buttons`` (short key → payload), ``talks`` (slots of a
conversation as the last turn left them), ``progress`` (guides of a user, one a procedure: how far, what they answered
and ticked, its short code, whether it is ``parked``: put aside by starting over), ``unanswered`` (questions that found
nothing), ``ratings`` (how people got on, counted by day and procedure, of nobody in particular), ``users`` (last seen,
guides finished), ``owed`` (whom Rasa has yet to forget).
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlite_utils

FILE = "service.db"
OF_A_USER = ("buttons", "talks", "progress", "users")
ANSWERED_DAYS = 3
"""Days after which an answered delivery is forgotten; no channel repeats one that late."""

_SCHEMA = """
create table if not exists inbox (
    delivery text primary key, user text not null, text text not null, button text, received real not null,
    answered real, replies text
);
create index if not exists inbox_user on inbox (user);
create table if not exists outbox (
    delivery text not null, n integer not null, part text not null, state text not null, primary key (delivery, n)
) without rowid;
create table if not exists talks (user text primary key, slots text not null);
create table if not exists buttons (
    key text primary key, user text not null, position integer not null, label text not null, payload text not null,
    batch text not null, made real not null
);
create index if not exists buttons_user on buttons (user, made);
create table if not exists progress (
    user text not null, code text not null, portal text not null, step text not null, changed real not null,
    answers text not null default '{}', ticked text not null default '[]', short text not null default '',
    parked integer not null default 0, primary key (user, code)
);
create table if not exists ratings (
    day text not null, code text not null, answer text not null, times integer not null,
    primary key (day, code, answer)
);
create table if not exists unanswered (
    question text primary key, times integer not null, first real not null, last real not null
);
create table if not exists owed (user text primary key);
create table if not exists users (user text primary key, seen real not null, done integer not null default 0);
"""
_LATER = (
    ("inbox", "chat", "text not null default ''"), ("inbox", "channel", "text not null default 'console'"),
    ("inbox", "kind", "text not null default 'text'"), ("inbox", "place", "text not null default ''"),
    ("inbox", "sent", "real not null default 0"), ("inbox", "grouped", "integer not null default 0"),
    ("inbox", "state", "text not null default 'new'"), ("inbox", "attempts", "integer not null default 0"),
    ("inbox", "error", "text"), ("inbox", "outcome", "text"), ("inbox", "forget", "integer not null default 0"),
    ("progress", "answers", "text not null default '{}'"), ("progress", "ticked", "text not null default '[]'"),
    ("progress", "short", "text not null default ''"), ("users", "done", "integer not null default 0"),
)  # fmt: skip
"""Columns that a file of an earlier version may lack."""
_OF_ONE = """
begin;
alter table progress rename to progress_of_one;
{schema}
insert into progress (user, code, portal, step, changed, answers, ticked, short)
    select user, code, portal, step, changed, answers, ticked, short from progress_of_one;
drop table progress_of_one;
commit;
"""
"""For a file of an earlier version, which held one guide a user."""
SHORT = 6
_LETTERS, _MARKS = "ABCDEFGHJKMNPQRSTVWXYZ", "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without letters and digits that are taken for one another; letters alone at both halves' beginnings."""
Progress = dict[str, Any]
"""``code``, ``portal``, ``step``, ``answers`` (question -> option), ``ticked`` (papers), ``short`` (code to resume)."""


class Service:
    """Access to ``service.db``; every method is one transaction. Threads may share it."""

    def __init__(self, path: Path, *, durable: bool = False, patience: float = 10.0) -> None:
        """``durable``: what a method wrote outlives a power cut; ``patience``: seconds to wait for a locked file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode=wal")
        connection.execute(f"pragma synchronous={'full' if durable else 'normal'}")
        connection.execute("pragma secure_delete=on")
        connection.executescript(_SCHEMA)
        for table, column, kind in _LATER:
            if column not in {row[1] for row in connection.execute(f"pragma table_info({table})")}:
                connection.execute(f"alter table {table} add column {column} {kind}")
        if not any(row[1] == "parked" for row in connection.execute("pragma table_info(progress)")):
            connection.executescript(_OF_ONE.replace("{schema}", _SCHEMA))
        connection.execute("create index if not exists progress_short on progress (short)")
        connection.execute("create index if not exists inbox_open on inbox (chat, state) where state != 'done'")
        connection.execute("create index if not exists outbox_sending on outbox (state) where state = 'sending'")
        self.path, self.db = path, sqlite_utils.Database(connection)
        self._connection, self._lock = connection, threading.RLock()

    def run(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """One statement; by itself a transaction of its own."""
        with self._lock:
            return self._connection.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else on this connection meanwhile; within another one, a part of that."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:  # a full disk rolls back by itself
                    self._connection.execute("rollback")
                raise
            try:
                self._connection.execute("commit")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise

    # -- turns

    def outcome_of(self, delivery: str) -> dict[str, Any] | None:
        """What the turn of this delivery came to, None while it has not been taken."""
        row = self.run("select outcome from inbox where delivery = ?", (delivery,)).fetchone()
        return json.loads(row[0]) if row and row[0] else None

    def keep_outcome(self, delivery: str, outcome: dict[str, Any]) -> None:
        """Note what the turn of a delivery came to, so that it is never taken twice."""
        self.run("update inbox set outcome = ? where delivery = ?", (json.dumps(outcome, ensure_ascii=False), delivery))

    def slots(self, user: str) -> dict[str, Any]:
        """The slots as the last turn left them."""
        row = self.run("select slots from talks where user = ?", (user,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def keep_slots(self, user: str, slots: dict[str, Any] | None) -> None:
        """Set or end the slots of a conversation."""
        if slots is None:
            self.run("delete from talks where user = ?", (user,))
        else:
            self.run("insert or replace into talks values (?, ?)", (user, json.dumps(slots, ensure_ascii=False)))

    # -- a console's deliveries, which are answered where they came from

    def answered(self, delivery: str, replies: list[dict[str, Any]]) -> None:
        """Note the answer of a delivery; its text is not needed any more and is emptied."""
        self.run(
            "update inbox set answered = ?, replies = ?, text = '', state = 'done' where delivery = ?",
            (time.time(), json.dumps(replies, ensure_ascii=False), delivery),
        )

    def answer_of(self, delivery: str) -> list[dict[str, Any]] | None:
        """The replies that a delivery got, None while it has none."""
        row = self.run("select replies from inbox where delivery = ?", (delivery,)).fetchone()
        return json.loads(row[0]) if row and row[0] else None

    # -- buttons

    def keep_buttons(
        self, user: str, buttons: Sequence[tuple[str, str]], places: Sequence[int] = (), keep: int = 200
    ) -> list[str]:
        """Short keys (8 characters) for (label, payload) pairs of one reply. ``places``: their numbers (1, 2, 3…)."""
        batch, now = secrets.token_urlsafe(6), time.time()
        rows = [
            (secrets.token_urlsafe(6), user, i, label, payload, batch, now)
            for i, (label, payload) in zip(places or range(1, len(buttons) + 1), buttons, strict=True)
        ]
        with self.transaction():
            for row in rows:
                self.run("insert into buttons values (?, ?, ?, ?, ?, ?, ?)", row)
            self.run(
                "delete from buttons where user = ? and key not in"
                " (select key from buttons where user = ? order by made desc, position limit ?)",
                (user, user, keep),
            )
        return [row[0] for row in rows]

    def button(self, user: str, key: str) -> str | None:
        """The payload behind a key of this user's, None when it is unknown or somebody else's."""
        row = self.run("select payload from buttons where user = ? and key = ?", (user, key)).fetchone()
        return str(row[0]) if row else None

    def nth_button(self, user: str, position: int) -> str | None:
        """Key of the n-th button (from 1) of the user's last reply that had any."""
        row = self.run(
            "select key from buttons where user = ? and position = ? and batch ="
            " (select batch from buttons where user = ? order by made desc limit 1)",
            (user, position, user),
        ).fetchone()
        return str(row[0]) if row else None

    def last_buttons(self, user: str) -> int:
        """The highest number among the buttons of the user's last reply that had any."""
        row = self.run(
            "select max(position) from buttons where user = ? and batch ="
            " (select batch from buttons where user = ? order by made desc limit 1)",
            (user, user),
        ).fetchone()
        return int(row[0] or 0)

    # -- progress of guides

    def progress(self, user: str) -> Progress | None:
        """The guide in hand: the one moved last of those not put aside."""
        return self._held("user = ? and not parked order by changed desc", user)

    def begun(self, user: str, code: str = "") -> Progress | None:
        """A user's guide of this procedure, in hand or not; without a code the one moved last."""
        if code:
            return self._held("user = ? and code = ?", user, code)
        return self._held("user = ? order by changed desc", user)

    def shared(self, short: str) -> Progress | None:
        """The guide with this short code, whoever began it; the code says nothing about them."""
        return self._held("short = ? order by changed desc", short)

    def _held(self, where: str, *values: str) -> Progress | None:
        row = self.run(
            f"select code, portal, step, answers, ticked, short from progress where {where} limit 1", values
        ).fetchone()
        if not row:
            return None
        held = dict(zip(("code", "portal", "step", "answers", "ticked", "short"), row, strict=True))
        return held | {"answers": json.loads(held["answers"]), "ticked": json.loads(held["ticked"])}

    def keep_progress(self, user: str, held: Progress | None) -> None:
        """Set the guide in hand, or end it (then one begun before is in hand); a new one gets a short code."""
        if held is None:
            if current := self.progress(user):
                self.run("delete from progress where user = ? and code = ?", (user, current["code"]))
            return
        self.run(
            "insert into progress (user, code, portal, step, changed, answers, ticked, short)"
            " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (user, code) do update set"
            " portal = excluded.portal, step = excluded.step, changed = excluded.changed, answers = excluded.answers,"
            " ticked = excluded.ticked, short = excluded.short, parked = 0",
            (
                user,
                held["code"],
                held["portal"],
                held["step"],
                time.time(),
                json.dumps(held.get("answers", {})),
                json.dumps(held.get("ticked", [])),
                held.get("short") or new_short(),
            ),  # fmt: skip
        )

    def park(self, user: str) -> None:
        """Put all guides of a user aside: none is in hand then, none is lost."""
        self.run("update progress set parked = 1 where user = ?", (user,))

    # -- how people get on

    def finished(self, user: str) -> None:
        """Count a guide that a user has come to the end of."""
        self.run("update users set done = done + 1 where user = ?", (user,))

    def done(self, user: str) -> int:
        """Guides that a user has finished since they are known."""
        row = self.run("select done from users where user = ?", (user,)).fetchone()
        return int(row[0]) if row else 0

    def rate(self, code: str, answer: str) -> None:
        """Count how somebody got on with a procedure; not tied to anyone."""
        self.run(
            "insert into ratings values (date('now', '+7 hours'), ?, ?, 1)"
            " on conflict (day, code, answer) do update set times = times + 1",
            (code, answer),
        )

    # -- what was asked in vain

    def unanswered(self, question: str) -> None:
        """Count a masked question that found nothing; it is not tied to anyone."""
        now = time.time()
        self.run(
            "insert into unanswered values (?, 1, ?, ?) on conflict (question) do update set"
            " times = times + 1, last = excluded.last",
            (question[:500], now, now),
        )

    # -- forgetting

    def forget(self, user: str) -> None:
        """Delete all that is held of a user, but for messages still to be answered. Of the others their ids stay
        (keyed hashes that tell of nobody), so that none of them is taken for new when it is delivered again."""
        with self.transaction():
            for table in OF_A_USER:
                self.run(f"delete from {table} where user = ?", (user,))
            over = "select delivery from inbox where user = ? and state in ('done', 'dead')"
            self.run(f"delete from outbox where delivery in ({over})", (user,))
            self.run(
                "update inbox set user = '', chat = '', text = '', button = null, place = '', replies = null,"
                " outcome = null, error = null, state = 'done' where user = ? and state in ('done', 'dead')",
                (user,),
            )
        if not self._connection.in_transaction:
            self.overwrite()

    def overwrite(self) -> None:
        """Bring what was deleted out of the log beside the file, too."""
        self.run("pragma wal_checkpoint(truncate)")

    def owe_forgetting(self, user: str) -> None:
        """Note that Rasa has yet to forget a user, since it could not be reached."""
        self.run("insert or ignore into owed values (?)", (user,))

    def owed_forgettings(self) -> list[str]:
        """Users whom Rasa has yet to forget."""
        return [row[0] for row in self.run("select user from owed").fetchall()]

    def forgetting_done(self, user: str) -> None:
        """Rasa has forgotten a user."""
        self.run("delete from owed where user = ?", (user,))

    def purge(self, days: int) -> int:
        """Forget users not seen for ``days``, answered deliveries, old questions; returns users forgotten."""
        now = time.time()
        idle = [r[0] for r in self.run("select user from users where seen < ?", (now - days * 86400,)).fetchall()]
        for user in idle:
            self.forget(user)
        over = "(state = 'done' or channel = 'console')"
        old = f"select delivery from inbox where {over} and received < {now - ANSWERED_DAYS * 86400}"
        self.run(f"delete from outbox where delivery in ({old})")
        self.run(f"delete from inbox where delivery in ({old})")
        self.run("delete from inbox where received < ?", (now - days * 86400,))
        self.run("delete from outbox where delivery not in (select delivery from inbox)")
        self.run("delete from unanswered where last < ?", (now - days * 86400,))
        return len(idle)

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def new_short() -> str:
    """A new short code: six letters and digits that cannot be taken for one another."""
    while True:
        short = "".join(secrets.choice(_LETTERS if i % 3 == 0 else _MARKS) for i in range(SHORT))
        if any(c.isdigit() for c in short):  # so that it cannot be two words with a dash between them
            return short


def shown_short(short: str) -> str:
    """A short code as people read it out: ``K7M-Q4P``."""
    return f"{short[:3]}-{short[3:]}"


def read_short(text: str) -> str:
    """The short code in what somebody typed, without its dash; empty when there is none.

    >>> read_short("mã của em là k7m-q4p nha"), read_short("mua xe-may cu")
    ('K7MQ4P', '')
    """
    marks = f"[{_MARKS}{_MARKS.lower()}]"
    letter = f"[{_LETTERS}{_LETTERS.lower()}]"
    found = re.search(rf"(?<![\w-])({letter}{marks}{{2}})-({letter}{marks}{{2}})(?![\w-])", text)
    if not found or not any(c.isdigit() for c in found[0]):
        return ""
    return (found[1] + found[2]).upper()
