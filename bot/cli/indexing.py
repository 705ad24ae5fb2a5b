"""``tthc index``: build and evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import say
from bot.settings import settings
from knowledge.errors import RefusedError
from knowledge.release import Releases

app = typer.Typer(help="The search index: build, eval.", no_args_is_help=True)


@app.command()
def build(
    retrain: Annotated[bool, typer.Option(help="Train the encoder even when its texts have not changed.")] = False,
    questions: Annotated[Path | None, typer.Option(help="Tuning questions (default: the project's own).")] = None,
) -> None:
    """Build the index of the draft: train the encoder where texts changed, write retrievers, fit the decision."""
    from index.build import QUESTIONS, build_index

    home = settings().home
    (home / "models").mkdir(parents=True, exist_ok=True)
    report = build_index(
        Releases(home).draft, home / "models", questions=questions or QUESTIONS, retrain=retrain, progress=say
    )
    total = sum(report.seconds.values())
    print(
        f"index: {report.procedures} procedures, {report.texts} texts, {total:.0f} s"
        f"{'' if report.trained else ' (encoder reused)'}"
    )


@app.command("eval")
def eval_(
    file: Annotated[Path, typer.Argument(help='Questions: {"question", "gold_codes": [...], "slice"} a line.')],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: slice -> measures.")] = False,
    known_only: Annotated[
        bool, typer.Option(help="Leave out questions none of whose procedures this release holds.")
    ] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Measure the draft instead of the published release.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page to look at: intervals, calibration, mistakes.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Print so many of the worst questions.")] = 0,
    confused: Annotated[int, typer.Option(min=0, help="Print so many of the most frequent confusions.")] = 0,
) -> None:
    """Measure the published release on a file of questions, by slice."""
    from index import analysis, report
    from index.evaluate import evaluate, load_questions
    from index.search import Searcher

    if as_json and (worst or confused):
        raise typer.BadParameter("--json prints measures only; leave out --worst and --confused")
    asked = load_questions(file)
    releases = Releases(settings().home)
    release = releases.draft if draft else releases.current()
    searcher = Searcher(release)
    names = dict(zip(searcher.codes, searcher.names, strict=True))
    if known_only:
        asked = [q for q in asked if not q.gold_codes or not names.keys().isdisjoint(q.gold_codes)]
    results = list(searcher.run_many([q.question for q in asked]))
    found = analysis.outcomes(asked, results, names)
    if html:
        _write(html, report.page(found, names, f"{file.name} · {release.name}"))
    table = evaluate(asked, results)
    if as_json:
        print(json.dumps(table, ensure_ascii=False))
        return
    _print_table(table)
    for text in (analysis.worst_text(found, names, worst), analysis.confused_text(found, names, confused)):
        if text:
            print(f"\n{text}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"{path}: cannot be written ({error.strerror})") from error


def _print_table(table: dict[str, dict[str, float]]) -> None:
    columns = ("questions", "recall@1", "recall@3", "recall@5", "recall@10", "mrr", "ndcg@10", "none_recall",
               "none_precision", "false_none", "answered", "answered_right")  # fmt: skip
    print(f"{'slice':16}" + "".join(f"{c:>15}" for c in columns))
    for name, row in table.items():
        cells = (
            f"{row[c]:15.3f}" if c in row and c != "questions" else f"{int(row.get(c, 0)) or '-':>15}" for c in columns
        )
        print(f"{name:16}" + "".join(cells))
