"""From a :class:`~bot.reply.Reply` to what a channel shows: its markup, its limits, its way of offering choices.

Lengths are UTF-16 units after rendering, as Telegram and Zalo count. What is cut is cut between letters as people see
them (grapheme clusters): an emoji of several signs, a flag, a letter and its accents stay together.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import regex

from bot.menu import numbers
from bot.reply import Button, Part, Reply
from bot.texts import text

_BOLD = re.compile(r"\*\*((?:(?!\*\*).)+)\*\*", re.S)
_CLUSTER = regex.compile(r"\X")
_UNSEEN = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
_FEW = 8
"""Signs of a letter that always fit, even escaped."""
_EARLY = 3
"""A paragraph or line ends a part unless it ends within the first third of what fits."""


class Letter(NamedTuple):
    """A letter as people see it, one or more characters, NFC."""

    shown: str
    bold: bool


@dataclass(frozen=True)
class Markup:
    """How a channel writes a text. ``escape`` works sign by sign; ``bold``: what stands before and after.

    >>> to_html("**Phí** < 8.000 & hơn"), plain("**Phí** < 8.000")
    ('<b>Phí</b> &lt; 8.000 &amp; hơn', 'Phí < 8.000')
    """

    escape: Callable[[str], str]
    bold: tuple[str, str] = ("", "")

    def __call__(self, text: str) -> str:
        """``text`` of a :class:`~bot.reply.Reply` as the channel wants it."""
        return self.write(_letters(text))

    def write(self, letters: Sequence[Letter]) -> str:
        """The same for letters."""
        runs = ((bold, "".join(shown for shown, _ in run)) for bold, run in groupby(letters, itemgetter(1)))
        return "".join(self.escape(run) if not bold else self.escape(run).join(self.bold) for bold, run in runs)

    def fitting(self, letters: Sequence[Letter], limit: int) -> int:
        """How many of the letters, at least one, fit into ``limit`` units."""
        size, was_bold, around, known = 0, False, units("".join(self.bold)), dict[str, int]()
        for n, (shown, bold) in enumerate(letters):
            if shown not in known:
                known[shown] = units(self.escape(shown))
            size += known[shown] + around if bold and not was_bold else known[shown]
            if size > limit:
                return max(n, 1)
            was_bold = bold
        return len(letters)


plain = Markup(str)
"""Without markup."""
to_html = Markup(lambda text: html.escape(text, quote=False), ("<b>", "</b>"))
"""Telegram's HTML: everything escaped, bold kept."""


@dataclass(frozen=True)
class Look:
    """What a channel can show. ``limit``: length of a message in UTF-16 units after ``render``, at least 64;
    ``buttons``: how many choices a message may have ("Xem thêm" among them), at least two; ``numbered``: choices are
    numbered lines, not buttons; ``label``: length of a choice in UTF-16 units."""

    limit: int
    render: Markup
    buttons: int
    numbered: bool = False
    label: int = 100


TELEGRAM = Look(4096, to_html, 100)
ZALO = Look(2000, plain, 5)
ZALO_BOT = Look(2000, plain, 9, numbered=True)
CONSOLE = Look(1_000_000, plain, 1000)


def fit(reply: Reply, look: Look) -> Reply:
    """``reply`` with no more choices than the channel shows; the rest stands behind "Xem thêm"."""
    if len(reply.buttons) <= look.buttons:
        return reply
    shown, rest = reply.buttons[: look.buttons - 1], reply.buttons[look.buttons - 1 :]
    more = "/more_choices" + json.dumps({"buttons": [[b.label, b.payload] for b in rest]}, ensure_ascii=False)
    return replace(reply, buttons=(*shown, Button(text("button_more_choices"), more)))


def dress(reply: Reply, keys: Sequence[str], look: Look) -> list[Part]:
    """A reply as the messages of a channel, the choices on the last one; none for a reply that says nothing.

    ``keys``: of its buttons. A numbered menu stays in one piece with the line that says how to answer.
    """
    pairs = tuple((_label(button.label, look.label), key) for button, key in zip(reply.buttons, keys, strict=True))
    parts = _split(_letters(_sound(reply.text)), look.limit, look.render)
    if pairs and look.numbered:
        labels = [label for label, _ in pairs]
        numbered = sorted(zip(numbers(labels, reply.text), labels, strict=True))
        lines = (f"{n}. {label.replace(f'{n}. ', '', 1)}" for n, label in numbered)
        menu = _as_they_are("\n".join((text("numbered_menu"), *lines)))
        joined = [*parts[-1], *_as_they_are("\n\n"), *menu] if parts else menu
        if look.render.fitting(joined, look.limit) == len(joined):
            parts[-1:] = [joined]
        else:
            parts += _split(menu, look.limit, look.render)
    elif pairs and not parts:
        parts = [_as_they_are(text("only_choices"))]
    last = len(parts) - 1
    return [
        Part(look.render.write(part), pairs if n == last and not look.numbered else (), reply.edit and not last)
        for n, part in enumerate(parts)
    ]


