"""The gateway with a stand-in for Rasa: what reaches Rasa, what comes back, and that it always answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bot.gateway import COMMANDS, LONGEST, Gateway, clean, harmless, parse_payload, payload_of
from bot.message import Incoming, Outgoing
from bot.privacy import MASKS
from bot.rasa_client import RasaDownError
from bot.reply import Button, Reply
from bot.texts import text

BLANKS = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000\u200b\ufeff\u2060\u180e"
)


class Rasa:
    """Answers as told and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, str], list[Reply]] | None = None) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.answer = answer or (lambda _, message: [Reply(f"nghe: {message}", intent="find_procedure")])
        self.closed = False

    async def ask(self, sender: str, message: str, metadata: dict[str, Any]) -> list[Reply]:
        self.asked.append((sender, message, metadata))
        await asyncio.sleep(0)
        return self.answer(sender, message)

    async def close(self) -> None:
        self.closed = True


def down(*_: object) -> list[Reply]:
    raise RasaDownError("không có ai")


@pytest.fixture
async def gateway(settings_for: Any) -> Any:
    made = Gateway(settings_for(messages_per_minute=1000), Rasa())  # type: ignore[arg-type]
    yield made
    await made.close()


def said(
    message: str, *, user: str = "1", button: str | None = None, delivery: str = "", limited: bool = True
) -> Incoming:
    said.number = getattr(said, "number", 0) + 1  # type: ignore[attr-defined]
    return Incoming("test", user, message, delivery or f"d{said.number}", button, limited)  # type: ignore[attr-defined]


async def ask(gateway: Gateway, message: str = "", **how: Any) -> Outgoing:
    (out,) = await gateway.handle(said(message, **how))
    return out


def heard(gateway: Gateway) -> list[str]:
    return [message for _, message, _ in gateway.rasa.asked]  # type: ignore[attr-defined]


# -- what may reach Rasa


@given(
    st.text(st.sampled_from(BLANKS + "/"), max_size=12),
    st.sampled_from(["forget_me", "greet", "open_procedure{}", "x", ""]),
)
def test_harmless_never_begins_with_a_slash(before: str, intent: str) -> None:
    made = harmless(before + intent)
    assert not made.strip().startswith("/")
    assert not harmless(clean(before + intent)).strip().startswith("/")
    assert made == harmless(made)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(BLANKS + "/{}"), max_size=40))
def test_only_our_commands_become_payloads(message: str) -> None:
    payload = payload_of(clean(message))
    if payload is not None:
        assert re.match(r"\s*/(" + "|".join(COMMANDS) + r")\b", clean(message))
        assert payload in COMMANDS.values() or re.fullmatch(r'/open_procedure\{"code": "\d\.\d{6}"\}', payload)
    assert not harmless(clean(message)).strip().startswith("/")


@pytest.mark.parametrize(
    "message",
    [
        "/forget_me",
        " /restart",
        "\u200b/forget_me",
        "\x1f/greet",
        "\u2003//forget_me",
        "/\u3000/forget_me now",
        "/session_start",
        '/open_procedure{"code": "1.001193"}',
        "/FORGET_ME",
        "/xoa đi mà",
        "/start abc def",
        "\ufeff / /nlu_fallback",
        "/xoá",
    ],
)
async def test_ones_own_text_is_never_a_payload(gateway: Gateway, message: str) -> None:
    await ask(gateway, message)
    for sent in heard(gateway):
        assert not sent.strip().startswith("/")


@pytest.mark.parametrize(
    ("message", "payload"),
    [(f"/{name}", payload) for name, payload in COMMANDS.items()]
    + [
        (" /xoa ", "/forget_me"),
        ("/xoa@TroLy5299Bot", "/forget_me"),
        ("/start 1.001193", '/open_procedure{"code": "1.001193"}'),
        ("/start khac", "/greet"),
    ],
)
async def test_commands(gateway: Gateway, message: str, payload: str) -> None:
    await ask(gateway, message)
    assert heard(gateway) == [payload]


async def test_what_reaches_rasa_is_masked_and_composed(gateway: Gateway) -> None:
    await ask(gateway, "cccd 052199001234, đa\u0306ng ký")
    assert heard(gateway) == [f"cccd {MASKS['citizen']}, đăng ký"]


async def test_rasa_sees_a_key_instead_of_the_user(gateway: Gateway) -> None:
    await ask(gateway, "chào", user="700000001")
    ((sender, _, metadata),) = gateway.rasa.asked  # type: ignore[attr-defined]
    assert re.fullmatch(r"[0-9a-f]{24}", sender)
    assert metadata["tapped"] is False
    assert re.fullmatch(r"[0-9a-f]{32}", metadata["delivery"])


# -- buttons


