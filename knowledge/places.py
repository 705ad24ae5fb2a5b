"""Old communes and districts in a message, and the communes they became on 1 July 2025: ``places.csv``.

People keep saying the old names. What is found is said only as far as the message tells it: a name of several old
communes stays *ambiguous* until type, district or former province tells them apart, and a commune that was divided
stays *divided*. A name that is also an everyday word, a street or a person is a place only beside a word that says so.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from knowledge.errors import DataError

PLACES = Path(__file__).with_name("places.csv")
COLUMNS = ("old", "district", "province", "new")
_TODAY = "Tỉnh Gia Lai"
"""The former province whose name is today's: only "Gia Lai cũ" tells where a place was."""
MOST = 24
"""Names that are looked at in one message: the rest of a longer list says nothing more."""
Kind = Literal["old", "divided", "ambiguous", "district", "new"]

_PREFIXES = {
    "old": ("Xã", "Phường", "Thị trấn"),
    "district": ("Huyện", "Thị xã", "Thành phố"),
    "province": ("Tỉnh",),
    "new": ("Xã", "Phường"),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """An old commune and the communes its area belongs to now: several when it was divided."""

    old: str
    district: str
    province: str
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a message names.

    ``old``: whichever candidate is meant (nearly always there is one), ``new`` is the one commune it belongs to now.
    ``divided``: one candidate, several in ``new``.
    ``ambiguous``: ``new`` holds every possible commune; one that no candidate leads to bears the name itself, or is of
    the old district of that name.
    ``district``: the candidates are its old communes. ``new``: the candidates are the old communes it was made of.
    """

    kind: Kind
    name: str
    candidates: tuple[Unit, ...]
    new: tuple[str, ...]


# -- words -----------------------------------------------------------------------------------------------------------

_LETTERS = re.compile(r"[^\W\d_]+(?:['’ʼ`´][^\W\d_]+)*")
_APOSTROPHE = re.compile("['’ʼ`´]")
_DOTTED = re.compile(r"\b([Tt])\.\s?(?=[PpTtXx]\b)")
"""``T.P``, ``T.T``: one abbreviation."""
_WITHIN = re.compile(r"[\s\-_]+")
"""What may stand between two words of a name."""
_BEFORE = re.compile(r"[\s\-_.:(\[/\"“”']*")
"""What may stand between a type word and its name."""
_NEAR = re.compile(r"[\s\-_,:()\[\]/\"“”']*")
"""What may stand between a name and words that belong to it."""


def _syllable(text: str) -> tuple[str, str]:
    """A syllable without marks, and its marks in an order of their own: ``hoà`` is ``hòa``, ``Quy`` is ``Qui``."""
    base, marks = "", []
    for c in unicodedata.normalize("NFD", text.lower()):
        if unicodedata.combining(c):
            marks.append(c)
        elif c == "đ":
            base += "d"
            marks.append(c)
        else:
            base += c
    base = re.sub(r"^(h|k|l|m|s|t|qu)y$", r"\1i", base)
    return "ia" if base == "ya" else base, "".join(sorted(marks))


def _folded(text: str) -> str:
    """Words without marks, single blanks between them."""
    return " ".join(_syllable(w)[0] for w in text.split())


def _names(text: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Names set apart by commas, as syllables."""
    return tuple(tuple(_syllable(w) for w in name.split()) for name in text.split(","))


def _folded_names(text: str) -> frozenset[str]:
    return frozenset(_folded(name) for name in text.split(","))


def _split(name: str) -> tuple[str, str]:
    """Type word and bare name.

    >>> _split("Thị trấn Ngô Mây")
    ('Thị trấn', 'Ngô Mây')
    """
    for prefix in sorted({p for each in _PREFIXES.values() for p in each}, key=len, reverse=True):
        if name.startswith(prefix + " "):
            return prefix, name[len(prefix) + 1 :]
    return "", name


@dataclass(frozen=True, slots=True)
class _Word:
    base: str
    marks: str
    gap: str
    """What stands between the word before and this one."""
    capital: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.base, self.marks


class _Words:
    """A small vocabulary; unmarked words count only in a message without marks."""

    def __init__(self, words: str, *, unmarked: str | None = None) -> None:
        self.exact = {_syllable(w) for w in words.split()}
        self.folded = {_syllable(w)[0] for w in (words if unmarked is None else unmarked).split()}


_XA, _PHUONG, _TRAN, _THI, _PHO = _Words("xã"), _Words("phường"), _Words("trấn"), _Words("thị"), _Words("phố")
_NOT_XA = _Words("tác")
"""``hợp tác xã``."""
_NOT_PHUONG = _Words("", unmarked="dia doi")
"""``dia phuong``, ``doi phuong``."""
_SOCIAL, _HOUSE, _AT = (
    _Words("hiểm sinh trợ giúp cấp sách mạng tác đề tế lợi nạn bhxh luận"),
    _Words("nhà"),
    _Words("ở"),
)
"""Before ``xã hội``, which is then not the commune Hội…; so ``nhà ở``."""
_TOWN = _Words("tp thành", unmarked="tp thanh")
_DISTRICT = _Words("huyện h tx tp")
_TITLE = _Words(
    "ông bà anh chị cô chú bác thầy bé cháu con em vợ chồng tên", unmarked="ong anh chi chu bac thay be chau ten"
)
_SURNAME = _Words(
    "nguyễn trần lê phạm huỳnh hoàng phan vũ võ đặng bùi đỗ hồ ngô dương lý đinh trương đoàn mai cao thị văn",
    unmarked="nguyen tran le pham huynh hoang phan vu dang bui ngo duong dinh truong thi van",
)
_QUAN = _Words("quận")
_TYPE_WORDS = _Words("huyện quận tỉnh thành phố thị xã tp tx h t")
"""Beginnings of what follows a commune's name."""
_LANDMARK = _Words(
    "đường phố ngõ hẻm kiệt chợ trường viện cầu hồ sông suối núi đèo ga cảng bay nghiệp kcn ccn kkt "
    "thị lịch ty tnhh htx chùa đền tháp thôn làng ấp khối tổ buôn plei plơi quận quán khu thpt thcs học non giáo điện "
    "đập biển đầm đảo bãi ngã ba trại tỉnh quốc nhà trận vua tướng",
    unmarked="duong pho ngo hem cho truong vien cau ho song suoi nui deo ga cang bay nghiep kcn ccn kkt ty tnhh htx "
    "chua den thap thon lang ap khoi to buon plei quan khu thpt thcs hoc dien dap bien dam dao bai nga ba trai tinh",
)
_PLACED = _Words(
    "ở tại quê về từ dân trú khẩu chỉ ban ubnd thuộc vùng hỏi đến tới qua sang gốc cũ",
    unmarked="o que tru khau ubnd thuoc tai hoi",
)
"""Before a name: somebody lives, comes from or has papers there (last word of the phrase)."""
_OLD = _Words("cũ", unmarked="cu")
_FORMERLY, _HERE = _Words("trước"), _Words("đây kia")
_NEW = _Words("mới")
_AFTER_NEW = _Words("là thì ở có gồm của nằm hay không sau bây giờ nay")
_MERGED = _Words("sáp gộp")
_TURNED = _Words("nhập đổi lên chuyển tách chia")
_INTO = _Words("vào về với thành tên chung phường xã sang qua làm")
_BELONGS = _Words("thuộc thành về là")
_COMMUNE = _Words("xã phường")
_FILLER = _Words("giờ nay hiện bây đã được bị thì trước đây ngày hồi đó vậy khi sau bữa rồi mà")
_CHATTER = _Words("dạ vâng ạ à em anh chị mình tôi tui con cháu cô chú ở là ad cho hỏi thưa nhé nha vậy thì ơi xin")
_WINDS = _Words("tây đông nam bắc thượng hạ")
"""After a name and capitalised: another, longer name (An Phú Đông)."""

_PLACE_WORDS = frozenset(_folded("ia chư đak kon kông krông yang lơ pờ sơ tơ chơ bờ đê bok bar al a").split())
"""First syllables of names that are written together or apart."""
_KINH = re.compile(
    r"(?:ngh?|nh|[cgkpt]h|gi|qu|tr|[bcdghklmnprstvx])?(?:uye|uya|uou|ieu|yeu|oai|oay|uay|uoi|[aeiouy]{1,2})(?:ng|nh|ch|[cmnpt])?"
)
_TELLING = frozenset({"ia", "dak", "kon", "kong", "krong", "yang"})
"""Syllables that no Vietnamese sentence has: a name with one of them is recognised wherever it stands."""

_EVERYDAY = _folded_names(
    """
    an bình, an hòa, an lương, an phú, an toàn, bình an, bình hòa, bình phú, bình tân, bùi thị xuân, canh hòa,
    canh liên, cát tường, chi lăng, chơ long, chư á, chư mố, chư ngọc, cư an, diên hồng, đất bằng, đoàn kết, đống đa,
    hải cảng, hoa lư, hòa hội, hòa phú, hội phú, hội sơn, hội thương, kim sơn, kim tân, nguyễn văn cừ, phù đổng, phú an,
    phú hòa, quang trung, song an, tân an, tân bình, tây an, tây sơn, thành an, thắng lợi, thống nhất, tơ tung,
    trần phú, trần quang diệu, tú an, vĩnh an, xuân an, yên thế, biển hồ
    """
)
"""Words, streets, people and places of other provinces: the bare name alone proves nothing."""
_GREATER = _folded_names("bình dương, bình định, bình thuận, đăk song, hà đông, hà tây, hòa bình, krông năng")
"""Better known as provinces or towns or districts elsewhere: a commune only by its type or its district."""
_VERBS = _folded_names("an toàn, thống nhất, đoàn kết, đất bằng, thắng lợi, hòa bình, hòa hội")
"""Everyday words that follow even ``xã`` and ``phường`` in a sentence ("xã thống nhất với dân")."""

_ELSEWHERE = _names(
    """
    hà nội, hồ chí minh, hcm, tphcm, sài gòn, thủ đức, đà nẵng, hải phòng, cần thơ, huế, đắk lắk, buôn ma thuột,
    kon tum, phú yên, tuy hòa, quảng ngãi, quảng nam, quảng bình, quảng trị, quảng ninh, khánh hòa, nha trang, lâm đồng,
    đà lạt, đắk nông, đồng nai, biên hòa, long an, tiền giang, bến tre, vĩnh long, trà vinh, đồng tháp, an giang,
    kiên giang, hậu giang, sóc trăng, bạc liêu, cà mau, tây ninh, bình phước, vũng tàu, ninh thuận, nghệ an, hà tĩnh,
    thanh hóa, ninh bình, nam định, thái bình, hà nam, hưng yên, hải dương, bắc ninh, bắc giang, vĩnh phúc, phú thọ,
    thái nguyên, lạng sơn, cao bằng, bắc kạn, tuyên quang, hà giang, lào cai, yên bái, lai châu, điện biên, sơn la
    """
)
"""Other provinces and towns: what stands right before them lies there."""
_ALSO = {
    "Adơk": "A Dơk",
    "A Yun Hạ": "Ayun Hạ",
    "A Yun Pa": "Ayun Pa",
    "Chơ GLong": "Chơ Long",
    "Chư Đăng Ya": "Chư Đang Ya",
    "Gành Ráng": "Ghềnh Ráng",
    "Pleicu": "Pleiku",
}
"""Other spellings that people and papers use, where marks alone do not tell."""


class _Text:
    """The words of a message, with what surrounds them."""

    def __init__(self, message: str) -> None:
        message = _DOTTED.sub(r"\1", unicodedata.normalize("NFC", message))
        mixed = any(c.islower() for c in message)
        self.words: list[_Word] = []
        end = 0
        for match in _LETTERS.finditer(message):
            base, marks = _syllable(_APOSTROPHE.sub("", match[0]))
            self.words.append(_Word(base, marks, message[end : match.start()], mixed and match[0][0].isupper()))
            end = match.end()
        self.marked = any(w.marks for w in self.words)

    def has(self, at: int, words: _Words) -> bool:
        """Whether the word at ``at`` is one of ``words``."""
        if not 0 <= at < len(self.words):
            return False
        word = self.words[at]
        return word.key in words.exact if self.marked else word.base in words.folded

    def near(self, at: int) -> bool:
        """Whether the word at ``at`` exists and no full stop or number parts it from the one before."""
        return 0 < at < len(self.words) and _NEAR.fullmatch(self.words[at].gap) is not None

    def elsewhere(self, at: int) -> bool:
        """Whether another province or city of the country is named at ``at``."""
        for name in _ELSEWHERE:
            said = self.words[at : at + len(name)]
            if len(said) == len(name) and all(
                w.key == syllable or (not self.marked and w.base == syllable[0])
                for w, syllable in zip(said, name, strict=True)
            ):
                return True
        return False


# -- names -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Name:
    """One thing that a name stands for: an old commune, a new one, an old district, a former province."""

    role: Literal["old", "new", "district", "province"]
    full: str
    units: tuple[Unit, ...]
    """The old commune itself; or all that belong or belonged to it."""
    spelled: str

    @property
    def type(self) -> str:
        return _split(self.full)[0]

    @cached_property
    def syllables(self) -> tuple[tuple[str, str], ...]:
        return tuple(_syllable(w) for w in self.spelled.split())

    @cached_property
    def telling(self) -> bool:
        """Whether no Vietnamese sentence has such a word."""
        return any(b in _TELLING or not _KINH.fullmatch(b) for b, _ in self.syllables)

    @property
    def folded(self) -> str:
        return " ".join(b for b, _ in self.syllables)

    @property
    def single(self) -> bool:
        return len(self.syllables) == 1

    @property
    def lone(self) -> bool:
        """Whether it is one ordinary syllable, or one that other names begin with (Krong, Krông Năng)."""
        return self.single and (not self.telling or self.folded in _TELLING)

    @property
    def everyday(self) -> bool:
        """Whether the bare name alone proves nothing."""
        return self.lone or self.folded in _EVERYDAY or self.folded in _GREATER

    @cached_property
    def places(self) -> frozenset[str]:
        """Old districts and former provinces it lies in."""
        return frozenset(p for u in self.units for p in (u.district, u.province))

    @property
    def new(self) -> tuple[str, ...]:
        if self.role == "new":
            return (self.full,)
        return tuple(dict.fromkeys(n for u in self.units for n in u.new))

    def match(self, words: Sequence[_Word]) -> int | None:
        """How well ``words`` spell the name: 2 exactly, 1 with marks left out, 0 with other marks; None: not at all."""
        if tuple(w.base for w in words) == tuple(b for b, _ in self.syllables):
            pairs = [(w.marks, marks) for w, (_, marks) in zip(words, self.syllables, strict=True)]
        elif self._joined(words):
            pairs = [("".join(w.marks for w in words), "".join(m for _, m in self.syllables))]
        else:
            return None
        if all(Counter(said) == Counter(marks) for said, marks in pairs):
            return 2
        if all(Counter(said) <= Counter(marks) for said, marks in pairs):
            return 1
        return 0 if self.telling and not self.single and not self._other_first(words[0]) else None

    def _joined(self, words: Sequence[_Word]) -> bool:
        """Whether the words may be the name written together or apart ("ChưSê", "A Yun", "quynhon")."""
        if not (self.telling or self.role == "district" or self.syllables[0][0] in _PLACE_WORDS):
            return False
        if len(words) == 1:
            return len(words[0].base) > 4
        if not self.single and not words[0].base.startswith(self.syllables[0][0]):
            return False
        return not any(len(w.base) == 1 and w.base not in "aeiou" for w in words)

    def _other_first(self, word: _Word) -> bool:
        return word.base in ("ia", "chu") and bool(Counter(word.marks) - Counter(self.syllables[0][1]))


@dataclass(frozen=True)
class _Span:
    """Words of a message that spell a name."""

    start: int
    end: int
    names: tuple[tuple[_Name, int], ...]
    """Names with how well they are spelled."""
    types: frozenset[str]
    """Type words in front."""
    first: int
    """Where the type words begin."""
    old: bool
    """Whether the message says that it is the old one."""

    @property
    def roles(self) -> set[str]:
        return {n.role for n, _ in self.names}


def _types(text: _Text, start: int) -> tuple[frozenset[str], int]:
    """Type words before the word at ``start`` and where they begin ("xã", "xã/phường", "xã cũ")."""
    types: set[str] = set()
    at = start
    if at > 1 and text.has(at - 1, _OLD) and _BEFORE.fullmatch(text.words[at].gap) and _type(text, at - 2)[0]:
        at -= 1
    while at > 0 and _BEFORE.fullmatch(text.words[at].gap):
        found, size = _type(text, at - 1)
        if not found:
            break
        types.add(found)
        at -= size
    return frozenset(types), at


def _type(text: _Text, at: int) -> tuple[str, int]:
    """The type word that ends at ``at`` and its number of words."""
    word = text.words[at]
    paired = at > 0 and word.gap.isspace()
    if text.has(at, _XA):
        if paired and text.has(at - 1, _THI):
            return "Thị xã", 2
        return ("", 0) if (paired and text.has(at - 1, _NOT_XA)) or _is_social(text, at) else ("Xã", 1)
    if text.has(at, _TRAN) and paired and text.has(at - 1, _THI):
        return "Thị trấn", 2
    if text.has(at, _PHO) and paired and text.has(at - 1, _TOWN):
        return "Thành phố", 2
    if text.has(at, _PHUONG) and not (paired and text.has(at - 1, _NOT_PHUONG)):
        return "Phường", 1
    if text.has(at, _DISTRICT):
        return {"tx": "Thị xã", "tp": "Thành phố"}.get(word.base, "Huyện"), 1
    short = {"p": "Phường", "tt": "Thị trấn"}.get(word.base, "")
    if word.base == "x" and text.words[at + 1].gap.startswith("."):
        short = "Xã"
    return (short, 1) if short and not word.marks else ("", 0)


def _is_social(text: _Text, at: int) -> bool:
    """Whether ``xã`` at ``at`` begins ``xã hội``."""
    if text.words[at + 1].base != "hoi" or text.words[at + 1].capital:
        return False
    return text.has(at - 1, _SOCIAL) or (text.has(at - 1, _AT) and text.has(at - 2, _HOUSE))


# -- the table -------------------------------------------------------------------------------------------------------


class Places:
    """The table, and the names in it as people write them."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self.units = tuple(units)
        made: dict[str, list[Unit]] = {}
        districts: dict[str, list[Unit]] = {}
        provinces: dict[str, list[Unit]] = {}
        for unit in self.units:
            for new in unit.new:
                made.setdefault(new, []).append(unit)
            districts.setdefault(unit.district, []).append(unit)
            provinces.setdefault(unit.province, []).append(unit)
        self.new_units = tuple(made)
        self._by_spelling: dict[str, list[_Name]] = {}
        for unit in self.units:
            self._add("old", unit.old, (unit,))
        for new, parts in made.items():
            self._add("new", new, tuple(parts))
        for district, parts in districts.items():
            self._add("district", district, tuple(parts))
        for province, parts in provinces.items():
            self._add("province", province, tuple(parts))

    def _add(self, role: Literal["old", "new", "district", "province"], full: str, units: tuple[Unit, ...]) -> None:
        bare = _split(full)[1]
        for spelled in (bare, *(other for other, name in _ALSO.items() if name == bare)):
            name = _Name(role, full, units, spelled)
            self._by_spelling.setdefault("".join(b for b, _ in name.syllables), []).append(name)

    def district_units(self, district: str) -> tuple[str, ...]:
        """New communes with a part of the old district, named with or without type and marks; none if unknown."""
        words = _Text(district).words
        for skip in (0, 1, 2):
            spelled = self._by_spelling.get("".join(w.base for w in words[skip:]), ())
            for name in spelled:
                if name.role == "district" and name.match(words[skip:]) is not None:
                    return name.new
        return ()

    def find(self, message: str) -> Found | None:
        """The place that ``message`` names, as far as it tells; None where it names none for certain."""
        text = _Text(message)
        spans = self._spans(text)
        best: tuple[tuple[int, bool, bool, int], _Span] | None = None
        for span in spans:
            said = self._said(text, span, spans)
            if strength := self._strength(text, said, spans):
                rank = (strength, span.old, "old" in said.roles, -span.start)
                if best is None or rank > best[0]:
                    best = rank, said
        return _decide([n for n, _ in best[1].names], bool(best[1].types)) if best else None

    # -- spans

    def _spans(self, text: _Text) -> list[_Span]:
        """Names in the message, the longest first where they overlap."""
        found = [s for s in self._all_spans(text) if s.names]
        found.sort(key=lambda s: (s.start - s.end, not s.types, s.start))
        taken: set[int] = set()
        spans = []
        for span in found:
            if taken.isdisjoint(range(span.start, span.end)):
                taken.update(range(span.start, span.end))
                spans.append(span)
        return sorted(spans, key=lambda s: s.start)[:MOST]

    def _all_spans(self, text: _Text) -> Iterator[_Span]:
        words = text.words
        for start in range(len(words)):
            spelled = ""
            for end in range(start + 1, min(start + 6, len(words) + 1)):
                if end > start + 1 and not _WITHIN.fullmatch(words[end - 1].gap):
                    break
                spelled += words[end - 1].base
                names = [
                    (n, level)
                    for n in self._by_spelling.get(spelled, ())
                    if (level := n.match(words[start:end])) is not None
                ]
                if names:
                    types, first = _types(text, start)
                    old = _is_old(text, end) or (bool(types) and text.has(start - 1, _OLD))
                    if types or not self._is_district_and_more(text, start, end):
                        yield _Span(start, end, tuple(_of_type_group(names, types)), types, first, old)

    def _is_district_and_more(self, text: _Text, start: int, end: int) -> bool:
        """Whether an unmarked name may as well be a district and another word ("o quy nhon nam 2020")."""
        last = text.words[end - 1]
        if text.marked or last.capital or not text.has(end - 1, _WINDS):
            return False
        before = "".join(w.base for w in text.words[start : end - 1])
        return self._is_district(self._by_spelling.get(before, ()))

    def _is_district(self, names: Iterable[_Name]) -> bool:
        """Whether an old district bears the name, too."""
        spelled = {n.folded.replace(" ", "") for n in names}
        return any(other.role == "district" for s in spelled for other in self._by_spelling.get(s, ()))

    # -- what the message says of a name

    def _said(self, text: _Text, span: _Span, spans: Sequence[_Span]) -> _Span:
        """The span with only those names that agree with time, place, type and marks told in the message."""
        names = list(span.names)
        if "district" in _followed(text, span, spans):
            names = [(n, v) for n, v in names if n.role != "district"]
        if span.old:
            names = [(n, v) for n, v in names if n.role != "new"] or names
        elif span.types and _is_new(text, span.end):
            names = [(n, v) for n, v in names if n.role == "new"] or names
        for places in _context(text, span, spans):
            names = [(n, v) for n, v in names if n.places & places] or names
        names = [(n, v) for n, v in names if n.type in span.types] or names
        if any(w.marks for w in text.words[span.start : span.end]):
            best = max(level for _, level in names)
            names = [(n, v) for n, v in names if v == best]
        return replace(span, names=tuple(names))

    def _strength(self, text: _Text, span: _Span, spans: Sequence[_Span]) -> int:
        """How surely the span is meant as a place: 3 by its type, 2 by words or places around it, 1 by itself; 0 no."""
        names = [n for n, _ in span.names if n.role != "province"]
        if not names or _is_elsewhere(text, span, spans):
            return 0
        if not span.types:
            return 0 if _is_called(text, span.start) else self._bare_strength(text, span, spans)
        if names[0].role == "district":
            return 1
        if not text.marked and "Phường" in span.types and text.words[span.start].base == "an":
            names = [n for n in names if n.type == "Phường"]  # "phuong an" is more often "phương án"
        sure = text.marked or span.old or _followed(text, span, spans) or any(n.type in span.types for n in names)
        if not sure and self._is_district(names):
            return 0  # "yeu xa quy nhon"
        loose = any(n.lone or n.folded in _VERBS for n in names)
        return 3 if names and (not loose or self._closed(text, span, spans)) else 0

    def _bare_strength(self, text: _Text, span: _Span, spans: Sequence[_Span]) -> int:
        """The same for a name without a type word."""
        names = [n for n, _ in span.names if n.role != "province"]
        communes = [n for n in names if n.role != "district"]
        district = len(communes) < len(names)
        placed = text.has(span.start - 1, _PLACED)
        rooted = placed or span.start == 0 or all(w.capital for w in text.words[span.start : span.end])
        followed = _followed(text, span, spans)
        if any(n.lone or n.folded in _GREATER for n in communes):
            sure = text.marked or not any(n.lone for n in communes)
            return 2 if sure and "district" in followed else 0
        if any(n.everyday for n in communes):
            told = span.old or _has_changed(text, span.end, strictly=True) or "province" in followed
            named = district and (placed or span.start == 0)
            return 2 if "district" in followed or (rooted and told) or named else 0
        if district:
            return int(text.marked or placed or names[0].telling or span.old or _alone(text, spans) or bool(followed))
        around = any(_agree(span, other) for other in spans if other.start != span.start)
        if around or span.old or _has_changed(text, span.end, strictly=False):
            return 2
        return int(any(n.telling for n in names) or placed or _alone(text, spans))

    def _closed(self, text: _Text, span: _Span, spans: Sequence[_Span]) -> bool:
        """Whether the typed name ends where it seems to, and is no beginning of other words ("xã đông dân")."""
        at = span.end
        if any(s.start >= at and _parts(text, at, s.first) for s in spans):
            return True
        if not text.marked and any(n.lone for n, _ in span.names):
            return any(_agree(span, s) for s in spans)
        if at >= len(text.words) or not text.words[at].gap.isspace() or span.old:
            return True
        if text.words[at].capital:
            return False
        if all(w.capital for w in text.words[span.start : at]) or any(n.telling for n, _ in span.names):
            return True
        return _has_changed(text, at, strictly=False) or text.has(span.first - 1, _PLACED)


def _of_type_group(names: Iterable[tuple[_Name, int]], types: frozenset[str]) -> Iterator[tuple[_Name, int]]:
    """Names that type words before them allow: communes, or districts; a province takes none of these."""
    for name, level in names:
        district = name.role == "district"
        group = _PREFIXES["district"] if district else _PREFIXES["old"]
        if not types or (name.role != "province" and any(t in group for t in types)):
            yield name, level


def _is_old(text: _Text, at: int) -> bool:
    """Whether ``cũ`` or ``trước đây`` follows at ``at``."""
    return text.near(at) and (text.has(at, _OLD) or (text.has(at, _FORMERLY) and text.has(at + 1, _HERE)))


def _is_new(text: _Text, at: int) -> bool:
    """Whether ``mới`` follows at ``at`` and says what the place is, not that something was just done there."""
    after = at + 1
    return text.near(at) and text.has(at, _NEW) and (not text.near(after) or text.has(after, _AFTER_NEW))


def _has_changed(text: _Text, at: int, *, strictly: bool) -> bool:
    """Whether words follow that tell or ask what became of the place; ``strictly``: they name xã or phường."""
    end = min(at + 5, len(text.words))
    while at < end and text.near(at) and text.has(at, _FILLER):
        at += 1
    if not text.near(at):
        return False
    if text.has(at, _MERGED) or text.has(at, _OLD) or (text.has(at, _TURNED) and text.has(at + 1, _INTO)):
        return True
    return text.has(at, _BELONGS) and (
        not strictly or any(text.has(n, _COMMUNE) and not text.has(n - 1, _THI) for n in range(at + 1, at + 4))
    )


def _is_called(text: _Text, at: int) -> bool:
    """Whether the name at ``at`` is that of a street, a market, a person."""
    called = any(text.has(at - 1, words) for words in (_LANDMARK, _TITLE, _SURNAME))
    return called and _WITHIN.fullmatch(text.words[at].gap) is not None


def _is_elsewhere(text: _Text, span: _Span, spans: Iterable[_Span]) -> bool:
    """Whether the words after the name make it a longer one, or one of another province."""
    at = span.end
    if any(other.start == at and other.end > at + 1 for other in spans):
        return False
    if text.has(at, _WINDS) and text.words[at].capital and text.words[at].gap == " ":
        return True
    while text.near(at) and text.has(at, _TYPE_WORDS):
        if text.has(at, _QUAN):
            return True
        at += 1
    if at > span.end and text.near(at) and text.words[at].capital and all(other.start != at for other in spans):
        return True
    return text.near(at) and text.elsewhere(at)


def _parts(text: _Text, start: int, end: int) -> bool:
    """Whether nothing but punctuation and type words stands between a name and what begins at ``end``."""
    return text.near(end) and all(text.near(n) and text.has(n, _TYPE_WORDS) for n in range(start, end))


def _followed(text: _Text, span: _Span, spans: Iterable[_Span]) -> set[str]:
    """``district`` or ``province`` when one in which the place lies is named right after it."""
    after = (s for s in spans if s.start >= span.end and _parts(text, span.end, s.first) and _agree(span, s))
    return {role for s in after for role in s.roles if role in ("district", "province")}


def _agree(span: _Span, other: _Span) -> bool:
    """Whether ``other`` names a district or province in which a name of ``span`` lies."""
    around = {n.full for n, _ in other.names if n.role in ("district", "province")}
    return any(n.places & around for n, _ in span.names if n.role in ("old", "new"))


def _alone(text: _Text, spans: Sequence[_Span]) -> bool:
    """Whether the message is but the name: the answer to a question."""
    inside = {n for s in spans for n in range(s.first, s.end)}
    return all(n in inside or text.has(n, _CHATTER) for n in range(len(text.words)))


def _context(text: _Text, span: _Span, spans: Sequence[_Span]) -> Iterator[set[str]]:
    """Districts, then provinces that the message names beside ``span``."""
    districts: set[str] = set()
    provinces: set[str] = set()
    for other in spans:
        if other is span:
            continue
        districts |= {n.full for n, _ in other.names if n.role == "district"}
        if other.roles == {"new"}:
            districts |= {u.district for n, _ in other.names for u in n.units}
        for name, _ in other.names:
            if name.role == "province" and (name.full != _TODAY or other.old):
                provinces.add(name.full)
    yield from (found for found in (districts, provinces) if found)


def _decide(names: Sequence[_Name], typed: bool) -> Found:
    """What the names that are left add up to."""
    olds = [n for n in names if n.role == "old"]
    news = [n for n in names if n.role == "new"]
    district = next((n for n in names if n.role == "district"), None)
    if district and not typed and all(district.full in n.places for n in (*olds, *news)):
        olds, news = [], []
    units = tuple(dict.fromkeys(u for n in olds for u in n.units))
    if district and not olds and not news:
        return Found("district", district.full, district.units, district.new)
    targets = tuple(dict.fromkeys(t for n in (*olds, *news, *([district] if district else [])) for t in n.new))
    if len(targets) == 1:
        kept = next((n for n in news), None)
        if kept or any(u.old == targets[0] for u in units):
            return Found("new", targets[0], kept.units if kept else units, targets)
        return Found("old", units[0].old, units, targets)
    if len(units) == 1 and not district and set(targets) == set(units[0].new):
        return Found("divided", units[0].old, units, targets)
    same = len({n.full.casefold() for n in names}) == 1
    return Found("ambiguous", names[0].full if same else _split(names[0].full)[1], units, targets)


# -- the file --------------------------------------------------------------------------------------------------------


def load_places(path: Path = PLACES) -> Places:
    """``places.csv``: one row for every part of an old commune. Raises DataError with file and line."""
    units: dict[tuple[str, str], Unit] = {}
    provinces: dict[str, str] = {}
    for line, (old, district, province, new) in _rows(path):
        if provinces.setdefault(district, province) != province:
            raise DataError(f"{district!r} is in {provinces[district]!r} above", path, line)
        held = units.get((old, district))
        if held and new in held.new:
            raise DataError(f"{old!r} of {district!r} and {new!r} are given twice", path, line)
        units[old, district] = Unit(old, district, province, (*(held.new if held else ()), new))
    if not units:
        raise DataError("there are no places", path, 1)
    return Places(units.values())


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their lines, every cell checked."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if tuple(next(reader, ())) != COLUMNS:
                raise DataError(f"the columns {','.join(COLUMNS)} are expected", path, 1)
            for row in reader:
                if len(row) != len(COLUMNS):
                    raise DataError(f"{len(COLUMNS)} cells are expected, not {len(row)}", path, reader.line_num)
                for column, cell in zip(COLUMNS, row, strict=True):
                    _check(column, cell, path, reader.line_num)
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start})", path) from error
    except csv.Error as error:
        raise DataError(f"not valid CSV: {error}", path, reader.line_num) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error


def _check(column: str, cell: str, path: Path, line: int) -> None:
    if cell != " ".join(unicodedata.normalize("NFC", cell).split()):
        raise DataError(f"{column}: {cell!r} is not NFC text with single blanks", path, line)
    if not any(cell.startswith(prefix + " ") for prefix in _PREFIXES[column]):
        raise DataError(f"{column}: {cell!r} does not begin with {' or '.join(_PREFIXES[column])}", path, line)
