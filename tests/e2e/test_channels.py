"""A whole filing over every channel, from the first sentence to the receipt code: one dialogue file drives all."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from phones import Phones
from test_dialogues import FILES, check, load, play
from test_personal_data import SAID, SECRETS

from benchmarks.soak import World, served
from tests.telegram_server import TelegramUser
from tests.zalo_server import ZaloUser

SHORT = re.compile(r"\b[A-Z][A-Z0-9]{2}-[A-Z][A-Z0-9]{2}\b")
SEEN_ELSEWHERE = ("procedure", "intent", "buttons", "no_buttons")
"""What a channel does not tell, or shows behind "Xem thêm"."""
(FILING,) = [d for file in FILES if file.stem == "viec-khai-sinh" for d in load(file)]


class House:
    """One bot on all channels."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._served = served(folder)
        self.world: World
        self.world, self._telegram, self._token, self._zalo, self._oa, _ = self.loop.run_until_complete(
            self._served.__aenter__()
        )
        self._bot = self._zalo.new_bot()
        self.world.environment |= {"TTHC_ZALO_BOT_TOKEN": self._bot, "TTHC_ZALO_BOT_API": self._zalo.url}
        self.again()
        deadline = time.monotonic() + 120
        while not (self.world.listener("rasa") and self.world.listener("actions")):
            assert time.monotonic() < deadline, "Rasa does not come up"
            time.sleep(0.5)

    def again(self, **changes: str) -> None:
        """Start the gateway anew with other settings; Rasa and the action server stay."""
        self.world.environment |= {f"TTHC_{name.upper()}": value for name, value in changes.items()}
        self.loop.run_until_complete(self.world.kill("gateway"))
        self.loop.run_until_complete(self.world.up())

    def phones(self, channel: str) -> Phones:
        """People on a channel."""
        if channel == "zalo":
            return Phones(self.loop, lambda n: ZaloUser(self._zalo, self._oa.key, str(26_000_000_000 + n)))
        if channel == "zalo bot":
            return Phones(
                self.loop, lambda n: ZaloUser(self._zalo, self._bot, f"6ede9afa66b88fe6d6a{n}"), numbered=True
            )
        if channel == "telegram webhook":
            url = f"http://127.0.0.1:{self.world.web}"
            self.again(telegram_webhook_url=url, telegram_webhook_secret="mot-bi-mat")
        start = 830_000_000 if channel == "telegram" else 840_000_000
        return Phones(self.loop, lambda n: TelegramUser(self._telegram, self._token, start + n))

    def close(self) -> None:
        """Stop everything."""
        self.loop.run_until_complete(self._served.__aexit__(None, None, None))
        self.loop.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("channels"))
    yield made
    made.close()


def walk(phones: Any, turns: list[dict[str, Any]], name: str) -> str:
    """Play turns and check what a channel shows; all that was said."""
    known: dict[str, str] = {}
    said = []
    for number, turn in enumerate(turns, 1):
        for _, answer in (done := play(phones, name, turn, known)):
            said.append(answer["replies"][0]["text"])
        check({k: v for k, v in turn.items() if k not in SEEN_ELSEWHERE}, done[-1][1], f"turn {number}")
    return "\n".join(said)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("channel", ["zalo", "zalo bot", "telegram", "telegram webhook"])
def test_a_filing_from_the_first_sentence_to_the_receipt_code(house: House, channel: str) -> None:
    said = walk(house.phones(channel), FILING["turns"], channel)
    assert "mã hồ sơ" in said
    assert "**" not in said, "markup is rendered"


@pytest.mark.timeout(600)
def test_a_guide_begun_on_zalo_goes_on_on_telegram(house: House) -> None:
    zalo, telegram = house.phones("zalo"), house.phones("telegram")
    zalo.say("đăng ký khai sinh cho con", "z")
    zalo.tap("Chỉ từng bước", "z")
    for _ in range(3):
        zalo.tap("Không rõ", "z")
    zalo.tap("Bắt đầu", "z")
    at = zalo.tap("Xong", "z")["replies"][0]["text"]
    step = re.search(r"Bước (\d+)/", at)
    assert step, at
    kept = zalo.say("dừng lại", "z")["replies"][0]["text"]
    short = SHORT.search(kept)
    assert short, kept
    went_on = telegram.say(short[0], "t")["replies"][0]["text"]
    assert f"Bước {step[1]}/" in went_on


def test_nothing_personal_is_in_any_file(house: House) -> None:
    """Databases, logs, Rasa's tracker, tokens: no secret that was typed, no id of anybody, no token."""
    for channel in ("zalo", "telegram"):
        phones = house.phones(channel)
        for words in SAID:
            shown = phones.say(words, "Nguyễn Thị Hoa")["replies"][0]["text"]
            assert not any(secret in shown for secret in SECRETS)
    ids = ["26000000000", "830000000", "840000000", "6ede9afa66b88fe6d6a0", house._token, house._bot]
    ids += [house._oa.secret, house._oa.app_secret]
    files = [*house.world.home.rglob("*"), house.world.home.parent / "serve.log"]
    seen = 0
    for path in files:
        outside = {"rasa-model", "current"} & set(path.parts)
        if path.is_file() and not path.is_symlink() and not outside:
            content = path.read_bytes().decode("utf-8", errors="ignore")
            seen += 1
            for secret in (*SECRETS, "0905 123 456", "4111 1111", *ids):
                assert secret not in content, f"{secret} in {path}"
    assert seen > 5
