"""The main job over Telegram's protocol: ``tthc serve`` with real Rasa against the local Bot API server."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import ROOT, Bot, make_home

from tests.telegram_server import TelegramServer, TelegramUser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TelegramServer, str, Path]]:
    """A served bot: (server, token, home)."""
    with TelegramServer.running() as server:
        token = server.new_bot()
        home = make_home(tmp_path_factory.mktemp("telegram"))
        bot = Bot(home)
        environment = {
            **bot.environment, "TTHC_TELEGRAM_TOKEN": token, "TTHC_TELEGRAM_API": server.api, "TTHC_WEB_PORT": "0",
        }  # fmt: skip
        with (home / "serve.log").open("w") as log:
            process = subprocess.Popen([sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=environment, stderr=log,
                                       stdout=subprocess.PIPE, text=True)  # fmt: skip
        try:
            assert process.stdout
            said = process.stdout.readline()
            serving = re.match(r"serving on Telegram; health at (127\.0\.0\.1:\d+); Ctrl-C stops", said)
            assert serving, said + (home / "serve.log").read_text()
            ready = httpx.get(f"http://{serving[1]}/ready", trust_env=False)
            assert (ready.status_code, ready.json()["channels"]) == (200, ["telegram"])
            deadline = time.monotonic() + 180
            while not (bot.listener(bot.rasa_port) and bot.listener(bot.actions_port)):
                assert time.monotonic() < deadline, "Rasa does not come up"
                time.sleep(0.5)
            yield server, token, home
        finally:
            process.send_signal(signal.SIGTERM)
            with process:
                assert process.wait(30) == 0


async def test_find_documents_fee_guide_side_question_resume(served: tuple[TelegramServer, str, Path]) -> None:
    server, token, _ = served
    user = TelegramUser(server, token, 7001)
    await user.say("/start")
    (hello,) = await user.replies()
    assert "Trợ lý 5299" in hello.text
    await user.say("đăng ký tạm trú")
    (card,) = await user.replies()
    assert "1.004194" in card.text
    assert "Nguồn:" in card.text
    await user.tap("Giấy tờ")
    (papers,) = await user.replies()
    assert "CT01" in papers.text
    await user.say("phi bao nhieu")
    (fee,) = await user.replies()
    assert "7.000 đồng" in fee.text
    await user.tap("Chỉ từng bước")
    for number in (1, 2, 3):
        (asked,) = await user.replies()
        assert f"Câu {number}/3" in asked.text
        await user.tap("Không rõ")
    (before,) = await user.replies()
    assert "Trước khi bắt đầu" in before.text
    await user.tap("Bắt đầu")
    (first,) = await user.replies()
    assert "Bước 1/" in first.text
    await user.tap("Xong, bước tiếp")
    (second,) = await user.replies()
    assert "Bước 2/" in second.text
    assert second.edited, "a step that was tapped on takes the place of the one before"
    await user.say("mà bao lâu có vậy")
    (aside,) = await user.replies()
    assert "ngày làm việc" in aside.text
    await user.tap("Làm tiếp bước 2")
    (again,) = await user.replies()
    assert "Bước 2/" in again.text


async def test_two_people_at_once_do_not_mix(served: tuple[TelegramServer, str, Path]) -> None:
    server, token, _ = served
    one, two = TelegramUser(server, token, 7101), TelegramUser(server, token, 7102)
    await asyncio.gather(one.say("đăng ký kết hôn"), two.say("đăng ký tạm trú"))
    (a,), (b,) = await asyncio.gather(one.replies(), two.replies())
    assert "1.000894" in a.text
    assert "1.004194" in b.text


async def test_a_photo_of_papers_is_refused(served: tuple[TelegramServer, str, Path]) -> None:
    server, token, _ = served
    user = TelegramUser(server, token, 7201)
    await user.send(photo=[{"file_id": "a", "file_unique_id": "a", "width": 9, "height": 9}], caption="cccd của em")
    (reply,) = await user.replies()
    assert "không nhận ảnh" in reply.text
    assert not server.calls(token, "getFile")


async def test_the_token_is_in_no_log(served: tuple[TelegramServer, str, Path]) -> None:
    _, token, home = served
    for path in [home / "serve.log", *(home / "logs").glob("*.log")]:
        assert token not in path.read_text(encoding="utf-8", errors="replace"), path
