"""After a conversation full of personal data none of it is on disk, and /xoa leaves nothing of the person."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness import Bot

SECRETS = ("052188001234", "0905123456", "482913", "Hoa@1988", "hoa.nguyen@example.com", "4111111111111111",
           "211234567", "77C1-123.45", "12/03/1988", "GD4520012345678")  # fmt: skip
SAID = (
    "số căn cước của tôi là 052188001234 làm lại thẻ ở đâu",
    "gọi tôi số 0905 123 456 nha",
    "mã otp là 482913",
    "mật khẩu vneid của tôi là Hoa@1988",
    "mail hoa.nguyen@example.com",
    "thẻ 4111 1111 1111 1111 trả phí được không",
    "cmnd cũ 211234567, sinh ngày 12/03/1988, xe 77C1-123.45, thẻ bhyt GD4520012345678",
    "chuyện này hoàn toàn không có trong danh mục xyzzy",
)
NEEDLE = "xyzzy"


def _raw(home: Path) -> dict[Path, bytes]:
    files = [p for p in home.rglob("*") if p.is_file() and not p.is_symlink()]
    return {p: p.read_bytes() for p in files if "rasa-model" not in p.parts and "current" not in p.parts}


def test_nothing_personal_is_kept(bot: Bot) -> None:
    user = "Nguyễn Thị Hoa"
    for text in SAID:
        answer = bot.say(text, user)
        shown = "\n".join(reply["text"] for reply in answer["replies"])
        assert not any(secret in shown for secret in SECRETS)
    for path, content in _raw(bot.home).items():
        text = content.decode("utf-8", errors="ignore")
        for secret in (*SECRETS, user, "0905 123 456", "4111 1111"):
            assert secret not in text, f"{secret} in {path}"


def test_forgetting_leaves_no_trace(bot: Bot) -> None:
    user = "người muốn xóa"
    bot.say("1.004194", user)
    bot.say("chỉ tôi từng bước", user)
    with sqlite3.connect(bot.home / "service.db") as db:
        (key,) = db.execute("select user from progress order by changed desc limit 1").fetchone()
    db.close()
    assert any(key.encode() in content for content in _raw(bot.home).values())
    answer = bot.say("/xoa", user)
    assert "đã xóa" in answer["replies"][0]["text"]
    for path, content in _raw(bot.home).items():
        assert key.encode() not in content, f"{path} still knows the user"
