"""The console: a conversation in the terminal, or JSON lines for programs (``tthc chat --json``)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from bot.gateway import Gateway
from bot.message import Incoming, Outgoing
from bot.render import CONSOLE, dress

USER = "console"
AT_ONCE = 64


def read_line(line: str, run: str, number: int) -> Incoming:
    """A line of input as a delivery: ``{"user", "text"}``, ``{"user", "button": n}`` or bare text."""
    user, text, button, delivery = USER, line.rstrip("\n"), None, f"{run}-{number}"
    if line.lstrip().startswith("{"):
        try:
            data: Any = json.loads(line)
        except json.JSONDecodeError:
            data = None
        if isinstance(data, dict):
            user = str(data.get("user", USER))
            text = str(data.get("text", ""))
            delivery = str(data.get("delivery", delivery))
            if "button" in data:
                button = f"#{int(data['button'])}" if str(data["button"]).isdecimal() else str(data["button"])
    return Incoming("console", user, text, delivery, button, limited=False)


def to_json(user: str, replies: list[Outgoing], seconds: float) -> str:
    """One line of output of ``tthc chat --json``."""
    last = replies[-1].reply
    parts = [{"text": o.reply.text, "buttons": [b.label for b in o.reply.buttons]} for o in replies]
    data = {
        "user": user,
        "replies": parts,
        "intent": last.intent,
        "procedure": last.procedure,
        "ms": round(seconds * 1000),
    }
    return json.dumps(data, ensure_ascii=False)


async def _lines() -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        yield line


async def json_lines(gateway: Gateway) -> None:
    """Answer JSON lines: users side by side, each user's messages in order, output in the order of input."""
    run, number = uuid.uuid4().hex[:8], 0
    tasks: asyncio.Queue[asyncio.Task[str] | None] = asyncio.Queue(AT_ONCE)

    async def answer(incoming: Incoming) -> str:
        started = time.monotonic()
        replies = await gateway.handle(incoming)
        return to_json(incoming.user, replies, time.monotonic() - started)

    async def write() -> None:
        while (task := await tasks.get()) is not None:
            print(await task, flush=True)

    writer = asyncio.create_task(write())
    async for line in _lines():
        if line.strip():
            number += 1
            await tasks.put(asyncio.create_task(answer(read_line(line, run, number))))
    await tasks.put(None)
    await writer


async def conversation(gateway: Gateway) -> None:
    """Talk in the terminal; a bare number takes that choice. With piped input: one answer a line, then the end."""
    run, number, choices = uuid.uuid4().hex[:8], 0, 0
    terminal = sys.stdin.isatty()
    if terminal:
        for out in await gateway.handle(Incoming("console", USER, "/start", f"{run}-0", limited=False)):
            choices = _show(out)
    while True:
        if terminal:
            print("\nBạn: ", end="", flush=True)
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        text = line.strip()
        if not text:
            continue
        number += 1
        button = f"#{int(text)}" if text.isdecimal() and 1 <= int(text) <= choices else None
        if not terminal:
            print(f"Bạn: {text}")
        for out in await gateway.handle(Incoming("console", USER, text, f"{run}-{number}", button, limited=False)):
            choices = _show(out)


def _show(out: Outgoing) -> int:
    choices = 0
    for part in dress(out.reply, out.keys, CONSOLE):
        print("\n" + part.text, flush=True)
        if part.buttons:
            print()
        for choices, (label, _) in enumerate(part.buttons, 1):
            print(f"  [{choices}] {label}", flush=True)
    return choices
