"""``knowledge.db``: the catalogue of one release as a SQLite file, written once and then only read."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlite_utils

from knowledge.errors import DataError
from knowledge.model import Procedure
from knowledge.portal import Skipped

FILE = "knowledge.db"
SCHEMA = 1


def write_catalogue(
    path: Path,
    procedures: Iterable[Procedure],
    phrases: Mapping[str, list[str]],
    skipped: Iterable[Skipped] = (),
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write a whole ``knowledge.db`` aside and put it in place at once; readers of the old file are not disturbed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    db = sqlite_utils.Database(scratch)
    try:
        db.table("procedures").insert_all(map(_row, procedures), pk="code", columns={"updated_on": str})
        codes = {row["code"] for row in db.query("select code from procedures")}
        db.table("phrases").create(
            {"code": str, "position": int, "text": str}, pk=("code", "position"),
            foreign_keys=[("code", "procedures", "code")],
        )  # fmt: skip
        db.table("phrases").insert_all(
            (
                {"code": code, "position": position, "text": text}
                for code, texts in phrases.items()
                if code in codes
                for position, text in enumerate(texts)
            )
        )
        db.table("skipped").insert_all(
            (s._asdict() for s in skipped), columns={"line": int, "code": str, "name": str, "reason": str}
        )
        facts = {"schema": SCHEMA, "procedures": len(codes), **(meta or {})}
        db.table("meta").insert_all(
            ({"key": k, "value": json.dumps(v, ensure_ascii=False)} for k, v in facts.items()), pk="key"
        )
        db.vacuum()
    finally:
        db.close()
    os.replace(scratch, path)


def _row(p: Procedure) -> dict[str, Any]:
    return {
        "code": p.code, "name": p.name, "short_name": p.short_name, "field": p.field, "levels": ",".join(p.levels),
        "agency": p.agency, "issuer": p.issuer, "province": p.province, "online": p.online, "source": p.source,
        "updated_on": p.updated_on and p.updated_on.isoformat(), "record": p.model_dump_json(exclude_defaults=True),
    }  # fmt: skip


class Catalogue:
    """Read-only view of a ``knowledge.db``. Safe to share between threads that only read.

    >>> from knowledge.seed import load_seed
    >>> import tempfile; path = Path(tempfile.mkdtemp()) / FILE
    >>> write_catalogue(path, load_seed(), {"1.001193": ["làm giấy khai sinh cho con"]})
    >>> Catalogue(path).get("1.001193").name
    'Đăng ký khai sinh'
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError("no catalogue here; run `make setup` or `tthc kb import`", path)
        self.path = path
        uri = path.absolute().as_uri() + "?mode=ro&immutable=1"
        self._db = sqlite_utils.Database(sqlite3.connect(uri, uri=True, check_same_thread=False))
        self.meta: dict[str, Any] = {r["key"]: json.loads(r["value"]) for r in self._db["meta"].rows}
        if self.meta.get("schema") != SCHEMA:
            raise DataError(
                f"made by another version (schema {self.meta.get('schema')}, wanted {SCHEMA}); import again", path
            )
        self._cache: dict[str, Procedure] = {}

    def __len__(self) -> int:
        return int(self.meta["procedures"])

    def __iter__(self) -> Iterator[Procedure]:
        for row in self._db.query("select record from procedures order by rowid"):
            yield Procedure.model_validate_json(row["record"])

    def get(self, code: str) -> Procedure | None:
        """The procedure with this code, or None."""
        if code not in self._cache:
            rows = list(self._db.query("select record from procedures where code = ?", [code]))
            if not rows:
                return None
            if len(self._cache) > 2000:
                self._cache.clear()
            self._cache[code] = Procedure.model_validate_json(rows[0]["record"])
        return self._cache[code]

    def phrases(self) -> dict[str, list[str]]:
        """Every phrase, by code."""
        found: dict[str, list[str]] = {}
        for row in self._db.query("select code, text from phrases order by code, position"):
            found.setdefault(row["code"], []).append(row["text"])
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
