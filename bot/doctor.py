"""What ``tthc doctor`` looks at."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import httpx

from bot.channels.zalo_tokens import FILE as TOKENS
from bot.inbox import Inbox
from bot.processes import MODEL, answer_of, parts
from bot.service import FILE as SERVICE
from bot.service import Service
from bot.settings import Settings
from knowledge.errors import RefusedError
from knowledge.release import Releases, verify
from knowledge.store import FILE, Catalogue


class Check(NamedTuple):
    """One thing looked at; ``remedy`` says what to do when it is not fine."""

    name: str
    fine: bool
    said: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which they are to be mended."""
    found = [*_environment(settings), *_data(settings)]
    for part in parts(settings):
        said = await answer_of(part)
        if said is None:
            found.append(Check(f"port {part.port} ({part.name})", True, "free; started by `make chat` or `make run`"))
        elif part.expected in said:
            found.append(Check(f"port {part.port} ({part.name})", True, "serving"))
        else:
            found.append(Check(f"port {part.port} ({part.name})", False, "taken by something else", part.remedy))
    found += [await _telegram(settings), _zalo(settings), _inbox(settings)]
    return found


def _environment(settings: Settings) -> Iterator[Check]:
    python = settings.rasa_python
    if not python.is_file():
        yield Check("Rasa environment", False, f"{python} is missing", "run `make setup`")
        return
    script = "import importlib.metadata as m; print(m.version('rasa'))"
    out = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    fine = out.stdout.strip() == "3.6.21"
    said = f"rasa {out.stdout.strip() or 'not installed'}"
    yield Check("Rasa environment", fine, said, "delete .venv-rasa and run `make setup`")
    model = settings.home / MODEL
    trained = any(model.glob("*.tar.gz"))
    yield Check("Rasa model", trained, str(model) if trained else f"{model}: none", "run `make setup`")


def _data(settings: Settings) -> Iterator[Check]:
    try:
        folder = Releases(settings.home).current()
        manifest = verify(folder)
        catalogue = Catalogue(folder / FILE)
        said = f"{manifest.id}: {len(catalogue)} procedures, imported {catalogue.meta['imported']}"
        yield Check("release", True, said)
    except RefusedError as error:
        yield Check("release", False, str(error), "run `make setup`, or `tthc kb rollback` to an earlier one")


async def _telegram(settings: Settings) -> Check:
    token = settings.telegram_token.get_secret_value()
    if not token:
        return Check("Telegram", True, "no token; set TTHC_TELEGRAM_TOKEN to serve there")
    base = settings.telegram_api or "https://api.telegram.org/bot"
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            answer = (await http.get(f"{base}{token}/getMe")).json()
    except (httpx.HTTPError, ValueError) as error:
        return Check(
            "Telegram", False, f"not reached ({type(error).__name__})", "check the network and TTHC_TELEGRAM_API"
        )
    if not answer.get("ok"):
        return Check("Telegram", False, str(answer.get("description")), "take a fresh token from @BotFather into .env")
    if settings.telegram_webhook_url and not settings.telegram_webhook_secret.get_secret_value():
        return Check("Telegram", False, "webhook without a secret", "set TTHC_TELEGRAM_WEBHOOK_SECRET")
    return Check("Telegram", True, f"@{answer['result'].get('username')}")


def _zalo(settings: Settings) -> Check:
    if not settings.zalo_app_id:
        return Check("Zalo", True, "no app; set TTHC_ZALO_APP_ID to serve there")
    needed = {
        "TTHC_ZALO_OA_ID": settings.zalo_oa_id,
        "TTHC_ZALO_APP_SECRET": settings.zalo_app_secret.get_secret_value(),
        "TTHC_ZALO_SECRET": settings.zalo_secret.get_secret_value(),
    }
    if not (settings.home / TOKENS).is_file():
        needed["TTHC_ZALO_REFRESH_TOKEN"] = settings.zalo_refresh_token.get_secret_value()
    if missing := [name for name, value in needed.items() if not value]:
        return Check("Zalo", False, f"{', '.join(missing)} missing", "see docs/vi/van-hanh.md, section 12")
    if settings.zalo_log_only:
        return Check("Zalo", False, "forged deliveries are accepted", "take TTHC_ZALO_LOG_ONLY away")
    return Check("Zalo", True, f"app {settings.zalo_app_id}")


def _inbox(settings: Settings) -> Check:
    if not (settings.home / SERVICE).is_file():
        return Check("inbox", True, "empty")
    service = Service(settings.home / SERVICE)
    counts = Inbox(service).counts()
    service.close()
    waiting = counts["new"] + counts["answered"]
    said = f"{waiting} waiting, the longest for {counts['oldest']} s; {counts['dead']} dead letters"
    return Check(
        "inbox", not counts["dead"] and counts["oldest"] < 600, said, "`tthc inbox` says why; then replay or drop"
    )
