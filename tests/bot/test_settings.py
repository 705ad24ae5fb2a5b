"""Settings: from TTHC_* variables, wrong ones named, secrets not shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import settings as module
from bot.settings import ROOT, Settings, settings
from knowledge.errors import RefusedError


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_defaults() -> None:
    made = settings()
    assert made.home == ROOT / "var"
    assert made.rasa_url == "http://127.0.0.1:5005"
    assert made.actions_url == "http://127.0.0.1:5055"
    assert made.telegram_token.get_secret_value() == ""
    assert settings() is made


def test_variables_and_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TTHC_RASA_PORT=6001\nTTHC_KEEP_DAYS=7\nANYTHING_ELSE=1\n", encoding="utf-8")
    monkeypatch.setenv("TTHC_KEEP_DAYS", "30")
    monkeypatch.setenv("TTHC_HOME", "/tmp/nhà")
    made = settings()
    assert (made.rasa_port, made.keep_days, made.home) == (6001, 30, Path("/tmp/nhà"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("TTHC_RASA_PORT", "năm"), ("TTHC_RASA_PORT", "70000"), ("TTHC_ACTIONS_PORT", "0"), ("TTHC_KEEP_DAYS", "0"),
     ("TTHC_MESSAGES_PER_MINUTE", "-1"), ("TTHC_RASA_TIMEOUT", "0"), ("TTHC_LOG_LEVEL", "ồn ào")],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError, match=f"setting {name}: "):
        settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TELEGRAM_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "SECRET"):
        monkeypatch.setenv(f"TTHC_{name}", "bí-mật-123")
    made = settings()
    assert "bí-mật" not in repr(made) + str(made) + str(made.model_dump())
    assert made.secret.get_secret_value() == "bí-mật-123"


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
    assert module.ROOT.joinpath("pyproject.toml").is_file()
