"""What a conversation draws on: the published release, guides, rescues, contacts; reloaded when a release changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bot.texts import text
from index.text import lexicon
from knowledge.additions import Additions
from knowledge.cases import Answers, Situation, situation
from knowledge.deadlines import Calendar, load_calendar
from knowledge.errors import DataError
from knowledge.events import Event, load_events
from knowledge.guides import Guide, Guides, load_guides
from knowledge.model import Procedure
from knowledge.places import Places, load_places
from knowledge.release import Releases
from knowledge.rescues import Contacts, Rescue, load_contacts, load_rescues
from knowledge.returns import Return, load_returns

if TYPE_CHECKING:  # loading the index takes seconds, and a gateway that starts anew has people waiting
    from index.nearest import Nearest
    from index.search import Searcher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assistant:
    """One release and the guides that go with it."""

    release: Path
    searcher: Searcher
    guides: Guides
    rescues: dict[str, Rescue]
    contacts: Contacts
    returns: tuple[Return, ...]
    events: dict[str, Event]
    places: Places
    calendar: Calendar

    @classmethod
    def load(cls, release: Path, phrases: Mapping[str, Sequence[str]] | None = None) -> Assistant:
        """Everything from ``release``, found by ``phrases`` too. Raises RefusedError or DataError."""
        from index.search import Searcher

        guides, contacts = load_guides(), load_contacts()
        rescues = {r.id: r for r in load_rescues(guides=guides, contacts=contacts)}
        searcher = Searcher(release)
        searcher.learn(phrases or {})
        events = {e.id: e for e in load_events()}
        return cls(release, searcher, guides, rescues, contacts, load_returns(), events, load_places(), load_calendar())

    def procedure(self, code: str | None) -> Procedure | None:
        """The procedure in hand, when this release still holds it."""
        return self.searcher.catalogue.get(code) if code else None

    def guide(self, procedure: Procedure, portal: str = "", answers: Answers | None = None) -> Guide:
        """The guide for ``procedure``, on ``portal`` when it is (still) possible there, for somebody's case."""
        possible = self.guides.portals_for(
            procedure.code, online=procedure.online, issuer=procedure.issuer, agency=procedure.agency
        )
        skip = self.situation(procedure, answers or {}).skip
        return self.guides.for_procedure(procedure, portal if portal in possible else "", skip)

    def situation(self, procedure: Procedure, answers: Answers) -> Situation:
        """What holds for somebody who gave these answers."""
        return situation(procedure, self.guides.questions_of(procedure.code), answers)

    def _nearest(self, things: Iterable[Rescue | Return | Event]) -> Nearest:
        from index.nearest import Nearest

        parts = self.searcher.retrieval
        return Nearest(parts.encoder, lexicon(), {t.id: (t.title, *t.phrases) for t in things})

    @cached_property
    def stuck(self) -> Nearest:
        """Finds rescues."""
        return self._nearest(self.rescues.values())

    @cached_property
    def returned(self) -> Nearest:
        """Finds reasons why a dossier came back."""
        return self._nearest(self.returns)

    @cached_property
    def happened(self) -> Nearest:
        """Finds life events."""
        return self._nearest(self.events.values())

    def contact_lines(self) -> str:
        """Hotlines and centres, a line each."""
        lines = [text("contact_line", name=h.name, number=h.number) for h in self.contacts.hotlines.values()]
        lines += [text("centre_line", name=c.name, address=c.address) for c in self.contacts.centres]
        return "\n".join([*lines, f"• {self.contacts.communes}"])


class Current:
    """The assistant of the current release. A switch of releases, and phrases that staff add, are noticed at once."""

    every = 0.5
    """Seconds between two looks."""

    def __init__(self, home: Path) -> None:
        self._releases, self._additions = Releases(home), Additions(home)
        self._lock = threading.Lock()
        self._assistant: Assistant | None = None
        self._looked = 0.0
        self._seen = 0
        self._learnt: dict[str, list[str]] = {}

    def get(self) -> Assistant:
        """The assistant; loads it the first time. A release that cannot be loaded leaves the old one in use."""
        now = time.monotonic()
        held = self._assistant
        if held is not None and now - self._looked < self.every:
            return held
        with self._lock:
            self._looked = now
            target = self._releases.current()
            if self._assistant is None:
                self._note_phrases()
                self._assistant = Assistant.load(target, self._learnt)
            elif self._assistant.release != target:
                threading.Thread(target=self._reload, args=(target,), daemon=True).start()
            elif self._note_phrases():
                self._assistant.searcher.learn(self._learnt)
            return self._assistant

    def _note_phrases(self) -> bool:
        """Read the staff's phrases when their file has changed; True when only new ones have come.

        Where some were taken away the release is loaded anew, since an index forgets nothing.
        """
        if (seen := self._additions.changed()) == self._seen:
            return False
        self._seen = seen
        try:
            fresh = self._additions.load()
        except DataError as error:
            log.error("phrases of staff are left as they were: %s", error)
            return False
        gone = any(set(texts) - set(fresh.get(code, ())) for code, texts in self._learnt.items())
        self._learnt = fresh
        if gone and self._assistant is not None:
            threading.Thread(target=self._reload, args=(self._assistant.release,), daemon=True).start()
        return not gone

    def _reload(self, target: Path) -> None:
        try:
            fresh = Assistant.load(target, self._learnt)
        except Exception:
            log.exception("release %s cannot be loaded; the old one stays in use", target.name)
            return
        log.info("release %s loaded", target.name)
        self._assistant = fresh