def with_buttons(*payloads: str) -> Callable[[str, str], list[Reply]]:
    return lambda *_: [Reply("chọn đi", tuple(Button(p.strip("/"), p) for p in payloads), intent="x")]


async def test_a_tapped_button_becomes_its_payload(gateway: Gateway) -> None:
    gateway.rasa = Rasa(with_buttons("/ask_fee", "/help"))  # type: ignore[assignment]
    out = await ask(gateway, "khai sinh")
    assert len(out.keys) == 2
    await ask(gateway, button=out.keys[1])
    await ask(gateway, button="#1")
    assert heard(gateway)[1:] == ["/help", "/ask_fee"]
    assert [m["tapped"] for _, _, m in gateway.rasa.asked] == [False, True, True]  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["", "khongco1", "#9", "#0", "' or ''='"])
async def test_an_old_button_is_told_as_such(gateway: Gateway, key: str) -> None:
    out = await ask(gateway, button=key)
    assert out.reply.intent == "old_button"
    assert out.reply.text == text("old_button")
    assert heard(gateway) == []
    await ask(gateway, button=out.keys[0])
    assert heard(gateway) == ["/help"]


async def test_somebody_elses_button_does_nothing(gateway: Gateway) -> None:
    gateway.rasa = Rasa(with_buttons("/forget_me"))  # type: ignore[assignment]
    out = await ask(gateway, "a", user="1")
    assert (await ask(gateway, button=out.keys[0], user="2")).reply.intent == "old_button"


# -- odd messages


async def test_a_long_message_is_read_to_its_limit_and_says_so(gateway: Gateway) -> None:
    out = await ask(gateway, "a" + "b " * LONGEST)
    (sent,) = heard(gateway)
    assert len(sent) <= LONGEST
    assert out.reply.text.startswith(text("too_long"))
    kept = [r["text"] for r in gateway.service.db["inbox"].rows]
    assert all(len(t) <= LONGEST + 1 for t in kept)


@pytest.mark.parametrize("message", ["🙂🙂", "", "   ", "...", "/", "\u200b", "?!"])
async def test_no_words_no_rasa(gateway: Gateway, message: str) -> None:
    out = await ask(gateway, message)
    assert out.reply.intent == "no_words"
    assert heard(gateway) == []


# -- deliveries


async def test_a_delivery_twice_gets_the_same_answer_and_rasa_is_asked_once(gateway: Gateway) -> None:
    gateway.rasa = Rasa(with_buttons("/help"))  # type: ignore[assignment]
    first = await ask(gateway, "chào", delivery="x")
    again = await ask(gateway, "chào", delivery="x")
    assert again == first
    assert heard(gateway) == ["chào"]
    assert await ask(gateway, "chào", delivery="x", user="2") != first  # another user's delivery of the same id


async def test_a_delivery_twice_at_once(gateway: Gateway) -> None:
    twice = said("chào", delivery="y")
    one, other = await asyncio.gather(gateway.handle(twice), gateway.handle(twice))
    assert one == other
    assert heard(gateway) == ["chào"]


async def test_a_users_messages_are_answered_in_order_and_users_side_by_side(gateway: Gateway) -> None:
    running: set[str] = set()
    most, order = 0, []

    async def slow(sender: str, message: str, _: object) -> list[Reply]:
        nonlocal most
        assert sender not in running
        running.add(sender)
        most = max(most, len(running))
        for _n in range(5):
            await asyncio.sleep(0)
        running.remove(sender)
        order.append(message)
        return [Reply(message, intent="x")]

    gateway.rasa.ask = slow  # type: ignore[method-assign,assignment]
    await asyncio.gather(*(gateway.handle(said(f"{user}-{n}", user=user)) for n in range(6) for user in "ab"))
    assert [m for m in order if m.startswith("a")] == [f"a-{n}" for n in range(6)]
    assert [m for m in order if m.startswith("b")] == [f"b-{n}" for n in range(6)]
    assert most == 2


async def test_a_text_is_not_kept_longer_than_its_answer_takes(gateway: Gateway) -> None:
    await ask(gateway, "chuyện riêng")
    assert [r["text"] for r in gateway.service.db["inbox"].rows] == [""]
    assert gateway.inbox.counts()["new"] == 0


# -- forgetting


def forgetful(_: str, message: str) -> list[Reply]:
    if message == "/forget_me":
        return [Reply("đã xóa", intent="forget_me")]
    return [Reply("một câu trả lời riêng", (Button("nút riêng", "/help"),), intent="x")]


async def test_after_forgetting_nothing_is_in_the_files(gateway: Gateway) -> None:
    gateway.rasa = Rasa(forgetful)  # type: ignore[assignment]
    for n in range(5):
        await ask(gateway, f"chuyện riêng {n}")
    key = gateway.user_key(said("x"))
    assert (await ask(gateway, "/xoa")).reply.text == "đã xóa"
    held = b"".join(p.read_bytes() for p in gateway.service.path.parent.glob("service.db*"))
    for trace in ("riêng", "nút riêng", key, "đã xóa"):
        assert trace.encode() not in held, trace


