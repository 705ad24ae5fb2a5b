"""Settings: environment variables ``TTHC_*`` or a ``.env`` file in the project's folder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from knowledge.errors import RefusedError

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Every setting, its default and what it does. Secrets are never printed or logged."""

    model_config = SettingsConfigDict(env_prefix="TTHC_", env_file=ROOT / ".env", extra="ignore")

    home: Path = Field(ROOT / "var", description="Where all state lives: releases, models, service.db, logs.")
    rasa_port: int = Field(5005, ge=1, le=65535, description="Port of Rasa on 127.0.0.1.")
    actions_port: int = Field(5055, ge=1, le=65535, description="Port of the action server on 127.0.0.1.")
    rasa_python: Path = Field(ROOT / ".venv-rasa" / "bin" / "python", description="Python of the Rasa environment.")
    rasa_timeout: float = Field(8.0, gt=0, description="Seconds to wait for Rasa before answering from the index.")
    telegram_token: SecretStr = Field(SecretStr(""), description="Token of the Telegram bot; empty: no Telegram.")
    telegram_api: str = Field("", description="Base address of the Bot API, for a local server; empty: Telegram's own.")
    telegram_webhook_url: str = Field("", description="Public https address of the webhook; empty: polling.")
    telegram_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Secret that Telegram sends with each update."
    )
    web_listen: str = Field("127.0.0.1", description="Address of the web server for webhooks and health pages.")
    web_port: int = Field(8443, ge=0, le=65535, description="Port of the web server; 0: a free one.")
    zalo_site_verification: str = Field("", description="Code with which Zalo checks that the domain is yours.")
    zalo_oa_id: str = Field("", description="Id of the Zalo Official Account; deliveries for another are refused.")
    zalo_app_id: str = Field("", description="Id of the Zalo app; empty: no Zalo Official Account.")
    zalo_app_secret: SecretStr = Field(SecretStr(""), description="Secret key of the Zalo app, for tokens.")
    zalo_secret: SecretStr = Field(SecretStr(""), description="OA secret key, which signs what Zalo delivers.")
    zalo_sign_with: Literal["app_id", "oa_id"] = Field("app_id", description="What Zalo's signature begins with.")
    zalo_log_only: bool = Field(
        False, description="Say which signatures are wrong, but accept them: the first day only."
    )
    zalo_refresh_token: SecretStr = Field(SecretStr(""), description="Refresh token from Zalo; a changed one is taken.")
    zalo_access_token: SecretStr = Field(SecretStr(""), description="Access token that came with it; may be empty.")
    zalo_api: str = Field("", description="Base address of Zalo's API, for a local server; empty: Zalo's own.")
    zalo_oauth: str = Field("", description="Base address of Zalo's tokens, for a local server; empty: Zalo's own.")
    telegram_name: str = Field(
        "",
        pattern=r"^([A-Za-z][A-Za-z0-9_]{3,31})?$",
        description="The Telegram bot's name without @, for QR codes on printed sheets.",
    )
    zalo_link: str = Field(
        "", pattern=r"^(https://[^\s]+)?$", description="Address that opens the assistant on Zalo, for QR codes."
    )
    zalo_bot_token: SecretStr = Field(SecretStr(""), description="Token of the Zalo bot; empty: no Zalo Bot.")
    zalo_bot_api: str = Field(
        "", description="Base address of the Bot Platform, for a local server; empty: Zalo's own."
    )
    zalo_bot_webhook_url: str = Field("", description="Public https address of the webhook; empty: polling.")
    zalo_bot_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Secret that Zalo sends with each update (8 to 256 signs)."
    )
    secret: SecretStr = Field(
        SecretStr(""), description="Key for hashing user ids; empty: made once and kept in TTHC_HOME/secret.key."
    )
    messages_per_minute: int = Field(20, ge=1, description="Messages a user may send in a minute.")
    messages_per_second: int = Field(200, ge=1, description="Messages taken on in a second, of all users together.")
    keep_days: int = Field(60, ge=1, description="Days after which what is held of an idle user is deleted.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["text", "json"] = Field("text", description="Log lines as text or as JSON objects.")

    @property
    def rasa_url(self) -> str:
        """Address of Rasa."""
        return f"http://127.0.0.1:{self.rasa_port}"

    @property
    def actions_url(self) -> str:
        """Address of the action server."""
        return f"http://127.0.0.1:{self.actions_port}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Raises RefusedError naming the variable that does not fit."""
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        first = error.errors()[0]
        name = "TTHC_" + "_".join(str(x) for x in first["loc"]).upper()
        raise RefusedError(f"setting {name}: {first['msg']}") from error
