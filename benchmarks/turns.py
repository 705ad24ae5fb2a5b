"""Turns: how long an answer takes through the real gateway, Rasa and action server, beside a bare Rasa that echoes.

Ours and the bare one take turns in short blocks, so that what else the machine does meets both. Each sends over the
same HTTP client from this process; ours adds the gateway (masking, inbox, buttons) and real answers from the catalogue.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bare import bare_rasa, free_port
from benchmarks.report import emit, progress, quantile, table
from bot.gateway import Gateway
from bot.message import Incoming
from bot.processes import MODEL, Supervisor
from bot.settings import settings
from bot.texts import text as own_words
from knowledge.release import Releases, read_manifest

BLOCKS = 6
"""Blocks in which ours and the bare Rasa take turns."""
EARLY, LATE, AROUND, CONVERSATIONS = 10, 400, 5, 5
Say = Callable[[str, str], Awaitable[bool]]
"""Send a user's text; whether it was answered as it should be."""

CYCLE = (
    "đăng ký tạm trú", "cần giấy tờ gì", "phí bao nhiêu", "chỉ tôi làm từng bước đi", "rồi", "xong rồi",
    "mà bao lâu thì có vậy", "tiếp", "dừng lại", "cảm ơn bạn",
)  # fmt: skip
"""Ten turns that end where they began, so that turn 10 and turn 400 of a conversation ask for the same work."""
DIALOGUES = (
    CYCLE,
    ("dang ky tam tru o nha tro can giay to gi", "bao nhieu tien", "nop o dau", "chi toi lam tung buoc di", "roi",
     "xong roi", "tiep", "quay lai", "nop may ngay thi co", "thoi dung lai"),
    ("mất giấy khai sinh giờ xin lại ở đâu", "cần giấy tờ gì", "nộp ở đâu vậy bạn", "xem đầy đủ",
     "có làm online được không", "cảm ơn bạn nhiều"),
    ("căn cước", "cái thứ nhất", "phí bao nhiêu", "cần giấy tờ gì"),
    ("tui làm mất thẻ căn cước rồi giờ sao dzậy", "lệ phí bao nhiêu", "bao lâu có", "chỉ tôi làm từng bước đi", "rồi",
     "đợi hoài không thấy mã otp gửi về", "tiếp", "xong rồi", "nói lại đi", "dừng lại"),
    ("nẫu mới sanh con giờ mần khai sanh ở mô", "có tốn tiền không", "mất mấy ngày", "ai được làm", "căn cứ luật nào",
     "làm hộ chiếu hết bao nhiêu tiền", "ok cảm ơn"),
    ("chào bạn, ba tôi mới mất hôm qua ở nhà, cả nhà đang rối quá, giờ tôi phải ra xã khai tử cho ba thì cần mang theo "
     "những giấy gì", "phí bao nhiêu", "hôm nay trời đẹp ghê", "nộp trễ có sao không", "gặp người thật"),
)  # fmt: skip
"""What people come for, mixed: find, documents, fee, guide, a side question, no diacritics, dialect, small talk."""


class Timed:
    """Milliseconds of turns, and how many were not answered as they should be."""

    def __init__(self, say: Say) -> None:
        self._say, self.ms, self.failed = say, list[float](), 0

    async def __call__(self, user: str, text: str) -> float:
        """One turn; its milliseconds."""
        began = time.perf_counter()
        fine = await self._say(user, text)
        taken = (time.perf_counter() - began) * 1e3
        self.ms.append(taken)
        self.failed += not fine
        return taken

    def row(self) -> dict[str, float]:
        """p50, p95, p99, turns, failures."""
        shares = {f"p{round(s * 100)}_ms": quantile(self.ms, s) for s in (0.5, 0.95, 0.99)}
        return {"turns": len(self.ms), **shares, "failed": self.failed}


def through(gateway: Gateway) -> Say:
    """Turns through the gateway; an answer without Rasa or an apology is none."""
    simple = own_words("simple_mode")

    async def say(user: str, text: str) -> bool:
        replies = await gateway.handle(Incoming("bench", user, text, uuid.uuid4().hex, limited=False))
        return not any(o.reply.intent in ("error", "rate_limit") or simple in o.reply.text for o in replies)

    return say


async def alone(turn: Timed, turns: int, start: int = 0) -> None:
    """One user at a time: dialogues from the ``start``-th on, each by a new user, until ``turns`` are done."""
    done = 0
    while done < turns:
        user = uuid.uuid4().hex
        for text in DIALOGUES[start % len(DIALOGUES)][: turns - done]:
            await turn(user, text)
            done += 1
        start += 1


async def crowd(turn: Timed, users: int, seconds: float) -> float:
    """``users`` at once for ``seconds``, each sending as soon as it is answered; returns the seconds it took."""
    began = time.perf_counter()

    async def one(number: int) -> None:
        while True:
            user = uuid.uuid4().hex
            for text in DIALOGUES[number % len(DIALOGUES)]:
                await turn(user, text)
                if time.perf_counter() - began >= seconds:
                    return
            number += 1

    await asyncio.gather(*(one(number) for number in range(users)))
    return time.perf_counter() - began


async def endurance(turn: Timed) -> dict[str, float]:
    """Turns around the 400th of a conversation against those around its 10th; the same texts in both windows."""
    early, late = list[float](), list[float]()
    for _ in range(CONVERSATIONS):
        user = uuid.uuid4().hex
        taken = [await turn(user, CYCLE[n % len(CYCLE)]) for n in range(LATE + AROUND)]
        early += taken[EARLY - AROUND : EARLY + AROUND]
        late += taken[LATE - AROUND : LATE + AROUND]
    first, last = statistics.median(early), statistics.median(late)
    return {"early_ms": first, "late_ms": last, "ratio": last / first, "failed": turn.failed}


