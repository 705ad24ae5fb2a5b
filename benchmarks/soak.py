"""Soak: people on Telegram and Zalo talk while everything breaks; each answer has to come, once, in its order.

The real ``tthc serve`` with its Rasa and action server behind local Telegram and Zalo servers. Meanwhile gateway, Rasa
and action server are killed (SIGKILL), deliveries come twice and in the wrong order, sending fails (429, 5xx, -32,
-216, a connection cut after the message was taken), the disk is full for a while and ``service.db`` locked.

What is asked is answered with the code of a procedure, so that each person's screen tells: the codes shown have to be
the codes asked, in that order. Where the bot says that an answer may have been lost, the person taps to see it only
when it is missing; an answer shown a second time unasked is a fault. Zalo repeats a refused delivery later, while the
next one may be taken at once: an answer is out of order only when its message had been taken before the other's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil

from benchmarks.bare import free_port
from benchmarks.report import emit, progress, quantile, table
from bot.processes import MODEL
from bot.service import FILE
from bot.settings import ROOT, settings
from bot.texts import text
from knowledge.release import Releases

CODE = re.compile(r"Mã thủ tục: (\d\.\d{6})")
QUESTIONS = {"đăng ký tạm trú": "1.004194", "đăng ký kết hôn": "1.000894", "đăng ký khai sinh cho con": "1.001193"}
"""Questions in plain words with sure answers; the others are links with a code (``/start 1_001193``)."""
PATIENCE = 150.0
"""Seconds without an answer after which it counts as lost; the longest breakdown here takes a third of it."""
QUIET = 6.0
"""Seconds without news after which somebody who still misses an answer taps to see it."""
PARTS = ("gateway", "rasa", "actions")


@dataclass(frozen=True)
class Screen:
    """A message as a person sees it."""

    text: str
    labels: list[str]


class Phone(Protocol):
    """Somebody's way to the bot."""

    async def say(self, words: str) -> object: ...
    async def tap(self, label: str) -> object: ...
    async def screens(self) -> list[Screen]: ...
    async def taken(self) -> list[float] | None: ...


@dataclass
class Person:
    """Asks, waits, looks; ``asked`` and ``shown``: codes in order; ``faults`` in words."""

    name: str
    phone: Phone
    chance: random.Random
    codes: list[str]
    asked: list[str] = field(default_factory=list)
    again: int = 0
    overtaken: int = 0
    """Messages that the channel itself delivered after a later one."""
    faults: list[str] = field(default_factory=list)
    answered: list[tuple[float, float, bool]] = field(default_factory=list)
    """(sent, answered, in full: not from the index alone) of each single question."""

    async def live(self, over: Callable[[], bool]) -> None:
        """Talk until it is over; then everything asked has to be on the screen."""
        while not over() and not self.faults:
            count = self.chance.choice((1, 1, 1, 2, 3))
            began = time.time()
            for _ in range(count):
                await self._ask()
            if await self._all_there() and count == 1:
                last = (await self.phone.screens())[-1].text
                self.answered.append((began, time.time(), text("simple_mode") not in last))
            await asyncio.sleep(self.chance.uniform(0.3, 2.5))

    async def _ask(self) -> None:
        before = self.asked[-1] if self.asked else ""
        code = self.chance.choice([c for c in self.codes if c != before])
        words = f"/start {code.replace('.', '_')}"
        if self.chance.random() < 0.3:
            words, code = self.chance.choice([q for q in QUESTIONS.items() if q[1] != before])
        self.asked.append(code)
        await self.phone.say(words)

    async def _all_there(self) -> bool:
        until, tapped, taps, moved, seen = time.monotonic() + PATIENCE, 0, 0, time.monotonic(), 0
        while time.monotonic() < until:
            screens = await self.phone.screens()
            if len(screens) != seen:
                moved, seen = time.monotonic(), len(screens)
            shown = [code for screen in screens for code in CODE.findall(screen.text)]
            found = verdict(self.asked, shown, taps, None)
            if found == "order":
                found = verdict(self.asked, shown, taps, await self.phone.taken())
            if found in ("right", "overtaken"):
                self.overtaken += found == "overtaken"
                self.asked = shown
                return True
            if found != "waiting":
                self.faults.append(f"{found}: asked {self.asked[-4:]}, shown {shown[-5:]}, taps {taps}")
                return False
            notes = sum(text("maybe_lost") in screen.text for screen in screens)
            if notes > tapped and time.monotonic() - moved > QUIET and screens[-1].labels == [text("button_again")]:
                tapped, taps = notes, taps + 1
                self.again += 1
                await self.phone.tap(text("button_again"))
            await asyncio.sleep(0.25)
        self.faults.append(f"lost: asked {self.asked[-4:]}, shown {shown[-5:]}")
        return False