def rendered(text: str, limit: int, render: Markup) -> list[str]:
    """``text`` in parts of at most ``limit`` (64 or more) UTF-16 units each after ``render``.

    Cut between paragraphs, else lines, else words, else letters. A bold passage that has to be cut is bold on both
    sides, so every part stands by itself.

    >>> rendered("**một hai ba bốn năm sáu bảy tám chín mười, một hai ba bốn năm sáu bảy**", 64, to_html)
    ['<b>một hai ba bốn năm sáu bảy tám chín mười, một hai ba bốn</b>', '<b>năm sáu bảy</b>']
    """
    return [render.write(part) for part in _split(_letters(_sound(text)), limit, render)]


def units(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    if not text or max(text) <= "\uffff":
        return len(text)
    return len(text) + sum(sign > "\uffff" for sign in text)


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


def _sound(text: str) -> str:
    """``text`` as it can be sent: NFC, plain line ends, and no half of a UTF-16 pair."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return unicodedata.normalize("NFC", whole.replace("\r\n", "\n"))


def _letters(text: str) -> list[Letter]:
    """The letters of a text with bold passages; a letter of several signs is as bold as its first one."""
    pieces = _BOLD.split(text)
    bold = [n % 2 == 1 for n, piece in enumerate(pieces) for _ in piece]
    letters, at, known = list[Letter](), 0, dict[tuple[str, bool], Letter]()
    for cluster in _CLUSTER.findall("".join(pieces)):
        key = (cluster, bold[at])
        if key not in known:  # a text has few different letters
            known[key] = Letter(unicodedata.normalize("NFC", cluster), bold[at])
        letters.append(known[key])
        at += len(cluster)
    return letters


def _as_they_are(text: str) -> list[Letter]:
    """The letters of a text without markup."""
    return [Letter(cluster, False) for cluster in _CLUSTER.findall(text)]


def _split(letters: Sequence[Letter], limit: int, render: Markup) -> list[list[Letter]]:
    """Parts that fit, without blanks around them; none of nothing but blanks."""
    left, parts = _stripped(_broken(letters, limit, render)), list[list[Letter]]()
    while left:
        fits = render.fitting(left, limit)
        at = fits if fits == len(left) else _cut(left, fits)
        if _visible(part := _stripped(left[:at])):
            parts.append(part)
        left = _stripped(left[at:])
    return parts


def _broken(letters: Sequence[Letter], limit: int, render: Markup) -> list[Letter]:
    """The letters; what fits into no message, such as one with thousands of accents, in its signs."""
    whole = list[Letter]()
    if all(len(shown) <= _FEW for shown, _ in letters):
        return list(letters)
    for letter in letters:
        fits = len(letter.shown) <= _FEW or units(render.write([letter])) <= limit
        whole += [letter] if fits else [Letter(sign, letter.bold) for sign in letter.shown]
    return whole


def _cut(letters: Sequence[Letter], fits: int) -> int:
    """Where to cut letters of which so many fit: the last end of a paragraph, else of a line, else of a word.

    Not after a heading: what it is about would stand in the next message without it.
    """
    word = line = 0
    for at in range(fits, 0, -1):
        shown = letters[at].shown
        if shown == "\n" and at > fits // _EARLY and not _heads(letters, at):
            if letters[at - 1].shown == "\n" or at + 1 < len(letters) and letters[at + 1].shown == "\n":
                return at
            line = line or at
        elif shown in " \t":
            word = word or at
    return line or word or fits


def _heads(letters: Sequence[Letter], end: int) -> bool:
    """Whether the line that ends there is a heading: it is bold, begins with a dash or ends with a colon."""
    begin = end
    while begin and letters[begin - 1].shown != "\n":
        begin -= 1
    line = _stripped(letters[begin:end])
    return bool(line) and (line[0].shown == "—" or line[-1].shown == ":" or all(one.bold for one in line))


def _stripped(letters: Sequence[Letter]) -> list[Letter]:
    first, last = 0, len(letters)
    while first < last and letters[first].shown.isspace():
        first += 1
    while first < last and letters[last - 1].shown.isspace():
        last -= 1
    return list(letters[first:last])


def _visible(letters: Sequence[Letter]) -> bool:
    """Whether there is anything to see; channels refuse a message without."""
    return any(unicodedata.category(sign) not in _UNSEEN for letter in letters for sign in letter.shown)


def _label(label: str, limit: int) -> str:
    """A choice in one line of at most ``limit`` UTF-16 units, with an ellipsis where it was cut."""
    label = " ".join(_sound(label).split())
    if units(label) <= limit:
        return label or "…"
    cut = next(iter(_split(_as_they_are(label), limit - 1, plain)), [])
    return plain.write(cut).rstrip(" ,;:.(–-") + "…"
