"""``tthc serve``, ``tthc actions``, ``tthc unanswered``, ``tthc ratings``, ``tthc doctor``."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from bot.cli import say
from bot.settings import settings
from knowledge.errors import RefusedError
from knowledge.release import Releases


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
        async with Supervisor(config, say), serving(app, config.web_listen, config.web_port) as port:
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
    for command in (serve, actions, unanswered, ratings, doctor):
        app.command()(command)