def verdict(asked: list[str], shown: list[str], taps: int, taken: list[float] | None) -> str:
    """What a screen tells: ``right``, ``waiting`` for more, ``overtaken`` (by the channel), ``twice``, ``order``.

    ``taps``: how often the person asked to see an answer again, which may then stand there twice, or late.
    ``taken``: when each message was accepted from the channel, if that can be told.
    """
    if Counter(asked) - Counter(shown):
        return "waiting"
    if sum((Counter(shown) - Counter(asked)).values()) > taps:
        return "twice"
    at = 0
    for code in shown:
        at += at < len(asked) and code == asked[at]
    if at == len(asked) or taps:
        return "right"
    return "overtaken" if taken and _as_taken(asked, shown, taken) else "order"


def _as_taken(asked: list[str], shown: list[str], taken: list[float]) -> bool:
    """Whether of any two answers in another order than asked the first one's message was taken first."""
    places = dict[str, list[int]]()
    for place, code in enumerate(asked):
        places.setdefault(code, []).append(place)
    order = [places[code].pop(0) for code in shown]
    return all(
        taken[earlier] > taken[later] for n, later in enumerate(order) for earlier in order[n + 1 :] if earlier < later
    )


class World:
    """The bot under a home of its own and the hand that breaks it."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.ports = {"rasa": free_port(), "actions": free_port()}
        self.web = free_port()
        self.environment = {
            **os.environ, **environment, "TTHC_HOME": str(home), "TTHC_RASA_PORT": str(self.ports["rasa"]),
            "TTHC_ACTIONS_PORT": str(self.ports["actions"]), "TTHC_WEB_PORT": str(self.web),
            "TTHC_MESSAGES_PER_MINUTE": "100000", "TTHC_MESSAGES_PER_SECOND": "100000", "TTHC_LOG_LEVEL": "WARNING",
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the gateway, which starts or takes over the others."""
        with (self.home.parent / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    async def up(self, within: float = 90.0) -> None:
        """Wait until the web server answers. Raises TimeoutError."""
        async with httpx.AsyncClient(trust_env=False) as http:
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        await http.get(f"http://127.0.0.1:{self.web}/health")
                        return
                    await asyncio.sleep(0.1)

    def listener(self, part: str) -> int | None:
        """Process id of Rasa or the action server."""
        found = psutil.net_connections("tcp")
        return next((c.pid for c in found if c.status == "LISTEN" and c.laddr.port == self.ports[part]), None)

    async def kill(self, part: str) -> None:
        """SIGKILL a part; the gateway is started again at once, as systemd would."""
        if part == "gateway":
            assert self.process
            self.process.kill()
            self.process.wait()
            self.start()
            return
        for _ in range(300):
            if pid := self.listener(part):
                os.kill(pid, signal.SIGKILL)
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{part} did not come up again")

    async def lock(self, seconds: float) -> None:
        """Keep ``service.db`` locked."""
        with contextlib.closing(sqlite3.connect(self.home / FILE, isolation_level=None, timeout=5)) as other:
            other.execute("begin immediate")
            await asyncio.sleep(seconds)
            other.execute("rollback")

    async def fill(self, seconds: float) -> None:
        """Leave no room on the home's disk."""
        ballast = self.home / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        await asyncio.sleep(seconds)
        ballast.unlink()

    def stop(self) -> int:
        """End the gateway politely; its exit code."""
        assert self.process
        self.process.terminate()
        code = self.process.wait(60)
        for part in self.ports:
            if pid := self.listener(part):
                os.kill(pid, signal.SIGKILL)
        return code


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int = 48) -> Any:
    """``folder`` on a disk of its own while the block lasts; whether that could be had."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


async def chaos(world: World, kills: int, mischief: list[Callable[[], Awaitable[None]]], chance: random.Random,
                spacing: float) -> list[tuple[float, str]]:  # fmt: skip
    """Break things one after another at random moments; (when, which part) of each kill."""
    events: list[Any] = [*PARTS * kills, *mischief]
    chance.shuffle(events)
    done = list[tuple[float, str]]()
    for event in events:
        await asyncio.sleep(chance.uniform(0.5, 1.5) * spacing)
        if isinstance(event, str):
            await world.kill(event)
            done.append((time.time(), event))
            progress(f"killed {event} ({len(done)} of {3 * kills})")
        else:
            await event()
    await world.up()
    return done


def recovery(kills: list[tuple[float, str]], people: list[Person]) -> dict[str, dict[str, float]]:
    """Seconds from a kill to the first answer to something sent after it; ``full``: with Rasa again."""
    found = dict[str, dict[str, float]]()
    turns = [turn for person in people for turn in person.answered]
    for part in PARTS:
        times, full = list[float](), list[float]()
        for at in (at for at, which in kills if which == part):
            times += [min((end - at for sent, end, _ in turns if sent >= at), default=float("nan"))]
            full += [min((end - at for sent, end, whole in turns if sent >= at and whole), default=float("nan"))]
        row = {"kills": len(times), "median_s": quantile(times, 0.5), "worst_s": max(times)}
        found[part] = row | {"full_median_s": quantile(full, 0.5), "full_worst_s": max(full)}
    return found


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[World, Any, str, Any, Any, bool]]:
    """The bot behind both local servers: (world, telegram, token, zalo, account, whether the disk is small)."""
    from tests.telegram_server import TelegramServer
    from tests.zalo_server import ZaloServer

    with TelegramServer.running() as telegram, ZaloServer.running() as zalo, small_disk(folder / "home") as small:
        home = folder / "home"
        real = settings().home
        (home / "current").symlink_to(Releases(real).current())
        (home / MODEL).symlink_to((real / MODEL).resolve())
        token = telegram.new_bot()
        world = World(home, {"TTHC_TELEGRAM_TOKEN": token, "TTHC_TELEGRAM_API": telegram.api})
        hook = f"http://127.0.0.1:{world.web}/zalo/oa"
        account = zalo.new_oa(webhook=hook, echo=False, rate=10**6, retry_factor=0.02)
        world.environment |= {f"TTHC_{k.upper()}": v for k, v in account.settings(zalo).items()}
        world.start()
        try:
            await world.up()
            yield world, telegram, token, zalo, account, small
        finally:
            world.stop()


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All figures; see the module."""
    from tests.telegram_server import TelegramUser
    from tests.zalo_server import ZaloUser

    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="tthc-soak-") as folder:
        async with served(Path(folder)) as (world, telegram, token, zalo, account, small):
            codes = sorted(path.stem for path in (ROOT / "knowledge" / "seed").glob("*.yml") if path.stem[0].isdigit())
            people = list[Person]()
            for n in range(args.soak_users):
                phone: Phone = (
                    _Telegram(TelegramUser(telegram, token, 800_000_000 + n))
                    if n % 2
                    else _Zalo(ZaloUser(zalo, account.key, str(24_000_000_000 + n)))
                )
                people.append(Person(f"user {n}", phone, random.Random(chance.random()), codes))
            finished = False

            def over() -> bool:
                return finished and sum(len(p.asked) for p in people) >= args.soak_turns

            talks = [asyncio.create_task(person.live(over)) for person in people]
            await asyncio.sleep(15)
            mischief = _mischief(world, telegram, token, zalo, account.key, small, args.kills)
            began = time.time()
            kills = await chaos(world, args.kills, mischief, chance, args.spacing)
            finished = True
            await asyncio.gather(*talks)
            log = (Path(folder) / "serve.log").read_text(encoding="utf-8", errors="replace")
            dead = _dead(world.home)
            duplicates = sum(len(d["attempts"]) > 1 for d in zalo.deliveries(account.key))
    faults = [f"{p.name}: {fault}" for p in people for fault in p.faults]
    return {
        "users": len(people), "turns": sum(len(p.asked) for p in people), "seconds": time.time() - began,
        "kills": len(kills), "small_disk": small, "mischief": len(mischief), "redelivered": duplicates,
        "lost": sum("lost" in f for f in faults), "twice": sum("twice" in f for f in faults),
        "order": sum("order" in f for f in faults), "overtaken": sum(p.overtaken for p in people),
        "seen_again": sum(p.again for p in people), "dead": dead,
        "faults": faults[:20], "recovery": recovery(kills, people), "tracebacks": log.count("Traceback"),
    }  # fmt: skip


