"""The Official Account's tokens: an access token that lives about a day, a refresh token that works only once.

Losing a refresh token means that staff have to give consent anew, so: one process at a time refreshes (a lock file);
the answer is on the disk before anything else happens to it; a refresh is never cancelled half-way; and it is done
while the old access token still has half of its life, which then serves on if the answer was lost. No token is logged.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bot.message import LaterError, SendError, WrongError

log = logging.getLogger(__name__)

FILE, LOCK, JOURNAL = "zalo-token.json", "zalo-token.lock", "zalo-token.journal"
OAUTH = "https://oauth.zaloapp.com"
USED = -14020
"""Zalo's code for a refresh token that was used before."""
RATE = -32
"""Zalo's code for too many calls."""
LOCK_WITHIN, LOCK_EVERY = 60.0, 0.05
"""Seconds to wait for another process that refreshes, and between two looks."""
AGAIN_LATER, AGAIN_REFUSED = 60.0, 600.0
"""Seconds until the next try after Zalo was not reached, and after it refused."""
LOOK_EVERY = 600.0
"""Seconds between two looks at the clock."""
REMEDY = (
    "Zalo refuses the refresh token (code %d); get a new one (handbook van-hanh.md, Zalo), put it into "
    "TTHC_ZALO_REFRESH_TOKEN and restart. The access token serves for another %.1f hours"
)


@dataclass
class _State:
    """What the file holds. ``got``, ``ends``: seconds since 1970; ``ends`` is 0 for an access token of unknown life.
    ``refresh``: refresh tokens that may work, the best first; ``seed``: hash of the last one that staff gave."""

    access: str = ""
    got: float = 0.0
    ends: float = 0.0
    refresh: list[str] = field(default_factory=list)
    seed: str = ""

    def alive(self, now: float) -> bool:
        """Whether the access token may still be used."""
        return bool(self.access) and (self.ends == 0 or now < self.ends)

    def due(self, now: float) -> float:
        """Seconds until it should be refreshed: at half of its life."""
        return (self.got + self.ends) / 2 - now if self.access and self.ends else 0.0


