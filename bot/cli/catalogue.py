"""``tthc kb``: import, fetch, check, compare, publish and show the catalogue."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import say
from bot.settings import settings
from index.gate import require_no_worse
from index.search import ENCODER, FOLDER, RANKING, ROWS
from knowledge.additions import Additions
from knowledge.checks import check
from knowledge.errors import RefusedError
from knowledge.fetch import PORTAL, fetch_catalogue, require_complete
from knowledge.model import Procedure
from knowledge.portal import ImportReport, read_catalogue
from knowledge.release import Releases, verify
from knowledge.seed import coverage, load_phrases, load_seed, merge
from knowledge.store import FILE, Catalogue, write_catalogue

app = typer.Typer(
    help="The catalogue: import, fetch, phrase, check, diff, publish, rollback, log, show.", no_args_is_help=True
)

REQUIRED = (f"{FOLDER}/{RANKING}", f"{FOLDER}/{ROWS}", f"{ENCODER}/modules.json")
SHOWN = 20


@app.command("import")
def import_(
    source: Annotated[
        Path | None, typer.Argument(help="Portal records: .jsonl, .jsonl.gz or a folder. Without it: the seed alone.")
    ] = None,
    seed_only: Annotated[bool, typer.Option(help="Really go back from an imported catalogue to the seed.")] = False,
    skip_bad: Annotated[bool, typer.Option(help="Leave out lines that cannot be read instead of refusing.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write every skipped record and why, as JSON lines.")] = None,
) -> None:
    """Make a draft catalogue from the seed and, when given, the portal's records. The published release stays."""
    releases = Releases(settings().home)
    if source is None and not seed_only and (last := releases.imported_from()):
        raise RefusedError(f"the published catalogue was imported from {last}; name it again, or say --seed-only")
    say("reading…")
    seed, phrases = load_seed(), load_phrases()
    for code, own in Additions(settings().home).load().items():
        phrases[code] = list(dict.fromkeys([*phrases.get(code, ()), *own]))
    found = read_catalogue(source) if source else ImportReport()
    for problem in found.problems[:SHOWN]:
        print(problem, file=sys.stderr)
    if found.problems and not skip_bad:
        more = len(found.problems) - SHOWN
        raise RefusedError(
            f"{len(found.problems)} line(s) cannot be used{f' ({more} not shown)' if more > 0 else ''}; "
            "nothing was imported. Mend them, or import the rest with --skip-bad"
        )
    if source and not found.procedures:
        raise RefusedError(f"{source}: no record that applies here; nothing was imported")
    procedures = merge(found.procedures, seed)
    draft = releases.draft
    meta = {
        "source": source.name if source else "seed",
        "imported": len(found.procedures),
        "imported_on": dt.date.today().isoformat(),
        "skipped": found.counts() | ({"unreadable": len(found.problems)} if found.problems else {}),
    }
    write_catalogue(draft / FILE, procedures, phrases, found.skipped, meta)
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(s._asdict(), ensure_ascii=False) for s in found.skipped]
        lines += [json.dumps({"reason": "unreadable", "error": str(p)}, ensure_ascii=False) for p in found.problems]
        report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    spoken, total = coverage(procedures, phrases)
    print(f"draft: {total} procedures ({len(found.procedures)} imported), {spoken} with phrases")
    for reason, count in sorted(meta["skipped"].items()):  # type: ignore[attr-defined]
        print(f"skipped, {reason}: {count}")


