"""People on real channels, with the face of :class:`harness.Bot`, so that dialogue files can be played over each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from bot.texts import text

MENU = re.compile(r"^(\d+)\. (.+)$", re.M)
WITHIN = 60.0


TICK = text("button_tick", n="§", name="").partition("§")[0]


def _with_own(number: str, label: str) -> str:
    """A choice as other channels show it, where it names the number of a paper itself."""
    return f"{TICK}{number}. {label.removeprefix(TICK)}" if label.startswith(TICK) else label


class Phones:
    """Everybody's phone on one channel. ``make``: the test server's user for a number."""

    def __init__(self, loop: asyncio.AbstractEventLoop, make: Callable[[int], Any], *, numbered: bool = False) -> None:
        self._loop, self._make, self._numbered = loop, make, numbered
        self._users: dict[str, Any] = {}
        self._last: dict[str, list[str]] = {}
        self._numbers: dict[str, dict[str, int]] = {}

    def _user(self, name: str) -> Any:
        return self._users.setdefault(name, self._make(len(self._users)))

    def say(self, words: str, user: str) -> dict[str, Any]:
        """Send a text, wait for its answer."""
        return self._do(user, lambda phone: phone.say(words))

    def tap(self, label: str, user: str) -> dict[str, Any]:
        """Take a choice of the last answer: tap it, or send its number."""
        label = self.label(label, user)
        if self._numbered:
            number = self._numbers[user][label]
            return self._do(user, lambda phone: phone.say(f"số {number}"))
        return self._do(user, lambda phone: phone.tap(label))

    def label(self, part: str, user: str) -> str:
        """The first choice that holds ``part``; those behind "Xem thêm" are looked for too."""
        more = text("button_more_choices")
        while not any(part in label for label in self._last[user]) and more in self._last[user] and part != more:
            self.tap(more, user)
        found = next((label for label in self._last[user] if part in label), None)
        assert found, f"no choice {part!r} among {self._last[user]}"
        return found

    def _do(self, user: str, act: Callable[[Any], Any]) -> dict[str, Any]:
        phone = self._user(user)

        async def run() -> list[Any]:
            await act(phone)
            found: list[Any] = await phone.replies(within=WITHIN, settle=0.4)
            return found

        parts = self._loop.run_until_complete(run())
        said = "\n".join(part.text for part in parts)
        if self._numbered:
            menu = (
                parts[-1].text.rpartition(text("numbered_menu"))[2] if text("numbered_menu") in parts[-1].text else ""
            )
            self._numbers[user] = {_with_own(n, label): int(n) for n, label in MENU.findall(menu)}
            self._last[user] = list(self._numbers[user])
        else:
            self._last[user] = parts[-1].labels
        return {
            "replies": [{"text": said, "buttons": self._last[user]}],
            "user": user,
            "intent": None,
            "procedure": None,
        }