def _dead(home: Path) -> int:
    with contextlib.closing(sqlite3.connect(home / FILE)) as db:
        return int(db.execute("select count(*) from inbox where state = 'dead'").fetchone()[0])


def _mischief(world: World, telegram: Any, token: str, zalo: Any, key: str, small: bool, times: int) -> list[Any]:
    """What goes wrong beside kills, each once in ``times``."""

    def later(call: Callable[..., Any], *words: Any, **named: Any) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            await asyncio.to_thread(call, *words, **named)

        return act

    found: list[Any] = []
    for n in range(times):
        found += [
            later(telegram.fail, token, "sendMessage", 429, "Too Many Requests", parameters={"retry_after": 1}),
            later(telegram.fail, token, "sendMessage", 500),
            later(zalo.set, key, duplicate=3, reorder=2),
            later(zalo.fail, key, "send", error=-32, times=2),
            later(zalo.fail, key, "send", status=502),
        ]
        if n % 2:
            found += [
                later(zalo.fail, key, "send", error=-216),
                later(zalo.fail, key, "send", close=True, done=True),
                later(telegram.fail, token, "sendMessage", close=True, done=True),
            ]
        if n % 4 == 0:
            found.append(lambda: world.lock(4.0))
            if small:
                found.append(lambda: world.fill(6.0))
    return found


