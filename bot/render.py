"""From a :class:`~bot.reply.Reply` to what a channel shows: plain text or HTML, split where it must be."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.reply import Button, Part, Reply
from bot.texts import text

_BOLD = re.compile(r"\*\*(.+?)\*\*", re.S)
_MARK = "**"


@dataclass(frozen=True)
class Look:
    """What a channel can show. ``limit``: length of a message in UTF-16 units after ``render``; ``buttons``: how many
    choices a message may have ("Xem thêm" among them); ``numbered``: choices are numbered lines, not buttons."""

    limit: int
    render: Callable[[str], str]
    buttons: int
    numbered: bool = False


def plain(text: str) -> str:
    """Without markup."""
    return _BOLD.sub(r"\1", text)


def to_html(text: str) -> str:
    """Telegram's HTML: everything escaped, bold kept.

    >>> to_html("**Phí** < 8.000 & hơn")
    '<b>Phí</b> &lt; 8.000 &amp; hơn'
    """
    return _BOLD.sub(r"<b>\1</b>", html.escape(text, quote=False))


def fit(reply: Reply, look: Look) -> Reply:
    """``reply`` with no more choices than the channel shows; the rest stands behind "Xem thêm"."""
    if len(reply.buttons) <= look.buttons:
        return reply
    shown, rest = reply.buttons[: look.buttons - 1], reply.buttons[look.buttons - 1 :]
    more = "/more_choices" + json.dumps({"buttons": [[b.label, b.payload] for b in rest]}, ensure_ascii=False)
    return replace(reply, buttons=(*shown, Button(text("button_more_choices"), more)))


def dress(reply: Reply, keys: Sequence[str], look: Look) -> list[Part]:
    """A reply as the messages of a channel: split at its limit, the choices on the last one."""
    pairs = tuple(zip((b.label for b in reply.buttons), keys, strict=True))
    said = reply.text
    if look.numbered and pairs:
        lines = "\n".join(f"{n}. {label}" for n, (label, _) in enumerate(pairs, 1))
        said = f"{said}\n\n{text('numbered_menu')}\n{lines}"
    parts = [part for part in rendered(said, look.limit, look.render) if part]
    last = len(parts) - 1
    return [
        Part(part, pairs if n == last and not look.numbered else (), reply.edit and not last)
        for n, part in enumerate(parts)
    ]


def units(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


TELEGRAM = Look(4096, to_html, 100)
ZALO = Look(2000, plain, 5)
ZALO_BOT = Look(2000, plain, 9, numbered=True)


def split(text: str, limit: int) -> list[str]:
    """Parts of at most ``limit`` UTF-16 units, cut between paragraphs, else lines or words, never inside a letter."""
    text = unicodedata.normalize("NFC", text).strip()
    parts = []
    while units(text) > limit:
        at = _cut(text, limit)
        parts.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*parts, text] if text or not parts else parts


def rendered(text: str, limit: int, render: Callable[[str], str]) -> list[str]:
    """``text`` in parts of at most ``limit`` (64 or more) UTF-16 units each after ``render``, cut as by :func:`split`.

    A bold passage that has to be cut is bold on both sides, so every part stands by itself.

    >>> rendered("**một hai ba bốn năm sáu bảy tám chín mười, một hai ba bốn năm sáu bảy**", 64, to_html)
    ['<b>một hai ba bốn năm sáu bảy tám chín mười, một hai ba bốn</b>', '<b>năm sáu bảy</b>']
    """
    text = unicodedata.normalize("NFC", text).strip()
    parts = []
    while units(render(text)) > limit:
        size = limit
        head, rest = _halves(text, _cut(text, size))
        while (length := units(render(head))) > limit:
            size = min(size - 1, size * limit // length)
            head, rest = _halves(text, _cut(text, size))
        parts.append(render(head))
        text = rest
    return [*parts, render(text)] if text or not parts else parts


def rows(labels: Sequence[str], short: int = 18, columns: int = 2) -> list[list[int]]:
    """Positions of buttons in rows: at most ``columns`` short labels in one, a label longer than ``short`` alone.

    >>> rows(["Phí", "Giấy tờ", "Đăng ký khai sinh cho con", "Thôi"])
    [[0, 1], [2], [3]]
    """
    lines: list[list[int]] = []
    room = 0
    for position, label in enumerate(labels):
        if len(label) > short:
            lines.append([position])
            room = 0
        elif room:
            lines[-1].append(position)
            room -= 1
        else:
            lines.append([position])
            room = columns - 1
    return lines


def _cut(text: str, limit: int) -> int:
    """Where to cut ``text`` (longer than ``limit`` or not) so that at most ``limit`` UTF-16 units stand before."""
    head = text[:limit]
    while units(head) > limit:
        head = head[:-1]
    at = next((p for mark in ("\n\n", "\n", " ") if (p := head.rfind(mark)) > limit // 3), len(head))
    while 0 < at < len(text) and unicodedata.combining(text[at]):
        at -= 1
    return at or len(head)


def _halves(text: str, at: int) -> tuple[str, str]:
    """``text`` cut at ``at``; when that is inside a bold passage, the passage ends there and begins again after."""
    for bold in _BOLD.finditer(text):
        begin, end = bold.span()
        if begin < at < end:
            if at <= begin + len(_MARK):
                at = begin or begin + len(_MARK) + 1
            if begin < at < end - len(_MARK):
                return text[:at].rstrip() + _MARK, _MARK + text[at:].lstrip()
            at = at if at <= begin else end
            break
    return text[:at].rstrip(), text[at:].lstrip()
