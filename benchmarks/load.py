"""Load: many people in real dialogues over Zalo's protocol for minutes, beside a bare Rasa that echoes.

A turn is timed by the local Zalo server: from the event of a message to the first message that comes back, so it holds
the webhook with its signature, the inbox on disk, Rasa, the action server with search and answers, the outbox and the
call that sends. The bare Rasa gets the same texts over its REST channel. Both take turns in blocks; people pause to
read. All share the machine, the servers of the test and this client included.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bare import bare_rasa
from benchmarks.report import emit, progress, quantile, table
from benchmarks.soak import World, served
from benchmarks.turns import DIALOGUES
from bot.processes import MODEL
from bot.settings import settings
from bot.texts import text

BLOCKS = 5
ANSWER_WITHIN = 60.0
Turn = Callable[[str], Awaitable[float]]
"""Send a text as one person; seconds until the answer, infinite when none came."""


class Block:
    """Turns of one block: seconds each, and those without an answer."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failed = 0
        self.took = 0.0

    def plus(self, other: Block) -> None:
        """Add another block."""
        self.seconds += other.seconds
        self.failed += other.failed
        self.took += other.took

    def row(self) -> dict[str, float]:
        """Turns, turns/s, milliseconds at p50, p95, p99, failures."""
        ms = [s * 1e3 for s in self.seconds] or [float("nan")]
        shares = {f"p{round(s * 100)}_ms": quantile(ms, s) for s in (0.5, 0.95, 0.99)}
        return {
            "turns": len(self.seconds),
            "per_second": len(self.seconds) / self.took,
            **shares,
            "failed": self.failed,
        }


async def crowd(people: list[Turn], seconds: float, pause: float) -> Block:
    """All people talk for so long, each reading for about ``pause`` seconds before the next message."""
    block, began = Block(), time.monotonic()

    async def one(number: int, turn: Turn) -> None:
        chance = random.Random(number)
        await asyncio.sleep(chance.uniform(0, pause))
        while True:
            for words in DIALOGUES[number % len(DIALOGUES)]:
                if time.monotonic() - began >= seconds:
                    return
                taken = await turn(words)
                block.failed += taken == float("inf")
                if taken < float("inf"):
                    block.seconds.append(taken)
                await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
            number += 1

    await asyncio.gather(*(one(number, turn) for number, turn in enumerate(people)))
    block.took = time.monotonic() - began
    return block


def on_zalo(zalo: Any, key: str, number: int) -> Turn:
    """One person of Zalo's."""
    from tests.zalo_server import ZaloUser

    user, seen = ZaloUser(zalo, key, str(25_000_000_000 + number)), 0
    simple = text("simple_mode")

    async def turn(words: str) -> float:
        nonlocal seen
        began = time.time()
        await user.say(words)
        shown = await user.shown(seen, ANSWER_WITHIN)
        if not shown:
            return float("inf")
        first = shown[0].at - began
        while shown:  # an answer in several parts
            seen += len(shown)
            whole = simple not in shown[-1].text
            shown = await user.shown(seen, 0.05)
        return first if whole else float("inf")

    return turn


def on_bare(bare: Any, number: int) -> Turn:
    """One person of the bare Rasa's."""

    async def turn(words: str) -> float:
        began = time.perf_counter()
        fine = await bare.say(f"load-{number}", words)
        return time.perf_counter() - began if fine else float("inf")

    return turn


def memory(world: World) -> dict[str, float]:
    """Resident MB of the gateway, Rasa and the action server."""
    assert world.process
    pids = {"gateway": world.process.pid, "rasa": world.listener("rasa"), "actions": world.listener("actions")}
    return {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items() if pid}


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All figures; see the module."""
    with tempfile.TemporaryDirectory(prefix="tthc-load-") as folder:
        async with (
            served(Path(folder)) as (world, _, _, zalo, account, _),
            bare_rasa(Path(folder) / "bare", (settings().home / MODEL).resolve()) as bare,
        ):
            ours = [on_zalo(zalo, account.key, n) for n in range(args.crowd)]
            theirs = [on_bare(bare, n) for n in range(args.crowd)]
            while not (world.listener("rasa") and world.listener("actions")):
                await asyncio.sleep(0.5)
            await crowd(ours[:8], 10, 0.2)
            await crowd(theirs[:8], 5, 0.2)
            held = [memory(world)]
            found = {
                "ours": Block(),
                "bare": Block(),
                "ours without a pause": Block(),
                "bare without a pause": Block(),
            }
            for number in range(BLOCKS):
                progress(f"block {number + 1} of {BLOCKS}…")
                found["ours"].plus(await crowd(ours, args.minutes * 60 / BLOCKS, args.pause))
                held.append(memory(world))
                found["bare"].plus(await crowd(theirs, args.minutes * 12 / BLOCKS, args.pause))
            for people, name in ((ours, "ours without a pause"), (theirs, "bare without a pause")) * 2:
                found[name].plus(await crowd(people, 10, 0.0))
    return {"people": args.crowd, "pause_s": args.pause, "memory_mb": held,
            "turns": {name: block.row() for name, block in found.items()}}  # fmt: skip


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    emit("## Load\n")
    emit(f"{found['people']} people at once, each reading {found['pause_s']:.0f} s on average between messages.\n")
    rows = [
        [name, row["turns"], f"{row['per_second']:.1f}", *(f"{row[k]:.0f}" for k in ("p50_ms", "p95_ms", "p99_ms")),
         row["failed"]]
        for name, row in found["turns"].items()
    ]  # fmt: skip
    emit(table(("", "turns", "turns/s", "p50 ms", "p95 ms", "p99 ms", "not answered"), rows))
    ours, bare = found["turns"]["ours without a pause"], found["turns"]["bare without a pause"]
    emit(f"Without a pause, ours/bare: turns/s {ours['per_second'] / bare['per_second']:.2f}, "
         f"p50 {ours['p50_ms'] / bare['p50_ms']:.2f}.\n")  # fmt: skip
    held = found["memory_mb"]
    moments = {"after the warm-up": held[0], "half-way": held[len(held) // 2], "at the end": held[-1]}
    rows = [[when, *(f"{m.get(p, 0):.0f}" for p in ("gateway", "rasa", "actions"))] for when, m in moments.items()]
    emit(table(("resident MB", "gateway", "Rasa", "actions"), rows))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print, return all figures."""
    found = asyncio.run(measure(args))
    show(found)
    return found
