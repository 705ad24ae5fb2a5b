"""Personal data: found and masked before a message is stored, logged or sent on; user ids only as keyed hashes.

Protected spans (procedure codes, money, numbers of decrees, dates in law) are set aside first; then the longest match
wins. Ten-digit numbers count only near a word that says what they are. Source of the patterns: the forms in use for
căn cước (12 digits), CMND (9), telephone, bank cards (Luhn), BHXH, BHYT, tax code, passport, number plates, dossiers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken

MASKS = {
    "citizen": "<SO_CAN_CUOC>", "phone": "<SO_DIEN_THOAI>", "card": "<SO_THE>", "otp": "<MA_OTP>",
    "password": "<MAT_KHAU>", "email": "<EMAIL>", "passport": "<SO_HO_CHIEU>", "insurance": "<MA_BHXH>",
    "health": "<MA_BHYT>", "tax": "<MA_SO_THUE>", "plate": "<BIEN_SO>", "dossier": "<MA_HO_SO>",
    "birth": "<NGAY_SINH>", "address": "<DIA_CHI>", "number": "<DAY_SO>",
}  # fmt: skip
"""One token each, so that a mask is never taken for the words it stands for."""
_MASK = re.compile("(" + "|".join(map(re.escape, MASKS.values())) + ")")

_GAP = r"[ .\-\u00a0]?"


def _digits(count: int) -> str:
    return _GAP.join([r"\d"] * count)


def _bounded(pattern: str) -> str:
    return rf"(?<!\d)(?:{pattern})(?!\d)"


_PROTECTED = re.compile(
    r"(?<![\d.])\d\.\d{6}(?:\.[A-Z]\d{2}(?:\.\d+)?)?(?![\d.]*\d)"
    r"|(?<![\d.,])[1-9]\d{0,2}(?:[.,]\d{3})+\s*(?:đ|đồng|vnđ|vnd|usd)(?![\w/])"
    r"|(?<!\d)[1-9]\d{3,9}\s*(?:đ|đồng|vnđ|vnd|usd|triệu|nghìn|ngàn)(?![\w/])"
    r"|(?<!\d)[1-9]\d{3,5}(?:tr|k)(?!\w)"
    r"|(?<!\d)\d{1,4}(?:\.\d)?/\d{4}/[A-ZĐa-zđ]{2,}[\w-]*"
    r"|(?<!\d)(?:18001096|1900\.?0368|1900\.?9068|1022)(?!\d)",
    re.I,
)
_LAW_DATE = re.compile(
    r"(?:nghị định|thông tư|nghị quyết|luật|quyết định|hiệu lực|ban hành|đến hết|từ ngày|ngày ký)"
    r"(?:(?!sinh)[^.;\n]){0,30}?(?<!\d)(\d{1,2}[/.-]\d{1,2}[/.-]\d{4})(?!\d)",
    re.I,
)
"""The date alone is protected, not what stands before it."""


class Pattern(NamedTuple):
    """``near``: words that must stand shortly before the match; ``group``: the part that is masked."""

    kind: str
    regex: re.Pattern[str]
    near: re.Pattern[str] | None = None
    group: int = 0
    check: Callable[[str], bool] | None = None


def _luhn(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    total = sum(d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits)))
    return total % 10 == 0


def _near(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{words})\W*(?:\w+\W+){{0,4}}$", re.I)


_CODE_WORDS = r"otp|passcode|mã xác (?:thực|nhận)|ma xac (?:thuc|nhan)|mã pin|mã số bí mật|mã bí mật"
_PASSWORD_WORDS = r"mật khẩu|mat khau|password|pass|mk"

_PATTERNS = (
    Pattern("dossier", re.compile(r"(?<!\w)(?:\d{3}\.\d{2}\.\d{2}\.)?H\d{2}(?:\.\d+)*-\d{6}-\d{3,6}(?!\d)", re.I)),
    Pattern("dossier", re.compile(r"(?<!\w)(?:\d{3}\.\d{2}\.){1,2}[\w.]*?[A-Z]\d{2}(?:\.\d+)*-\d{6}-\d{3,6}(?!\d)", re.I)),
    Pattern("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    Pattern("health", re.compile(r"(?<![A-Za-z])[A-Z]{2}[ -]?" + _digits(13) + r"(?!\d)", re.I)),
    Pattern("card", re.compile(_bounded(r"\d(?:" + _GAP + r"\d){12,18}")), check=_luhn),
    Pattern("citizen", re.compile(_bounded(_digits(12)))),
    Pattern("phone", re.compile(r"(?<![\d.])(?:(?:\+|00)?84|0)" + _GAP + "[35789]" + _GAP + _digits(8) + r"(?!\d)")),
    Pattern("phone", re.compile(r"(?<![\d.])0" + _GAP + "2" + _GAP + _digits(9) + r"(?!\d)")),
    Pattern("tax", re.compile(_bounded(r"\d{10}(?:-\d{3})?")), near=_near(r"mst|mã số thuế|ma so thue|thuế|thue")),
    Pattern("insurance", re.compile(_bounded(r"\d{10}")), near=_near(r"bhxh|bảo hiểm|bao hiem|sổ bảo|mã số bh")),
    Pattern("citizen", re.compile(_bounded(_digits(9)))),
    Pattern("number", re.compile(_bounded(r"\d(?:" + _GAP + r"\d){9,}"))),
    Pattern("passport", re.compile(r"(?<![A-Za-z\d])[A-Z]\d{7,8}(?!\d)", re.I)),
    Pattern("plate", re.compile(r"(?<!\w)\d{2}[- ]?[A-Z][A-Z0-9]?[- ]?(?:\d{3}\.\d{2}|\d{5}|\d{4})(?!\d)", re.I)),
    Pattern("otp", re.compile(_bounded(r"\d(?:[ -]?\d){3,7}")), near=_near(_CODE_WORDS + r"|(?<!\w)mã(?: số)?(?: là)?|(?<!\w)code")),
    Pattern("otp", re.compile(r"(?<!\d)(\d(?:[ -]?\d){3,7})(?!\d)(?=[^\n]{0,25}(?:" + _CODE_WORDS + "))", re.I), group=1),
    Pattern("password", re.compile(rf"(?<!\w)(?:{_PASSWORD_WORDS})(?:\s+\w+){{0,3}}?\s*(?:(?:là|la)\s*(?=\S*\d)|[:=]\s*(?=\S*\d|\S{{4}}))([^\s<]\S*)", re.I), group=1),
    Pattern(
        "password",
        re.compile(rf"(?<!\w)(?:{_PASSWORD_WORDS})\s+(?:\w+\s+)?((?=[^\s<]*\d)[^\s<]{{5,}})", re.I),
        group=1,
    ),
    Pattern(
        "birth",
        re.compile(r"(?<!\d)\d{1,2}\s*[/.\-]\s*\d{1,2}\s*[/.\-]\s*\d{2,4}(?!\d)"),
        near=_near(r"sinh|sn|ns|ngày sinh|ngay sinh"),
    ),
    Pattern(
        "birth",
        re.compile(r"(?:sinh|sn) (?:ngày|ngay) \d{1,2} (?:tháng|thang) \d{1,2}(?: (?:năm|nam) \d{4})?", re.I),
    ),
    Pattern(
        "address",
        re.compile(
            r"(?<!\w)(?:số nhà|so nha|nhà số|hẻm|ngõ|kiệt)\s+\d+[\w/]*(?:[ ,]+(?:đường|duong|phố)?\s*(?:[A-ZĐÀ-Ỹ]\w*\s?){1,5})?"
            r"|(?<!\w)(?:tổ|thôn|xóm|ấp|khu phố|kp)\s+\d+\w?(?!\w)"
        ),
    ),
)  # fmt: skip


class Span(NamedTuple):
    """A stretch of personal data: [start, end) and its kind."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Span]:
    """Personal data in ``text`` (NFC), longest first at each place, none overlapping."""
    protected = [m.span() for m in _PROTECTED.finditer(text)] + [m.span(1) for m in _LAW_DATE.finditer(text)]
    found: list[Span] = []
    for span in sorted(_all(text), key=lambda s: s.start - s.end):
        inside = any(s < span.end and span.start < e for s, e in protected)
        if not inside and not any(o.start < span.end and span.start < o.end for o in found):
            found.append(span)
    return sorted(found)


