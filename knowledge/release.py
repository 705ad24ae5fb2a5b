"""Releases: a folder with ``knowledge.db``, the index files and a manifest with checksums, switched atomically.

Under the state folder (``TTHC_HOME``)::

    draft/                 what is being made; publishing moves it
    releases/<id>/         published, never changed again
    current -> releases/<id>
    published.jsonl        what was published or rolled back, and when
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from knowledge.errors import RefusedError
from knowledge.store import FILE

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a release holds. ``files`` maps relative paths to [sha256, bytes]."""

    id: str
    created: str
    procedures: int
    imported: int
    files: dict[str, list[Any]]
    notes: dict[str, Any] = field(default_factory=dict)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release folder. Raises RefusedError when there is none or it is unreadable."""
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RefusedError(f"{folder / MANIFEST}: not a release manifest ({error})") from error


def verify(folder: Path) -> Manifest:
    """The manifest, after comparing every file with it. Raises RefusedError naming the first file that differs."""
    manifest = read_manifest(folder)
    for name, (digest, size) in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise RefusedError(f"{path}: missing from the release; publish again or `tthc kb rollback`")
        if path.stat().st_size != size or _digest(path) != digest:
            raise RefusedError(f"{path}: differs from the manifest; publish again or `tthc kb rollback`")
    return manifest


class Releases:
    """The releases under one state folder."""

    def __init__(self, home: Path) -> None:
        self.home, self.folder = home, home / "releases"
        self.draft, self.link, self.journal = home / "draft", home / "current", home / "published.jsonl"

    def current(self) -> Path:
        """Folder of the published release. Raises RefusedError when nothing was published yet."""
        if not (self.link / MANIFEST).is_file():
            raise RefusedError(
                f"{self.link}: no published release; run `make setup`, or `tthc kb publish` after an import"
            )
        return self.link.resolve()

    def imported_from(self) -> str:
        """Source and day of the imported catalogue in the published release; empty when it is the seed alone."""
        if not (self.link / MANIFEST).is_file():
            return ""
        manifest = read_manifest(self.link)
        source = manifest.notes.get("source", "?")
        return f"{source} ({manifest.notes.get('imported_on', manifest.created)})" if manifest.imported else ""

    def publish(self, *, procedures: int, imported: int, required: tuple[str, ...], notes: dict[str, Any]) -> Manifest:
        """Turn the draft into a release and switch to it. ``required`` files must be in the draft."""
        for name in (FILE, *required):
            if not (self.draft / name).is_file():
                raise RefusedError(f"{self.draft / name}: missing; run `tthc kb import` and `tthc index build` first")
        files = {
            str(p.relative_to(self.draft)): [_digest(p), p.stat().st_size]
            for p in sorted(self.draft.rglob("*"))
            if p.is_file() and p.name != MANIFEST
        }
        content = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:8]
        now = dt.datetime.now(dt.UTC)
        manifest = Manifest(
            f"{now:%Y%m%d-%H%M%S}-{content}", f"{now:%Y-%m-%dT%H:%M:%SZ}", procedures, imported, files, notes
        )
        (self.draft / MANIFEST).write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / manifest.id
        os.rename(self.draft, target)
        self._switch(target, "publish")
        return manifest

    def rollback(self, to: str = "") -> Manifest:
        """Switch to release ``to``, or to the one that served before the current one."""
        now = self.current().name
        if not to:
            earlier = [i for i in self._line() if i != now and (self.folder / i).is_dir()]
            if not earlier:
                raise RefusedError("there is no earlier release to go back to")
            to = earlier[-1]
        target = self.folder / to
        if not target.is_dir():
            raise RefusedError(f"{target}: no such release; `tthc kb log` lists them")
        manifest = verify(target)
        self._switch(target, "rollback")
        return manifest

    def log(self) -> list[dict[str, Any]]:
        """Journal entries, oldest first: id, action, at."""
        if not self.journal.is_file():
            return []
        return [json.loads(line) for line in self.journal.read_text(encoding="utf-8").splitlines() if line.strip()]

    def _line(self) -> list[str]:
        """Releases that led to the current one, oldest first: what was gone back from is out."""
        line: list[str] = []
        for entry in self.log():
            if entry["id"] in line:
                del line[line.index(entry["id"]) + 1 :]
            else:
                line.append(entry["id"])
        return line

    def prune(self, keep: int = 5) -> list[str]:
        """Delete all but the ``keep`` newest releases and the current one; returns what went."""
        now = self.current().name
        old = [p for p in sorted(self.folder.iterdir(), reverse=True)[keep:] if p.is_dir() and p.name != now]
        for path in old:
            shutil.rmtree(path)
        return [p.name for p in old]

    def _switch(self, target: Path, action: str) -> None:
        scratch = self.link.with_name(f".current.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        scratch.symlink_to(os.path.relpath(target, self.home))
        os.replace(scratch, self.link)
        entry = {"id": target.name, "action": action, "at": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"}
        with self.journal.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
