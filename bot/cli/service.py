"""``tthc serve``, ``tthc actions``, ``tthc inbox``, ``tthc unanswered``, ``tthc ratings``, ``tthc doctor``."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli import say
from bot.settings import settings
from knowledge.errors import RefusedError
from knowledge.release import Releases

if TYPE_CHECKING:
    from bot.inbox import Inbox


def serve() -> None:
    """Run the bot behind the channels whose tokens are set: Rasa, the action server and the gateway, supervised."""
    from bot.channels import channels
    from bot.delivery import Delivery
    from bot.gateway import Gateway
    from bot.processes import Supervisor
    from bot.web import application, serving

    config = settings()
    found = channels(config)
    if not found:
        raise RefusedError("no channel is set up; put TTHC_TELEGRAM_TOKEN into .env (see docs/vi/van-hanh.md)")
    Releases(config.home).current()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        gateway = Gateway(config)
        delivery = Delivery(gateway, found, config)
        app = application(config, [route for channel in found for route in channel.routes], delivery.state)
        async with Supervisor(config, say, wait=False), serving(app, config.web_listen, config.web_port) as port:
            purging = asyncio.create_task(gateway.purge_daily())
            try:
                async with delivery:
                    names = ", ".join(channel.title for channel in found)
                    print(f"serving on {names}; health at {config.web_listen}:{port}; Ctrl-C stops", flush=True)
                    await stop.wait()
            finally:
                purging.cancel()
                await gateway.close()

    asyncio.run(run())


def actions() -> None:
    """Run the action server alone (Rasa calls it; for systemd and containers)."""
    from bot.actions import serve as serve_actions

    serve_actions(settings())


inbox_app = typer.Typer(
    help="Messages that wait, and dead letters: what could not be answered.", invoke_without_command=True
)


def _inbox() -> Inbox:
    from bot.inbox import Inbox
    from bot.service import FILE, Service

    return Inbox(Service(settings().home / FILE))


@inbox_app.callback()
def inbox(context: typer.Context) -> None:
    """How many messages wait, and the dead letters, oldest first: id, channel, since when, why."""
    if context.invoked_subcommand:
        return
    found = _inbox()
    counts = found.counts()
    print(
        f"waiting {counts['new']}, being sent {counts['answered']}, oldest {counts['oldest']} s, dead {counts['dead']}"
    )
    for letter in found.dead():
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(letter["received"]))
        print(f"{letter['delivery'][:12]}  {letter['channel']:8} {since}  {letter['error']}")


@inbox_app.command()
def replay(
    letter: Annotated[str, typer.Argument(help="Id of a dead letter, or its beginning; nothing: all of them.")] = "",
) -> None:
    """Have dead letters handled again; a running bot takes them up within seconds."""
    _each(letter, "put back", lambda inbox, delivery: inbox.replay(delivery))


@inbox_app.command()
def drop(letter: Annotated[str, typer.Argument(help="Id of a dead letter, or its beginning.")]) -> None:
    """Put a dead letter away for good: its sender gets no answer."""
    _each(letter, "dropped", lambda inbox, delivery: inbox.drop(delivery))


def _each(letter: str, did: str, act: Callable[[Inbox, str], bool]) -> None:
    inbox = _inbox()
    found = [d["delivery"] for d in inbox.dead() if d["delivery"].startswith(letter)]
    if letter and len(found) != 1:
        raise RefusedError(f"{letter}: {'several dead letters begin so' if found else 'no dead letter begins so'}")
    for delivery in found:
        act(inbox, delivery)
    print(f"{did}: {len(found)}")


def unanswered(top: Annotated[int, typer.Option(min=1, help="How many.")] = 50) -> None:
    """Questions that found nothing, most frequent first; personal data is masked."""
    from bot.service import FILE, Service

    service = Service(settings().home / FILE)
    for row in service.db.query("select times, question from unanswered order by times desc, last desc limit ?", [top]):
        print(f"{row['times']:5} {row['question']}")


def ratings(
    since: Annotated[str, typer.Option(help="First day, YYYY-MM-DD (default: all that is kept).")] = "",
) -> None:
    """How people got on with guides: did it themselves, were helped, could not; counted by month and procedure."""
    from bot.service import FILE, Service

    service = Service(settings().home / FILE)
    rows = service.db.query(
        "select substr(day, 1, 7) month, code, sum(times * (answer = 'self')) self, sum(times * (answer = 'helped'))"
        " helped, sum(times * (answer = 'not')) not_yet from ratings where day >= ? group by month, code order by 1, 2",
        [since],
    )
    print(f"{'month':8} {'code':10} {'self':>6} {'helped':>7} {'not yet':>8}")
    for row in rows:
        print(f"{row['month']:8} {row['code']:10} {row['self']:6} {row['helped']:7} {row['not_yet']:8}")


def doctor() -> None:
    """Check environments, model, release, ports and tokens; say what to do about each problem. Exit code 1 if any."""
    from bot.doctor import examine

    problems = 0
    for check in asyncio.run(examine(settings())):
        print(f"{'ok  ' if check.fine else 'FAIL'} {check.name}: {check.said}")
        if not check.fine:
            problems += 1
            print(f"     → {check.remedy}")
    if problems:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(inbox_app, name="inbox")
    for command in (serve, actions, unanswered, ratings, doctor):
        app.command()(command)
