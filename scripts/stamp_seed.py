"""Note in each seed file which version of the portal's record it was checked against.

usage: python scripts/stamp_seed.py CATALOGUE [CODE ...]

Run it for the codes you have just compared with the portal, by eye. It writes ``fingerprint``, ``updated_on`` and
``checked_on``; as long as an imported record has that fingerprint, the seed's plain wording of papers and steps is
shown.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path

from knowledge.portal import read_catalogue
from knowledge.seed import HERE


def stamp(path: Path, fields: dict[str, str]) -> None:
    """Set or replace top-level ``fields`` of a YAML file, leaving every other line and comment alone."""
    text = path.read_text(encoding="utf-8")
    for field, value in fields.items():
        line = f"{field}: {value}"
        text, count = re.subn(rf"(?m)^{field}:.*$", line, text)
        if not count:
            text = text.rstrip("\n") + f"\n{line}\n"
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Stamp the named codes, or every seed file whose record is in the catalogue."""
    records = {p.code: p for p in read_catalogue(Path(sys.argv[1])).procedures}
    for path in sorted((HERE / "seed").glob("*.yml")):
        record = records.get(path.stem)
        if record is None or (len(sys.argv) > 2 and path.stem not in sys.argv[2:]):
            continue
        fields = {"fingerprint": f'"{record.fingerprint}"', "checked_on": f"{dt.date.today()}"}
        if record.updated_on:
            fields["updated_on"] = f"{record.updated_on}"
        stamp(path, fields)
        print(f"{path.name}: {record.fingerprint}")


if __name__ == "__main__":
    main()
