"""Five thousand hostile inputs: texts, buttons and webhook bodies, through the web server's pages to the outbox."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bot import delivery
from bot.channels.telegram import TelegramChannel
from bot.channels.zalo_oa import ZaloOA
from bot.delivery import Delivery
from bot.gateway import COMMANDS, Gateway
from bot.message import Accept, Place
from bot.reply import Button, Part, Reply
from bot.settings import Settings
from bot.web import application

pytestmark = pytest.mark.e2e  # a minute of work

APP, OA, SECRET, HOOK = "app-1", "oa-1", "khóa", "mot-bi-mat"
OURS = re.compile(r'/(open_procedure\{"code": "\d\.\d{6}"\}|guide_resume\{"id": "[A-Z0-9]{6}"\}|nut_that)$')
BLANKS = " \t\n\r\x0b\x0c\x1c\x1d\x85\xa0\u2003\u2028\u200b\ufeff\u2060\u202e"
PIECES = st.sampled_from(
    [*BLANKS, "/", "//", "/restart", "/session_start", "/forget_me", '/open_procedure{"code": "1.001193"}', "{", "}",
     "nut-",
     "#1", "' or 1=1 --", "<b>", "&amp;", "**", "a\u0301", "🏳️‍🌈", "\x00", "\ud800", "%s", "${jndi:x}", "../../etc",
     "1.001193",
     "052199001234", "khai sinh", "số 1", "K7M-Q4P", "EXTERNAL: x", "\u0301" * 20]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join) | st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["message", "text", "from", "id", "chat", "type", "date", "data", "callback_query", "sender"]) | TEXTS,
        inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


class Rasa:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, sender: str, message: str, metadata: dict[str, Any]) -> list[Reply]:
        self.asked.append(message)
        return [Reply(f"nghe: {message}", (Button("Nút", "/nut_that"),), intent="x")]

    async def close(self) -> None:
        pass


def deaf(channel: Any) -> Any:
    """The channel with its way in as it is; what it sends goes nowhere."""
    channel.sent = []

    async def send(place: Place, part: Part) -> None:
        part.text.encode("utf-8")
        channel.sent.append((place, part))

    async def busy(place: Place) -> None:
        pass

    channel.send, channel.busy = send, busy
    return channel


class House:
    """The pages and the delivery behind them, in a loop of their own."""

    def __init__(self, home: Path) -> None:
        settings = Settings(
            _env_file=None, home=home, secret="x", messages_per_minute=10**6, messages_per_second=10**6,
            zalo_app_id=APP,
            zalo_oa_id=OA, zalo_secret=SECRET, zalo_app_secret="y", zalo_refresh_token="z", telegram_token="1:x",
            telegram_api="http://127.0.0.1:9/bot", telegram_webhook_url="http://127.0.0.1:9",
            telegram_webhook_secret=HOOK,
        )  # type: ignore[call-arg]  # fmt: skip
        self.loop = asyncio.new_event_loop()
        self.rasa, self.zalo, self.telegram = Rasa(), deaf(ZaloOA(settings)), deaf(TelegramChannel(settings))
        self.gateway = Gateway(settings, self.rasa)  # type: ignore[arg-type]
        for channel in (self.zalo, self.telegram):
            channel.open = self._open(channel)
        self.delivery = Delivery(self.gateway, [self.zalo, self.telegram], settings)
        app = application(settings, [*self.zalo.routes, *self.telegram.routes], self.delivery.state)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot")
        self.hook = self.telegram.routes[0].path
        self.run(self.delivery.__aenter__())

    @staticmethod
    def _open(channel: Any) -> Any:
        def opened(accept: Accept) -> AsyncExitStack:
            channel._accept = accept
            if isinstance(channel, TelegramChannel):
                from bot.channels.telegram_api import make_bot

                channel._bot = make_bot("1:x", channel._settings)
                channel._bot._bot_user = type("Me", (), {"username": "tro_ly", "id": 1})()
            return AsyncExitStack()

        return opened

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def zalo_says(self, event: Any, *, body: bytes | None = None) -> httpx.Response:
        """A signed delivery of Zalo's."""
        body = json.dumps(event).encode() if body is None else body
        stamp = event.get("timestamp", "") if isinstance(event, dict) else ""
        signed = hashlib.sha256(
            APP.encode() + body + str(stamp).encode("utf-8", "replace") + SECRET.encode()
        ).hexdigest()
        return self.run(self.http.post("/zalo/oa", content=body, headers={"X-ZEvent-Signature": f"mac={signed}"}))

    def telegram_says(self, body: bytes) -> httpx.Response:
        """An update with Telegram's secret."""
        return self.run(self.http.post(self.hook, content=body, headers={"X-Telegram-Bot-Api-Secret-Token": HOOK}))

    def settle(self) -> None:
        """Let everything be answered."""

        async def wait() -> None:
            until = time.monotonic() + 20
            while (counts := self.gateway.inbox.counts())["new"] or counts["answered"]:
                assert time.monotonic() < until, counts
                await asyncio.sleep(0.002)

        self.run(wait())

    def check(self) -> None:
        """Nothing of a user's reached Rasa as a payload."""
        for asked in self.rasa.asked:
            if asked.strip().startswith("/"):
                assert OURS.match(asked) or asked in COMMANDS.values(), asked
        self.rasa.asked.clear()

    def close(self) -> None:
        self.run(self.delivery.__aexit__())
        self.run(self.http.aclose())
        self.run(self.gateway.close())
        self.loop.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    logging.getLogger("bot").setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "SETTLE", 0.0)
        made = House(tmp_path_factory.mktemp("hostile"))
        yield made
        made.close()
    logging.getLogger("bot").setLevel(logging.NOTSET)