@app.command()
def fetch(
    out: Annotated[Path | None, typer.Option(help="Folder to fetch into (default TTHC_HOME/catalogue).")] = None,
    base_url: Annotated[str, typer.Option(help="Address of the portal.")] = PORTAL,
    accept_smaller_list: Annotated[
        bool, typer.Option(help="The portal really lists fewer procedures now; let the rest go.")
    ] = False,
    pause: Annotated[
        tuple[float, float], typer.Option(help="Shortest and longest pause between requests, seconds.")
    ] = (1, 3),
) -> None:
    """Fetch the catalogue from the national portal, one polite request at a time; goes on where it stopped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    folder = out or settings().home / "catalogue"
    console = Console(stderr=True)
    with Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("fetching", total=None)
        result = fetch_catalogue(
            folder,
            base_url=base_url,
            pause=pause,
            accept_smaller_list=accept_smaller_list,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(
        f"{folder}: {result.listed} listed, {result.fetched} fetched, {result.unchanged} unchanged, "
        f"{len(result.removed)} removed, {len(result.failed)} failed"
    )
    for failure in list(result.failed)[:SHOWN]:
        print(failure, file=sys.stderr)
    require_complete(result)


def _open(draft: bool) -> Catalogue:
    releases = Releases(settings().home)
    return Catalogue((releases.draft if draft else releases.current()) / FILE)


@app.command()
def phrase(
    code: Annotated[str, typer.Argument(help="Procedure code, for example 1.001193.")],
    text: Annotated[str, typer.Argument(help="How people say it; without it: list the code's phrases.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take out a phrase that was added here.")] = False,
) -> None:
    """Add a way people ask for a procedure: running bots find by it at once, the next import takes it over."""
    catalogue, additions = _open(False), Additions(settings().home)
    if catalogue.get(code) is None:
        raise RefusedError(f"{code}: no such procedure in {catalogue.path}")
    published = catalogue.phrases()
    if not text:
        for known in (*published.get(code, ()), *additions.load().get(code, ())):
            print(known)
        return
    if remove:
        additions.remove(code, text)
        print(f"{code}: taken out of {additions.path}")
        return
    if holder := next((c for c, own in published.items() if text.casefold() in (p.casefold() for p in own)), None):
        raise RefusedError(f"{holder} has this phrase already")
    print(f"{code}: {additions.add(code, text)}")


@app.command("check")
def check_(
    draft: Annotated[bool, typer.Option(help="Check the draft instead of the published release.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One finding a line.")] = False,
) -> None:
    """Look for records that staff should read again: expired fees, old agencies, missing limits, twins."""
    findings = list(check(_open(draft)))
    if as_json:
        for finding in findings:
            print(finding.model_dump_json())
        return
    kinds: dict[tuple[str, str], int] = {}
    for finding in findings:
        kinds[finding.severity, finding.kind] = kinds.get((finding.severity, finding.kind), 0) + 1
    for (severity, kind), count in sorted(kinds.items()):
        print(f"{severity:8} {kind:24} {count}")
    print(f"{len(findings)} findings; --json shows them one by one")


@app.command()
def diff() -> None:
    """Compare the draft with the published release: added, removed and changed procedures, with the fields."""
    old, new = ({p.code: p for p in _open(draft)} for draft in (False, True))
    ignored = {"checked_on", "updated_on", "fingerprint"}
    for code in sorted(old.keys() | new.keys()):
        if code not in old:
            print(f"+ {code} {new[code].name}")
        elif code not in new:
            print(f"- {code} {old[code].name}")
        else:
            fields = [
                f for f in Procedure.model_fields if f not in ignored and getattr(old[code], f) != getattr(new[code], f)
            ]
            if fields:
                print(f"~ {code} {new[code].name}: {', '.join(fields)}")


@app.command()
def publish(
    force: Annotated[
        bool, typer.Option("--force", help="Even when the draft finds less than the current release.")
    ] = False,
) -> None:
    """Publish the draft: a new release, switched to at once; running bots load it without a restart.

    Refused when the draft finds clearly less of the project's own questions than the current release.
    """
    releases = Releases(settings().home)
    if not force:
        require_no_worse(releases.link, releases.draft)
    catalogue = Catalogue(releases.draft / FILE)
    manifest = releases.publish(
        procedures=len(catalogue), imported=catalogue.meta["imported"], required=REQUIRED, notes=catalogue.meta
    )
    releases.prune()
    print(f"published {manifest.id}: {manifest.procedures} procedures")


@app.command()
def rollback(
    to: Annotated[str, typer.Argument(help="Release id (default: the one before the current).")] = "",
) -> None:
    """Switch back to an earlier release."""
    print(f"now {Releases(settings().home).rollback(to).id}")


@app.command()
def log() -> None:
    """List what was published and rolled back, oldest first; * marks the current release."""
    releases = Releases(settings().home)
    current = releases.current().name
    for entry in releases.log():
        held = "" if (releases.folder / entry["id"]).is_dir() else " (deleted)"
        print(f"{'*' if entry['id'] == current else ' '} {entry['at']} {entry['action']:8} {entry['id']}{held}")
    verify(releases.current())


@app.command()
def show(
    code: Annotated[str, typer.Argument(help="Procedure code, for example 1.001193.")],
    draft: Annotated[bool, typer.Option(help="From the draft instead of the published release.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
) -> None:
    """Print one procedure: everything its record holds."""
    catalogue = _open(draft)
    procedure = catalogue.get(code)
    if procedure is None:
        raise RefusedError(f"{code}: no such procedure in {catalogue.path}")
    if as_json:
        print(procedure.model_dump_json(indent=1))
        return
    from bot.answers import full_text
    from bot.render import plain

    print(plain(full_text(procedure, limit=None)))