class Tokens:
    """The tokens of one Official Account, kept in ``home``. Use after :meth:`open`, until :meth:`close`.

    ``seed``: the refresh token from the settings, taken whenever it is another than the last time; ``access``: an
    access token that came with it, or "".
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        home: Path,
        *,
        app_id: str,
        app_secret: str,
        seed: str,
        access: str = "",
        oauth: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http, self._home, self._clock = http, home, clock
        self._app_id, self._app_secret, self._seed, self._seed_access = app_id, app_secret, seed, access
        self._url = f"{(oauth or OAUTH).rstrip('/')}/v4/oa/access_token"
        self._state = _State()
        self._refreshing: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._unsaved = False

    # -- for the channel

    async def open(self) -> None:
        """Read what is kept, and keep it fresh from now on."""
        self._home.mkdir(parents=True, exist_ok=True)
        async with self._locked():
            self._load()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop; a refresh that is under way is waited for."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._refreshing:
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def access(self, refused: str = "") -> str:
        """A living access token, another than ``refused``. Raises LaterError when there is none just now."""
        if not self._state.alive(self._clock()) or self._state.access == refused:
            if (wait := self._not_before - time.monotonic()) > 0:
                raise LaterError("no valid access token", wait)
            try:
                await self._refresh(refused)
            except SendError as error:
                raise LaterError(f"no valid access token: {error}", AGAIN_LATER) from None
            except OSError as error:
                raise LaterError(f"no valid access token: {error.strerror}", AGAIN_LATER) from None
        return self._state.access

    @property
    def lives(self) -> float:
        """Seconds that the access token still lives; 0 when it does not, or nobody knows."""
        return max(0.0, self._state.ends - self._clock())

    # -- refreshing

    async def _keep(self) -> None:
        while True:
            if self._unsaved:
                with suppress(SendError, OSError):
                    async with self._locked():
                        self._load()
            if self._state.due(self._clock()) <= 0 and self._not_before <= time.monotonic():
                try:
                    await self._refresh()
                except SendError:  # logged where it happened
                    pass
                except Exception as error:
                    log.error("Zalo's tokens cannot be kept fresh (%s)", type(error).__name__)
            wait = max(self._state.due(self._clock()), self._not_before - time.monotonic(), 0.1)
            await asyncio.sleep(min(wait, AGAIN_LATER if self._unsaved else LOOK_EVERY))

    async def _refresh(self, refused: str = "") -> None:
        """Refresh once, whoever asks. The caller may be cancelled, the refresh goes on."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh_now(refused))
            self._refreshing.add_done_callback(_look_at)
        await asyncio.shield(self._refreshing)

    async def _refresh_now(self, refused: str) -> None:
        try:
            async with self._locked():
                self._load()
                now = self._clock()
                if self._state.alive(now) and self._state.access != refused and self._state.due(now) > 0:
                    return  # somebody else was faster
                await self._ask()
        except Exception as error:
            pause = AGAIN_REFUSED if isinstance(error, WrongError) else AGAIN_LATER
            self._not_before = time.monotonic() + pause
            raise

    async def _ask(self) -> None:
        """Try the refresh tokens, the best first. Raises LaterError or WrongError, and logs why."""
        code = USED
        for token in list(self._state.refresh):
            raw, code = await self._call(token)
            if code == 0:
                self._keep_answer(raw)
                self._not_before = 0.0
                log.info("Zalo's access token was refreshed; it lives %.1f hours", self.lives / 3600)
                return
            if code == USED:
                self._state.refresh.remove(token)
                self._save()
        log.error(REMEDY, code, self.lives / 3600)
        raise WrongError(f"Zalo refuses the refresh token (code {code})")

    async def _call(self, token: str) -> tuple[str, int]:
        """The raw answer and its error code, 0 for new tokens. Raises LaterError."""
        form = {"app_id": self._app_id, "grant_type": "refresh_token", "refresh_token": token}
        try:
            answer = await self._http.post(self._url, data=form, headers={"secret_key": self._app_secret})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("Zalo's access token was not refreshed (%s); trying again", type(error).__name__)
            raise LaterError(f"Zalo's tokens cannot be reached ({type(error).__name__})") from None
        if _tokens_of(answer.text):
            return answer.text, 0
        with suppress(ValueError, TypeError, AttributeError):
            code = int(answer.json().get("error", 0))
            if code not in (0, RATE) and answer.status_code < 500:
                return "", code
        log.warning("Zalo's access token was not refreshed (HTTP %d); trying again", answer.status_code)
        raise LaterError(f"Zalo's tokens cannot be had (HTTP {answer.status_code})")

    # -- on the disk

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Alone among all processes. Looks again and again instead of waiting in a thread, so it can be cancelled."""
        handle = os.open(self._home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        ends = time.monotonic() + LOCK_WITHIN
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > ends:
                        raise LaterError("another process holds Zalo's tokens") from None
                    await asyncio.sleep(LOCK_EVERY)
            yield
        finally:
            os.close(handle)  # unlocks too

    def _load(self) -> None:
        """What is kept; what a crash left half-done; what staff gave since."""
        if self._unsaved:
            self._save()
            self._unsaved = False
            return
        try:
            self._state = _State(**json.loads((self._home / FILE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            self._state = _State()
        except (ValueError, TypeError):
            log.error("%s cannot be read; going on with TTHC_ZALO_REFRESH_TOKEN", FILE)
            self._state = _State()
        self._adopt_journal()
        seed = hashlib.sha256(self._seed.encode()).hexdigest() if self._seed else ""
        if seed and seed != self._state.seed:
            self._state.seed = seed
            self._state.refresh = [self._seed, *self._state.refresh]
            if self._seed_access:
                self._state.access, self._state.got, self._state.ends = self._seed_access, self._clock(), 0.0
            else:
                self._state.got = 0.0  # due now
            self._not_before = 0.0
            self._save()

    def _keep_answer(self, raw: str) -> None:
        """Take an answer with new tokens: first onto the disk as it came, then into its place."""
        seed, now = self._state.seed, self._clock()
        try:
            self._write(self._home / JOURNAL, json.dumps({"got": now, "raw": raw, "seed": seed}))
            self._adopt_journal()
        except OSError as error:
            log.critical(
                "new Zalo tokens cannot be written (%s); mend that before a restart loses them", error.strerror
            )
            self._take(raw, now, seed)
            self._unsaved = True

    def _adopt_journal(self) -> None:
        """Put the answer in the journal, if there is one, into its place."""
        path = self._home / JOURNAL
        try:
            journal = json.loads(path.read_text(encoding="utf-8"))
            self._take(journal["raw"], journal["got"], journal["seed"])
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError):
            log.error("an answer with new Zalo tokens was cut off by a crash; %s cannot be read", JOURNAL)
        else:
            self._save()
        path.unlink()

    def _take(self, raw: str, got: float, seed: str) -> None:
        tokens = _tokens_of(raw)
        if tokens is None:
            raise ValueError("no tokens")
        access, refresh, life = tokens
        self._state = _State(access, got, got + life, [refresh], seed)

    def _save(self) -> None:
        """Replace the file, whole or not at all."""
        temporary = self._home / f"{FILE}.new"
        self._write(temporary, json.dumps(asdict(self._state)))
        temporary.replace(self._home / FILE)
        self._sync()

    def _write(self, path: Path, text: str) -> None:
        """For our eyes only, and surely on the disk."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self._home, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _tokens_of(raw: str) -> tuple[str, str, float] | None:
    """(access token, refresh token, seconds of life) of an answer, None when it holds none."""
    try:
        answer: Any = json.loads(raw)
        access, refresh, life = answer["access_token"], answer["refresh_token"], float(answer["expires_in"])
    except (ValueError, TypeError, KeyError):
        return None
    fine = all(isinstance(token, str) and token for token in (access, refresh)) and 0 < life < 1e9
    return (access, refresh, life) if fine else None


def _look_at(task: asyncio.Task[None]) -> None:
    """So that a refresh whose callers are gone does not complain that nobody looked at its error."""
    if not task.cancelled():
        task.exception()
