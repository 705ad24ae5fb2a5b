"""Training pairs (what someone might type → what it means), made from names and phrases alone.

No question of any evaluation set is read here. The variety comes from the lexicon run backwards (an official word
becomes one of its everyday spellings), politeness around the request, dropped words, typing slips and lost diacritics.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from index.text import LexiconFile, fold

OPENINGS = (
    "",
    "",
    "",
    "cho em hỏi ",
    "ad ơi ",
    "tôi muốn ",
    "em cần ",
    "thủ tục ",
    "nhà tôi ",
    "giờ muốn ",
    "làm sao để ",
    "hồ sơ ",
)
ENDINGS = (
    "", "", "", " cần giấy tờ gì", " ở đâu", " làm sao", " bao nhiêu tiền", " mất bao lâu", " online được không", " ạ",
    " vậy", " thì phải làm sao", " gồm những gì", " nộp chỗ nào", " như thế nào",
)  # fmt: skip
_ASIDE = re.compile(r"\s*\((?:thực hiện|cấp|áp dụng|đối tượng|đối với|sau đây|phạm vi)[^)]*\)", re.I)


class Noise:
    """Turns a clean text into one that a hurried person might have typed. Deterministic for a given seed."""

    def __init__(self, data: LexiconFile, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self._everyday = sorted(
            ((official, [v for v in variants if v != official]) for official, variants in data.replace.items()),
            key=lambda item: -len(item[0]),
        )

    def phrase(self, text: str) -> str:
        """A phrase with politeness, slips, other spellings or no diacritics."""
        rng = self.random
        text = rng.choice(OPENINGS) + text[:1].lower() + text[1:] + rng.choice(ENDINGS)
        words = text.split()
        if len(words) > 5 and rng.random() < 0.35:
            text = " ".join(w for w in words if rng.random() > 0.13) or text
        roll = rng.random()
        if roll < 0.36:
            text = fold(text)
        elif roll < 0.6:
            text = self._respell(text)
        if rng.random() < 0.15:
            text = self._slip(text)
        return text

    def name(self, name: str) -> str:
        """An official name as someone might half remember it."""
        rng = self.random
        text = _ASIDE.sub("", name)
        words = text.split()
        if len(words) > 14:
            keep = rng.randint(6, 14)
            start = 0 if rng.random() < 0.6 else rng.randint(0, len(words) - keep)
            words = words[start : start + keep]
        if len(words) > 4 and rng.random() < 0.5:
            words = [w for w in words if rng.random() > 0.18] or words
        return self.phrase(self._respell(" ".join(words)) if rng.random() < 0.6 else " ".join(words))

    def _respell(self, text: str) -> str:
        for official, variants in self._everyday:
            if variants and official in text and self.random.random() < 0.6:
                text = re.sub(rf"(?<!\w){re.escape(official)}(?!\w)", self.random.choice(variants), text, count=1)
        return text

    def _slip(self, text: str) -> str:
        letters = list(text)
        for _ in range(self.random.choice((1, 1, 2))):
            if len(letters) < 8:
                break
            at = self.random.randrange(1, len(letters) - 1)
            roll = self.random.random()
            if roll < 0.4:
                del letters[at]
            elif roll < 0.7:
                letters[at], letters[at - 1] = letters[at - 1], letters[at]
            else:
                letters.insert(at, letters[at])
        return "".join(letters)


def epoch_pairs(
    names: Mapping[str, str], phrases: Mapping[str, Sequence[str]], noise: Noise, common: frozenset[str]
) -> list[tuple[str, str, str]]:
    """One epoch of (code, query, text it should be near), shuffled. ``common`` codes get one more pair each."""
    pairs = []
    for code, name in names.items():
        for _ in range(2 if code in common else 1):
            pairs.append((code, noise.name(name), name))
    for code, own in phrases.items():
        for phrase in own:
            if code in names:
                pairs.append((code, noise.phrase(phrase), names[code]))
            if len(own) > 1:
                other = noise.random.choice([p for p in own if p != phrase])
                pairs.append((code, noise.phrase(phrase), other))
    noise.random.shuffle(pairs)
    return pairs