def _all(text: str) -> Iterator[Span]:
    for pattern in _PATTERNS:
        for match in pattern.regex.finditer(text):
            start, end = match.span(pattern.group)
            if pattern.near and not pattern.near.search(text[max(0, start - 60) : start]):
                continue
            if pattern.check and not pattern.check(match[pattern.group]):
                continue
            yield Span(start, end, pattern.kind)


def redact(text: str) -> str:
    """``text`` in NFC with personal data masked. Masking twice changes nothing.

    >>> redact("cccd của tôi 052199001234, sđt 0905 123 456, mã 1.001193 phí 10.000 đồng")
    'cccd của tôi <SO_CAN_CUOC>, sđt <SO_DIEN_THOAI>, mã 1.001193 phí 10.000 đồng'
    """
    text, before = unicodedata.normalize("NFC", text), ""
    while text != before:  # what stands beside a new mask may look different without it
        before, parts = text, _MASK.split(text)
        text = unicodedata.normalize("NFC", "".join(p if n % 2 else _masked(p) for n, p in enumerate(parts)))
    return text


def _masked(text: str) -> str:
    parts, at = [], 0
    for span in find(text):
        parts += [text[at : span.start], MASKS[span.kind]]
        at = span.end
    return "".join([*parts, text[at:]])


