"""Training data, domain and rules fit together."""

from __future__ import annotations

import collections
import re
import unicodedata
from collections.abc import Iterator

import pytest
import yaml
from rasa_harness import ROOT, launcher

DATA = ROOT / "nlu" / "data"
BUTTON_ONLY = {"open_procedure", "aspect", "rescue", "case", "tick", "event"}
DOMAIN = yaml.safe_load((ROOT / "nlu" / "domain.yml").read_text(encoding="utf-8"))
INTENTS = {next(iter(i)) for i in DOMAIN["intents"]}


def examples(name: str) -> Iterator[tuple[str, str]]:
    """Yield (text without annotation, intent)."""
    for path in sorted((DATA / name).glob("*.yml")):
        for block in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]:
            for line in block["examples"].splitlines():
                if line.strip():
                    yield re.sub(r"\[([^\]]+)\]\(\w+\)", r"\1", line.strip()[2:]).strip(), block["intent"]


@pytest.fixture(scope="module")
def data() -> dict[str, list[tuple[str, str]]]:
    """Return training and test examples, or skip while there are none."""
    found = {name: list(examples(name)) for name in ("nlu", "test")}
    if not all(found.values()):
        pytest.skip("no training data in nlu/data")
    return found


def test_every_intent_is_trained_and_tested(data: dict[str, list[tuple[str, str]]]) -> None:
    """Each intent of the domain has examples, except those that only buttons send."""
    for name, least in (("nlu", 40), ("test", 8)):
        counts = collections.Counter(intent for _, intent in data[name])
        assert set(counts) == INTENTS - BUTTON_ONLY
        assert min(counts.values()) >= least


def test_no_example_twice(data: dict[str, list[tuple[str, str]]]) -> None:
    """No example has two intents, and none is both learned and tested."""
    intents = collections.defaultdict(set)
    for text, intent in data["nlu"] + data["test"]:
        intents[text.lower()].add(intent)
    assert {t: i for t, i in intents.items() if len(i) > 1} == {}
    assert {t.lower() for t, _ in data["nlu"]} & {t.lower() for t, _ in data["test"]} == set()


def test_texts_are_nfc(data: dict[str, list[tuple[str, str]]]) -> None:
    """All text is in NFC and none looks like a payload."""
    for text, _ in data["nlu"] + data["test"]:
        assert text == unicodedata.normalize("NFC", text)
        assert not text.startswith("/")


def test_one_rule_for_each_intent() -> None:
    """Rules cover the domain's intents and the fallback, once each, with actions of the domain."""
    rules = yaml.safe_load((DATA / "rules.yml").read_text(encoding="utf-8"))["rules"]
    pairs = [(r["steps"][0]["intent"], r["steps"][1]["action"]) for r in rules]
    assert sorted(i for i, _ in pairs) == sorted(INTENTS | {"nlu_fallback"})
    assert {a for _, a in pairs} == set(DOMAIN["actions"])


def test_domain_stays_small_and_silent() -> None:
    """No responses, no slot that influences, sessions that never end."""
    assert not {"responses", "forms"} & set(DOMAIN)
    assert all(
        not s["influence_conversation"] and s["mappings"] == [{"type": "custom"}] for s in DOMAIN["slots"].values()
    )
    assert DOMAIN["session_config"]["session_expiration_time"] == 0


@pytest.mark.rasa(model=False)
def test_rasa_finds_nothing_to_warn_of() -> None:
    """``validate`` is clean."""
    done = launcher("validate")
    assert done.returncode == 0, done.stderr