async def test_rasa_is_told_to_forget_once_it_is_back(
    gateway: Gateway, tiny_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.assistant import Current

    monkeypatch.setattr(gateway, "_current", Current(tiny_home))
    gateway.rasa = Rasa(down)  # type: ignore[assignment]
    out = await ask(gateway, "/xoa")
    assert text("forgotten") in out.reply.text
    key = gateway.user_key(said("x"))
    assert gateway.service.owed_forgettings() == [key]
    gateway.rasa = Rasa()  # type: ignore[assignment]
    await ask(gateway, "chào", user="2")
    assert (key, "/forget_me", {}) in gateway.rasa.asked  # type: ignore[attr-defined]
    assert gateway.service.owed_forgettings() == []


# -- without Rasa


@pytest.fixture
async def alone(settings_for: Any, tiny_home: Path) -> Any:
    made = Gateway(settings_for(tiny_home, messages_per_minute=1000), Rasa(down))  # type: ignore[arg-type]
    yield made
    await made.close()


async def test_without_rasa_the_index_answers_with_source(alone: Gateway) -> None:
    out = await ask(alone, "cấp giấy phép nuôi trâu")
    assert "24/11/2026" in out.reply.text
    assert text("simple_mode") in out.reply.text
    assert out.reply.buttons
    assert len(out.keys) == len(out.reply.buttons)
    chosen = out.reply.buttons[0]
    opened = await ask(alone, button=out.keys[0])
    assert opened.reply.intent == chosen.payload[1:].split("{")[0]
    assert "24/11/2026" in opened.reply.text


async def test_without_rasa_a_guide_is_still_walked(alone: Gateway) -> None:
    await ask(alone, "/start 1.000002")
    out = await ask(alone, button="#1")
    assert out.reply.intent == "guide_start"
    key = alone.user_key(said("x"))
    held = alone.service.progress(key)
    assert held
    assert (held["code"], held["portal"], held["step"]) == ("1.000002", "cong-quoc-gia", "before")
    await ask(alone, button="#1")
    assert alone.service.progress(key)["step"] != "before"  # type: ignore[index]
    assert "1.000002" in json.dumps(alone.service.progress(key))


async def test_without_rasa_and_release_it_still_says_something(settings_for: Any) -> None:
    gateway = Gateway(settings_for(), Rasa(down))  # type: ignore[arg-type]
    out = await ask(gateway, "khai sinh")
    assert (out.reply.intent, out.reply.text) == ("error", text("broken"))
    await gateway.close()


@examples(deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), max_size=30), st.none() | st.text(st.characters(codec="utf-8"), max_size=6)
)
def test_it_never_raises(tmp_path_factory: pytest.TempPathFactory, message: str, button: str | None) -> None:
    from bot.settings import Settings

    def broken(*_: object) -> list[Reply]:
        raise RuntimeError("hỏng")

    home = tmp_path_factory.getbasetemp() / "never-raises"

    async def run() -> list[Outgoing]:
        gateway = Gateway(Settings(_env_file=None, home=home, secret="x", messages_per_minute=10**6), Rasa(broken))  # type: ignore[arg-type,call-arg]
        try:
            return await gateway.handle(said(message, button=button, delivery=f"{message}|{button}"))
        finally:
            await gateway.close()

    (out,) = asyncio.run(run())
    assert out.reply.text


async def test_a_broken_store_is_no_silence(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise OSError("disk full")

    monkeypatch.setattr(gateway.inbox, "receive", full)
    assert (await ask(gateway, "chào")).reply.intent == "error"


# -- payloads, memory


@pytest.mark.parametrize(
    ("payload", "parsed"),
    [
        ("/greet", ("greet", {})),
        ('/ask_fee{"code": "1.001193"}', ("ask_fee", {"code": "1.001193"})),
        ("câu thường", ("find_procedure", {})),
    ],
)
def test_parse_payload(payload: str, parsed: object) -> None:
    assert parse_payload(payload) == parsed
    button = Button.to("x", "ask_fee", code="1.001193")
    assert parse_payload(button.payload) == ("ask_fee", {"code": "1.001193"})


async def test_not_everyone_is_kept_in_memory(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot import gateway as module

    monkeypatch.setattr(module, "USERS", 10)
    for n in range(40):
        await ask(gateway, "chào", user=str(n))
    assert len(gateway._locks) <= 11


async def test_closing_closes_rasa(settings_for: Any) -> None:
    made = Gateway(settings_for(), Rasa())  # type: ignore[arg-type]
    await made.close()
    assert made.rasa.closed  # type: ignore[attr-defined]
