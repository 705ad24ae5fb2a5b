"""What a conversation draws on: the published release, guides, rescues, contacts; reloaded when a release changes."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bot.texts import text
from index.lexical import LexicalRetriever
from index.search import Searcher
from index.text import lexicon
from knowledge.guides import Guide, Guides, load_guides
from knowledge.model import Procedure
from knowledge.release import Releases
from knowledge.rescues import Contacts, Rescue, load_contacts, load_rescues

log = logging.getLogger(__name__)
RESCUE_SCORE = 0.3


@dataclass(frozen=True)
class Assistant:
    """One release and the guides that go with it."""

    release: Path
    searcher: Searcher
    guides: Guides
    rescues: dict[str, Rescue]
    contacts: Contacts

    @classmethod
    def load(cls, release: Path) -> Assistant:
        """Everything from ``release``. Raises RefusedError or DataError saying what is missing or broken."""
        guides, contacts = load_guides(), load_contacts()
        rescues = {r.id: r for r in load_rescues(guides=guides, contacts=contacts)}
        return cls(release, Searcher(release), guides, rescues, contacts)

    def procedure(self, code: str | None) -> Procedure | None:
        """The procedure in hand, when this release still holds it."""
        return self.searcher.catalogue.get(code) if code else None

    def guide(self, procedure: Procedure, portal: str = "") -> Guide:
        """The guide for ``procedure``, on ``portal`` when it is (still) possible there."""
        possible = self.guides.portals_for(
            procedure.code, online=procedure.online, issuer=procedure.issuer, agency=procedure.agency
        )
        return self.guides.for_procedure(procedure, portal if portal in possible else "")

    @cached_property
    def _stuck(self) -> tuple[list[str], LexicalRetriever]:
        ids = list(self.rescues)
        rows = [(p, i) for i, r in enumerate(self.rescues.values()) for p in (r.title, *r.phrases)]
        texts = [lexicon().normalise(p).folded for p, _ in rows]
        return ids, LexicalRetriever.build(texts, np.array([i for _, i in rows], np.int32))

    def find_rescue(self, message: str) -> Rescue | None:
        """The rescue that a message describes, if one clearly does."""
        ids, retriever = self._stuck
        scores = retriever.run(lexicon().normalise(message).folded)
        best = int(np.argmax(scores))
        return self.rescues[ids[best]] if scores[best] >= RESCUE_SCORE else None

    def contact_lines(self) -> str:
        """Hotlines and centres, a line each."""
        lines = [text("contact_line", name=h.name, number=h.number) for h in self.contacts.hotlines.values()]
        lines += [text("centre_line", name=c.name, address=c.address) for c in self.contacts.centres]
        return "\n".join([*lines, f"• {self.contacts.communes}"])


class Current:
    """The assistant of the current release. A switch of releases is noticed within :attr:`every` seconds."""

    every = 2.0

    def __init__(self, home: Path) -> None:
        self._releases = Releases(home)
        self._lock = threading.Lock()
        self._assistant: Assistant | None = None
        self._looked = 0.0

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
                self._assistant = Assistant.load(target)
            elif self._assistant.release != target:
                threading.Thread(target=self._reload, args=(target,), daemon=True).start()
            return self._assistant

    def _reload(self, target: Path) -> None:
        try:
            fresh = Assistant.load(target)
        except Exception:
            log.exception("release %s cannot be loaded; the old one stays in use", target.name)
            return
        log.info("release %s loaded", target.name)
        self._assistant = fresh