def user_key(channel: str, user: str, key: bytes) -> str:
    """Keyed hash of a user's id: the same person, never the id itself (24 hex digits)."""
    return hmac.new(key, f"{channel}:{user}".encode(), hashlib.sha256).hexdigest()[:24]


def load_key(home: Path, configured: str = "") -> bytes:
    """The hashing key: as configured, else made once and kept in ``home/secret.key`` (mode 600)."""
    if configured:
        return configured.encode()
    path = home / "secret.key"
    if not path.is_file():
        home.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{secrets.token_hex(4)}")
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_hex(32), encoding="ascii")
        try:
            path.hardlink_to(scratch)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return path.read_bytes()


TOKEN = "x-tthc-token"
"""Header by which the gateway, Rasa and the action server know each other; nlu/launcher.py names it too."""
TOKEN_FILE = "inner.token"


def inner_token(home: Path, configured: str = "") -> str:
    """What that header holds; also written to ``home/inner.token`` (mode 600) for Rasa, which stands in another Python."""
    token = hmac.new(load_key(home, configured), b"inner token", hashlib.sha256).hexdigest()
    path = home / TOKEN_FILE
    if not path.is_file() or path.read_text(encoding="ascii") != token:
        home.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{secrets.token_hex(4)}")
        scratch.touch(mode=0o600)
        scratch.write_text(token, encoding="ascii")
        scratch.replace(path)
    return token


class Seal:
    """Encrypts what has to be known again later, such as where a reply goes, with a key that is not beside it."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"seal:" + key).digest()))

    def close(self, data: dict[str, Any]) -> str:
        """``data`` sealed."""
        return self._fernet.encrypt(json.dumps(data).encode()).decode("ascii")

    def open(self, sealed: str) -> dict[str, Any]:
        """What was sealed. Raises ValueError for anything else, and after the key was changed."""
        try:
            return dict(json.loads(self._fernet.decrypt(sealed.encode())))
        except InvalidToken as error:
            raise ValueError("sealed with another key") from error
