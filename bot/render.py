"""From a :class:`~bot.reply.Reply` to what a channel shows: plain text or HTML, split where it must be."""

from __future__ import annotations

import html
import re
import unicodedata

_BOLD = re.compile(r"\*\*(.+?)\*\*", re.S)
TELEGRAM_LIMIT = 4096


def plain(text: str) -> str:
    """Without markup."""
    return _BOLD.sub(r"\1", text)


def to_html(text: str) -> str:
    """Telegram's HTML: everything escaped, bold kept.

    >>> to_html("**Phí** < 8.000 & hơn")
    '<b>Phí</b> &lt; 8.000 &amp; hơn'
    """
    return _BOLD.sub(r"<b>\1</b>", html.escape(text, quote=False))


def units(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, limit: int) -> list[str]:
    """Parts of at most ``limit`` UTF-16 units, cut between paragraphs, else lines, else words; never inside a letter."""
    text = unicodedata.normalize("NFC", text).strip()
    parts = []
    while units(text) > limit:
        head = text[:limit]
        while units(head) > limit:
            head = head[:-1]
        at = next((p for mark in ("\n\n", "\n", " ") if (p := head.rfind(mark)) > limit // 3), len(head))
        while 0 < at < len(text) and unicodedata.combining(text[at]):
            at -= 1
        parts.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*parts, text] if text or not parts else parts
