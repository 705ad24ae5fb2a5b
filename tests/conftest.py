"""Shared fixtures: homes with a release (the published seed's, or a tiny one), settings, and the command line."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TTHC_SHARED") or ROOT.parent / "shared")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--golden``: what is rendered now becomes what is expected (tests/golden); read the diff."""
    parser.addoption("--golden", action="store_true", help="rewrite the golden files")


def pytest_configure(config: pytest.Config) -> None:
    """Compiled wrappers whose types Python complains about at import; nothing of ours can be done about it."""
    config.addinivalue_line("filterwarnings", "ignore:builtin type .* has no __module__:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TTHC_* variable of the machine reaches a test that does not set it."""
    for name in [n for n in os.environ if n.startswith("TTHC_") and n != "TTHC_SHARED"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def seed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TTHC_HOME whose current release is the one that set-up published in the checkout."""
    current = ROOT / "var" / "current"
    if not (current / "manifest.json").is_file():
        pytest.skip("no published release in var/; run `make setup`")
    home = tmp_path_factory.mktemp("seed-home")
    (home / "current").symlink_to(current.resolve())
    return home


@pytest.fixture(scope="session")
def seed_assistant(seed_home: Path) -> Any:
    """The assistant over the seed release, loaded once."""
    from bot.assistant import Assistant
    from knowledge.release import Releases

    return Assistant.load(Releases(seed_home).current())


@pytest.fixture(scope="session")
def stub_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved sentence-transformers model: fixed random vectors for the words of the tiny release."""
    import numpy as np
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    from index.text import fold, lexicon
    from tests.making import six

    procedures, phrases = six()
    texts = [lexicon().normalise(t).plain for t in [*(p.name for p in procedures), *sum(phrases.values(), [])]]
    words = sorted({w for t in texts for w in (*t.split(), *fold(t).split())})
    vocabulary = {"[UNK]": 0} | {word: i for i, word in enumerate(words, 1)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    vectors = np.random.default_rng(5299).normal(size=(len(vocabulary), 32)).astype(np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device="cpu")
    folder = tmp_path_factory.mktemp("models") / "stub"
    model.save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny_draft(tmp_path_factory: pytest.TempPathFactory, stub_model: Path) -> Path:
    """A finished draft of six hand-made procedures, indexed with the stub encoder."""
    import index.build
    from knowledge.store import FILE, write_catalogue
    from tests.making import six, six_questions

    folder = tmp_path_factory.mktemp("tiny")
    procedures, phrases = six()
    draft = folder / "draft"
    write_catalogue(draft / FILE, procedures, phrases, meta={"source": "six", "imported": 6, "skipped": {}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index.build, "_encoder", lambda *_: (stub_model, False))
        index.build.build_index(draft, folder, questions=six_questions(folder / "tuning.jsonl"))
    return draft


@pytest.fixture
def tiny_home(tiny_draft: Path, tmp_path: Path) -> Path:
    """A TTHC_HOME of its own with the tiny release published."""
    from bot.cli.catalogue import REQUIRED
    from knowledge.release import Releases

    home = tmp_path / "home"
    shutil.copytree(tiny_draft, home / "draft")
    Releases(home).publish(procedures=6, imported=6, required=REQUIRED, notes={})
    return home


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Any]:
    """Settings with nothing from the machine: ``settings_for(home, rasa_port=…)``."""
    from bot.settings import Settings

    def make(home: Path | None = None, **changes: Any) -> Settings:
        return Settings(_env_file=None, **{"home": home or tmp_path / "state", "secret": "khóa thử", **changes})

    return make


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def tthc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ran]]:
    """The command line in this process: ``tthc(home, "kb", "show", "1.001193", stdin="")``."""
    from bot import cli, settings

    for name, value in (("TOKENIZERS_PARALLELISM", "false"), ("HF_HUB_OFFLINE", "1")):
        monkeypatch.setenv(name, value)

    def run(home: Path, *words: object, stdin: str = "") -> Ran:
        monkeypatch.setenv("TTHC_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["tthc", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        settings.settings.cache_clear()
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        code = end.value.code
        return Ran(code if isinstance(code, int) else 0 if code is None else 1, said.out, said.err)

    yield run
    settings.settings.cache_clear()