class _Telegram:
    def __init__(self, user: Any) -> None:
        self._user = user

    async def say(self, words: str) -> None:
        await self._user.say(words)

    async def tap(self, label: str) -> None:
        await self._user.tap(label)

    async def screens(self) -> list[Screen]:
        return [Screen(shown.text, shown.labels) for shown in await self._user.shown()]

    async def taken(self) -> None:
        return None  # polling keeps their order


class _Zalo:
    def __init__(self, user: Any) -> None:
        self._user, self._seen = user, list[Screen]()
        self._said: list[str] = []

    async def say(self, words: str) -> None:
        self._said.append((await self._user.say(words))["message"]["msg_id"])

    async def tap(self, label: str) -> None:
        await self._user.tap(label)

    async def screens(self) -> list[Screen]:
        self._seen += [Screen(shown.text, shown.labels) for shown in await self._user.shown(len(self._seen))]
        return self._seen

    async def taken(self) -> list[float]:
        made = await asyncio.to_thread(self._user.server.deliveries, self._user.key)
        first = dict[str, float]()
        for one in made:
            for attempt in one["attempts"]:
                if attempt["status"] == 200:
                    first.setdefault(one["msg_id"], attempt["at"])
        return [first.get(number, float("inf")) for number in self._said]


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    emit("## Soak\n")
    emit(
        f"{found['turns']} turns of {found['users']} people (half on Telegram, half on Zalo) in {found['seconds']:.0f} "
        f"s; {found['kills']} kills, {found['mischief']} other faults"
        f"{'' if found['small_disk'] else ' (no full disk: no disk could be mounted)'}, "
        f"{found['redelivered']} deliveries that came more than once.\n"
    )
    emit(f"Lost **{found['lost']}**, answered twice **{found['twice']}**, out of order **{found['order']}**; "
         f"delivered by Zalo after a later one and answered in that order {found['overtaken']}, "
         f"offered and seen again {found['seen_again']}, dead letters {found['dead']}.\n")  # fmt: skip
    for fault in found["faults"]:
        emit(f"- {fault}")
    rows = [
        [part, row["kills"], *(f"{row[k]:.1f}" for k in ("median_s", "worst_s", "full_median_s", "full_worst_s"))]
        for part, row in found["recovery"].items()
    ]
    emit(table(("killed", "times", "first answer s, median", "worst", "full answer s, median", "worst"), rows))


def arguments(parser: Any) -> None:
    """Options."""
    parser.add_argument("--soak-users", type=int, default=50, help="people (50)")
    parser.add_argument("--soak-turns", type=int, default=2000, help="at least so many turns (2000)")
    parser.add_argument("--kills", type=int, default=10, help="of each of the three processes (10)")
    parser.add_argument("--spacing", type=float, default=4.0, help="seconds between two faults, on average (4)")
    parser.add_argument("--seed", type=int, default=5299, help="of all chance (5299)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print, return all figures."""
    found = asyncio.run(measure(args))
    show(found)
    return found