def many(count: int) -> Any:
    """The same inputs each time, so that a failure tells of the code and not of chance."""
    return examples(max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def event(number: int, text: str, user: str = "u") -> dict[str, Any]:
    return {
        "app_id": APP, "event_name": "user_send_text", "timestamp": str(int(time.time() * 1000)),
        "sender": {"id": user}, "recipient": {"id": OA}, "message": {"text": text, "msg_id": f"m{number}"},
    }  # fmt: skip


_numbers = iter(range(10**9))


@many(1500)
@given(TEXTS, st.sampled_from("abcdef"))
def test_texts(house: House, text: str, user: str) -> None:
    answer = house.zalo_says(event(next(_numbers), text, user))
    assert answer.status_code == 200
    house.settle()
    house.check()


@many(1000)
@given(TEXTS, st.sampled_from("abcdef"))
def test_buttons(house: House, key: str, user: str) -> None:
    message = {"message_id": 1, "date": 1, "chat": {"id": ord(user), "type": "private"}, "text": "x"}
    sender = {"id": ord(user), "is_bot": False, "first_name": "A"}
    tap = {"id": "1", "from": sender, "chat_instance": "x", "data": key, "message": message}
    update = {"update_id": next(_numbers), "callback_query": tap}
    answer = house.telegram_says(json.dumps(update).encode())
    assert answer.status_code == 200
    assert house.zalo_says(event(next(_numbers), f"nut-{key}", user)).status_code == 200
    house.settle()
    house.check()


@many(1250)
@given(JSON, st.booleans())
def test_bodies_of_zalo(house: House, body: Any, whole: bool) -> None:
    made = event(next(_numbers), "chào") | body if whole and isinstance(body, dict) else body
    answer = house.zalo_says(made)
    assert answer.status_code in (200, 400, 403), answer.text
    house.settle()
    house.check()


@many(1250)
@example({"text": []}, True)
@given(JSON | st.binary(max_size=80), st.booleans())
def test_bodies_of_telegram(house: House, body: Any, whole: bool) -> None:
    if whole and isinstance(body, dict):
        message = {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"},
                   "from": {"id": 5, "is_bot": False, "first_name": "A"}, "text": "chào"}  # fmt: skip
        body = {"update_id": next(_numbers), "message": message | body}
    answer = house.telegram_says(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert answer.status_code in (200, 400), answer.text
    house.settle()
    house.check()
