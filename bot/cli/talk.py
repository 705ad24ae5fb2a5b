"""``tthc chat``, ``tthc ask``, ``tthc search``, ``tthc checklist``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli import say
from bot.settings import settings
from knowledge.additions import Additions
from knowledge.errors import RefusedError
from knowledge.release import Releases

if TYPE_CHECKING:
    from bot.assistant import Assistant
    from knowledge.model import Procedure


def chat(as_json: Annotated[bool, typer.Option("--json", help="JSON lines in and out, for programs.")] = False) -> None:
    """Talk with the assistant in the terminal, through the same gateway as Telegram; starts what is not running."""
    from bot.channels.console import conversation, json_lines
    from bot.gateway import Gateway
    from bot.processes import Supervisor

    async def run() -> None:
        async with Supervisor(settings(), say):
            gateway = Gateway(settings())
            try:
                await (json_lines if as_json else conversation)(gateway)
            finally:
                await gateway.close()

    Releases(settings().home).current()
    say("starting (about 20 seconds)…")
    asyncio.run(run())


def ask(question: Annotated[str, typer.Argument(help="The citizen's question, in their words.")]) -> None:
    """One question, one answer, with the procedure's code: the volunteer's helper script. Needs no running Rasa."""
    from bot.assistant import Assistant
    from bot.dialogue import Turn, respond
    from bot.gateway import clean, harmless
    from bot.render import plain

    assistant = Assistant.load(Releases(settings().home).current(), Additions(settings().home).load())
    message = harmless(clean(question))
    outcome = respond(Turn("find_procedure", message, assistant))
    print(plain(outcome.reply.text))


def checklist(
    what: Annotated[str, typer.Argument(help="Procedure code, or a short code such as K7M-Q4P.")],
    html: Annotated[
        str, typer.Option("--html", metavar="FILE", help="Write an A4 page with QR codes to FILE (-: standard output).")
    ] = "",
) -> None:
    """Print the papers of a procedure (for a short code: of that person's case, ticked) as a sheet to hand out."""
    from bot.assistant import Assistant
    from bot.dialogue import Turn, papers
    from bot.render import plain
    from bot.service import FILE, Service, read_short

    home = settings().home
    assistant = Assistant.load(Releases(home).current())
    short = read_short(what)
    held = Service(home / FILE).shared(short) if short else {"code": what, "answers": {}, "ticked": [], "short": ""}
    procedure = assistant.procedure(str(held["code"])) if held else None
    if held is None or procedure is None:
        raise RefusedError(f"{what}: no such procedure and no such short code")
    if html:
        _write_sheet(html, assistant, procedure, held)
        return
    turn = Turn("tick", "", assistant, {"code": procedure.code}, guide={"portal": "", "step": "before", **held})
    print(plain(papers.checklist(turn).reply.text))


def _write_sheet(target: str, assistant: Assistant, procedure: Procedure, held: Mapping[str, Any]) -> None:
    """The page to print, into a file or (``-``) to standard output. Raises RefusedError when it cannot be written."""
    from bot.dialogue.turn import now
    from bot.sheet import Bots, page

    bots = Bots(settings().telegram_name, settings().zalo_link)
    if not bots:
        print("tthc: no QR code: set TTHC_TELEGRAM_NAME or TTHC_ZALO_LINK to have one", file=sys.stderr)
    made = page(assistant, procedure, held, bots, now().date())
    if target == "-":
        print(made, end="")
        return
    try:
        Path(target).write_text(made, encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"{target}: {error.strerror}") from error
    say(f"written: {target}")


def search(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a question.")] = False,
    top: Annotated[int, typer.Option("--top", min=1, max=100, help="Hits a question.")] = 5,
) -> None:
    """Search procedures for questions on standard input, one a line."""
    from index.search import Searcher

    searcher = Searcher(Releases(settings().home).current())
    searcher.learn(Additions(settings().home).load())
    for line in sys.stdin:
        question = line.rstrip("\n")
        if not question.strip():
            continue
        result = searcher.run(question, top)
        if as_json:
            hits = [{"code": h.code, "name": h.name, "score": h.score} for h in result.hits[:top]]
            data = {"query": question, "decision": result.decision, "hits": hits}
            print(json.dumps(data, ensure_ascii=False), flush=True)
            continue
        print(f"{question}  →  {result.decision} ({result.right:.2f})")
        for hit in result.hits[:top]:
            print(f"  {hit.score:.3f} {hit.code} {hit.name}  [{hit.matched}]")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (chat, ask, checklist, search):
        app.command()(command)