def memory() -> dict[str, float]:
    """Resident MB of Rasa, the action server (with their children) and this process (gateway and benchmark)."""
    import psutil

    me = psutil.Process()
    found = {"rasa": 0.0, "actions": 0.0, "gateway": me.memory_info().rss / 1e6}
    for child in me.children():
        words = child.cmdline()
        name = "rasa" if "nlu.launcher" in words else "actions" if words[-3:] == ["-m", "bot", "actions"] else ""
        if name:
            found[name] = sum(p.memory_info().rss for p in (child, *child.children(recursive=True))) / 1e6
    return found


@contextlib.asynccontextmanager
async def our_gateway(home: Path) -> AsyncIterator[Gateway]:
    """The real processes on free ports with a home of their own: the published release and the trained model."""
    real = settings().home
    home.mkdir(parents=True, exist_ok=True)
    (home / "current").symlink_to(Releases(real).current())
    (home / MODEL).symlink_to((real / MODEL).resolve())
    ports = {"rasa_port": free_port(), "actions_port": free_port()}
    changes: dict[str, Any] = {"home": home, "messages_per_minute": 10**6, "rasa_timeout": 30.0, **ports}
    own = settings().model_copy(update=changes)
    before = dict(os.environ)
    os.environ.update({f"TTHC_{name.upper()}": str(port) for name, port in ports.items()})
    try:
        async with Supervisor(own, progress):
            gateway = Gateway(own)
            try:
                yield gateway
            finally:
                await gateway.close()
    finally:
        os.environ.clear()
        os.environ.update(before)


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All figures; see the module."""
    found: dict[str, Any] = {"release": read_manifest(Releases(settings().home).current()).id}
    with tempfile.TemporaryDirectory(prefix="tthc-bench-") as folder:
        home = Path(folder)
        async with our_gateway(home / "ours") as gateway:
            ours = through(gateway)
            found["memory_before_mb"] = memory()
            async with bare_rasa(home / "bare", (settings().home / MODEL).resolve()) as bare:
                for say in (ours, bare.say):
                    await alone(Timed(say), 40)
                progress("one user at a time…")
                one = {"ours": Timed(ours), "bare": Timed(bare.say)}
                for block in range(BLOCKS):
                    part = args.turns * (block + 1) // BLOCKS - args.turns * block // BLOCKS
                    for turn in one.values():
                        await alone(turn, part, block)
                progress(f"{args.users} users at once…")
                many, took = {"ours": Timed(ours), "bare": Timed(bare.say)}, {"ours": 0.0, "bare": 0.0}
                for _ in range(BLOCKS // 2):
                    for name, turn in many.items():
                        took[name] += await crowd(turn, args.users, args.seconds / (BLOCKS // 2))
            progress("a long conversation…")
            found["endurance"] = await endurance(Timed(ours))
            found["memory_mb"] = memory()
    found["alone"] = {name: turn.row() for name, turn in one.items()}
    found["crowd"] = {
        name: {**turn.row(), "users": args.users, "turns_per_second": len(turn.ms) / took[name]}
        for name, turn in many.items()
    }
    return found


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    emit("## Turns\n")
    emit(
        f"Release {found['release']}. Ours: gateway, Rasa, action server. Bare: Rasa 3.6.21 without patches, our model "
        "and tracker store, actions that echo. The crowd never pauses; all share the machine with this client.\n"
    )
    columns = ("", "turns", "p50 ms", "p95 ms", "p99 ms", "turns/s", "not answered")
    rows: list[Sequence[object]] = []
    for label, part in (("one user at a time", found["alone"]), ("{users} users at once", found["crowd"])):
        for name, row in part.items():
            speed = f"{row['turns_per_second']:.0f}" if "turns_per_second" in row else "–"
            cells = [f"{row[k]:.1f}" for k in ("p50_ms", "p95_ms", "p99_ms")]
            rows.append([f"{name}, {label.format(**row)}", row["turns"], *cells, speed, row["failed"]])
    emit(table(columns, rows))
    (a, b), (c, d) = ([found[k][name] for name in ("ours", "bare")] for k in ("alone", "crowd"))
    emit(
        f"Ours/bare: p50 of one user {a['p50_ms'] / b['p50_ms']:.2f}, "
        f"p50 of the crowd {c['p50_ms'] / d['p50_ms']:.2f}, "
        f"turns/s of the crowd {c['turns_per_second'] / d['turns_per_second']:.2f}.\n"
    )
    long = found["endurance"]
    emit(
        f"{CONVERSATIONS} conversations of {LATE + AROUND} turns, medians of {2 * AROUND} turns around: the {EARLY}th "
        f"{long['early_ms']:.2f} ms, the {LATE}th {long['late_ms']:.2f} ms, ratio {long['ratio']:.2f}; "
        f"not answered {long['failed']}.\n"
    )
    parts = ("rasa", "actions", "gateway")
    rows = [
        [label, *(f"{m[p]:.0f}" for p in parts), f"{sum(m.values()):.0f}"]
        for label, m in (("after the start", found["memory_before_mb"]), ("after all turns", found["memory_mb"]))
    ]
    emit(table(("resident MB", "Rasa", "actions", "gateway (with this benchmark)", "together"), rows))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print, return all figures."""
    found = asyncio.run(measure(args))
    show(found)
    return found
