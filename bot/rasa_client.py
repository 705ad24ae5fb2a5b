"""Rasa over its REST channel, with a time limit and a breaker that spares people the wait while it is down."""

from __future__ import annotations

import logging
import time
from typing import Any

import httpx

from bot.privacy import TOKEN
from bot.reply import Reply

log = logging.getLogger(__name__)
FAILURES = 2
PAUSE = 5.0


class RasaDownError(Exception):
    """No usable answer: refused, too slow, or empty (Rasa logs an exception and still answers 200 with ``[]``)."""


class RasaClient:
    """Asks one Rasa server. After :data:`FAILURES` failures in a row it is left alone for :data:`PAUSE` seconds."""

    def __init__(self, url: str, timeout: float, token: str = "") -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        headers = {TOKEN: token} if token else {}
        self._http = httpx.AsyncClient(
            base_url=url, timeout=httpx.Timeout(timeout, connect=1.0), limits=limits, headers=headers
        )
        self._failures, self._closed_until = 0, 0.0

    async def ask(self, sender: str, message: str, metadata: dict[str, Any]) -> list[Reply]:
        """Replies to ``message`` (a text or a payload) of ``sender``. Raises RasaDownError."""
        if time.monotonic() < self._closed_until:
            raise RasaDownError("left alone after failures")
        body = {"sender": sender, "message": message, "metadata": metadata}
        try:
            response = await self._http.post("/webhooks/rest/webhook", json=body)
            response.raise_for_status()
            replies = [Reply.from_json(part["custom"]) for part in response.json() if "custom" in part]
            if not replies:
                raise RasaDownError("an empty answer")
        except (httpx.HTTPError, KeyError, TypeError, ValueError, RasaDownError) as error:
            self._failures += 1
            if self._failures >= FAILURES:
                self._closed_until = time.monotonic() + PAUSE
            log.warning("rasa: %s", error.__class__.__name__ if not str(error) else error)
            raise RasaDownError(str(error)) from error
        self._failures = 0
        return replies

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()
