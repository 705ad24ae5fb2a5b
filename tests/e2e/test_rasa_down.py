"""With Rasa gone the bot still answers, from the index, and says so; afterwards the conversation goes on."""

from __future__ import annotations

import os
import signal

from harness import Bot


def test_answers_from_the_index_while_rasa_is_down(bot: Bot) -> None:
    user = "rasa chết"
    bot.say("đăng ký kết hôn", user)
    pid = bot.listener(bot.rasa_port)
    assert pid
    os.kill(pid, signal.SIGKILL)
    answer = bot.say("đăng ký tạm trú", user)
    text = answer["replies"][0]["text"]
    assert answer["procedure"] == "1.004194"
    assert "Nguồn: Cổng Dịch vụ công quốc gia" in text
    assert "Máy đang bận" in text, "it says that this is the short way"
    fee = bot.tap("Phí", user)["replies"][0]["text"]
    assert "7.000 đồng" in fee
    bot.wait_for("rasa", pid)
    answer = bot.say("chào bạn", user)
    while answer["intent"] != "greet":  # the breaker lets Rasa be for some seconds
        answer = bot.say("chào bạn", user)
    assert "Máy đang bận" not in answer["replies"][0]["text"]
