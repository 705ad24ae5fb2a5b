"""Every sentence: loaded with its mistakes told, composed, used by the code, and free of what may not be said."""

from __future__ import annotations

import re
import string
import unicodedata
from pathlib import Path

import pytest

from bot.dialogue.talk import INTENTS
from bot.texts import load_texts, text
from knowledge.errors import DataError

BOT = Path(__file__).resolve().parents[2] / "bot"
TEXTS = load_texts()
CODE = "\n".join(p.read_text(encoding="utf-8") for p in BOT.rglob("*.py"))


def test_placeholders_are_filled() -> None:
    assert text("code", code="1.001193") == "Mã thủ tục: 1.001193"
    with pytest.raises(KeyError):
        text("code")
    with pytest.raises(KeyError):
        text("không có")


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_is_composed_trimmed_and_used(key: str) -> None:
    said = TEXTS[key]
    assert said
    assert said == said.strip()
    assert unicodedata.is_normalized("NFC", said)
    assert not re.search("[\u200b-\u200f\ufeff]", said)
    assert said.count("**") % 2 == 0
    assert len(said) < 900
    parts = key.split("_")
    stems = [f'"{key}"', f"'{key}'", *(f"{'_'.join(parts[:n])}_{{" for n in range(1, len(parts)))]
    assert any(stem in CODE for stem in stems) or key in INTENTS, "no code says this"


def test_every_text_that_the_code_names_is_there() -> None:
    for key in re.findall(r'\btext\(\s*"(\w+)"', CODE):
        assert key in TEXTS, key


def test_placeholders_are_plain_names() -> None:
    for key, said in TEXTS.items():
        for _, field, spec, conversion in string.Formatter().parse(said):
            assert field is None or re.fullmatch(r"[a-z]+", field), key
            assert not spec, key
            assert conversion is None, key


def test_buttons_fit() -> None:
    from bot.reply import LABEL_LIMIT

    assert all(len(said) <= LABEL_LIMIT for key, said in TEXTS.items() if key.startswith("button_"))


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("- a\n", 1, "mapping of keys"),
        ("a: x\nb: 5\n", 2, "b: not a text"),
        ("a: x\nb: ok\nc: '{n'\n", 3, "c: "),
        ("a: x\na: y\n", 2, "given twice"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, content: str, line: int, words: str) -> None:
    path = tmp_path / "texts.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_texts(path)
    assert (error.value.path, error.value.line) == (path, line)
    assert words in error.value.message
