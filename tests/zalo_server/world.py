"""What the Zalo of the tests knows: accounts, people, tokens, what was sent and what is to go wrong."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

HOUR = 3600.0
FREE, BILLED = 48 * HOUR, 7 * 24 * HOUR
"""Seconds after a person's last word in which an Official Account may answer for nothing, and for money."""
FREE_REPLIES = 8
"""Messages that cost nothing after each word of a person."""
_numbers = itertools.count(1)


def number(digits: int = 18) -> str:
    """A new id as Zalo's: digits, in a string, and no two alike."""
    return str(secrets.randbelow(9 * 10 ** (digits - 5)) + 10 ** (digits - 5)) + f"{next(_numbers):04d}"


@dataclass
class Fault:
    """What the next ``times`` calls of ``method`` meet.

    ``error``: a code inside HTTP 200; ``status``: an HTTP status; ``close``: the connection is cut; ``done``: only
    after the call was carried out; ``slow``: seconds before anything of this happens (alone: the call just takes that
    long).
    """

    method: str
    times: int = 1
    error: int = 0
    status: int = 0
    retry_after: str = ""
    close: bool = False
    done: bool = False
    slow: float = 0.0


@dataclass
class Person:
    """Somebody as an account knows them. ``last``: when they last said something (the account's clock)."""

    id: str
    follows: bool = True
    last: float = 0.0
    free: int = 0


@dataclass
class Account:
    """An Official Account or a bot; ``key`` is the id of the one, the token of the other."""

    key: str
    webhook: str = ""
    retry_factor: float = 0.01
    """Of the real waits before a delivery is tried again: 30 s, 5 min, 15 min, 30 min, 1 h."""
    offset: float = 0.0
    """Seconds that this account's clock is ahead of the machine's."""
    people: dict[str, Person] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    got: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What was sent, by person."""
    calls: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    duplicate: int = 0
    """Deliveries to come that are made twice."""
    reorder: int = 0
    """Deliveries to come that are held back and then made the last first."""
    forge: list[str] = field(default_factory=list)
    """How the next deliveries lie, see :mod:`tests.zalo_server.delivery`."""
    held: list[Any] = field(default_factory=list)
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    """Set when something is sent to the person."""
    recent: deque[float] = field(default_factory=deque)
    """Times of the last minute's calls."""

    def now(self) -> float:
        """This account's clock, seconds since 1970."""
        return time.time() + self.offset

    def fault(self, method: str) -> Fault | None:
        """What this call meets, and one less of it."""
        for fault in self.faults:
            if fault.method in (method, "*") and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def called(self) -> int:
        """Count a call; how many there were within a minute."""
        now = time.monotonic()
        self.recent.append(now)
        while self.recent[0] < now - 60:
            self.recent.popleft()
        return len(self.recent)

    def person(self, user: str) -> Person:
        """Somebody, known from now on."""
        return self.people.setdefault(user, Person(user))

    def heard(self, user: str) -> None:
        """A person said something: the time in which they may be answered begins again."""
        person = self.person(user)
        person.last, person.free = self.now(), FREE_REPLIES

    def keep(self, user: str, text: str, buttons: list[Any]) -> str:
        """Record a message as sent; its id."""
        message = secrets.token_hex(10)
        record = {"user": user, "text": text, "buttons": buttons, "id": message, "at": time.time(), "clock": self.now()}
        self.sent.append(record)
        self.got.setdefault(user, []).append(record)
        self.waiting.pop(user, asyncio.Event()).set()
        return message


@dataclass
class Official(Account):
    """An Official Account with the app that speaks for it."""

    app_id: str = field(default_factory=number)
    app_secret: str = field(default_factory=lambda: secrets.token_hex(10))
    secret: str = field(default_factory=lambda: secrets.token_hex(10))
    """The OA secret key, which signs deliveries."""
    sign_with: str = "app_id"
    life: float = 90_000.0
    """Seconds that an access token lives."""
    access: dict[str, float] = field(default_factory=dict)
    """Access tokens and when they end."""
    refresh: dict[str, bool] = field(default_factory=dict)
    """Refresh tokens and whether they were used."""
    rate: int = 4000
    """Calls a minute that the app may make."""
    quota: int = 1_000_000
    """Messages beyond the free ones that the package pays for."""
    echo: bool = True
    """Tell the webhook of every message that the account itself sends."""

    def tokens(self) -> dict[str, str]:
        """A new pair of tokens, as Zalo's answer."""
        access, refresh = f"{self.key}.{secrets.token_urlsafe(30)}", f"r{self.key}.{secrets.token_urlsafe(30)}"
        self.access[access], self.refresh[refresh] = self.now() + self.life, False
        return {"access_token": access, "refresh_token": refresh, "expires_in": str(int(self.life))}


@dataclass
class Bot(Account):
    """A bot of the Bot Platform."""

    hook_secret: str = ""
    hook_updated: int = 0
    updates: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    idle_status: int = 408
    """HTTP status of getUpdates when nothing came; sources differ, so a client has to take 200 as well."""


class World:
    """All accounts of one server."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.tasks: set[asyncio.Task[Any]] = set()

    def official(self, **given: Any) -> Official:
        """A new Official Account."""
        made = Official(**{"key": number(), **given})
        self.accounts[made.key] = made
        return made

    def bot(self, **given: Any) -> Bot:
        """A new bot."""
        made = Bot(**{"key": f"{number()}:{secrets.token_urlsafe(30)}", **given})
        self.accounts[made.key] = made
        return made

    def by_app(self, app_id: str) -> Official | None:
        """The Official Account that an app speaks for."""
        return next((a for a in self.accounts.values() if isinstance(a, Official) and a.app_id == app_id), None)

    def by_access(self, token: str) -> Official | None:
        """The Official Account that an access token, living or not, was made for."""
        account = self.accounts.get(token.partition(".")[0])
        return account if isinstance(account, Official) else None

    def spawn(self, work: Any) -> None:
        """Run a coroutine beside everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
