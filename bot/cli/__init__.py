"""The command line ``tthc``. Exit codes: 0 done, 1 refused (one clear message on stderr), 2 wrong usage."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from bot.logs import set_up
from bot.settings import settings
from knowledge.errors import RefusedError

app = typer.Typer(
    name="tthc",
    help="Trợ lý 5299: guides people through Vietnamese administrative procedures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Entry point of ``tthc``."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    warnings.filterwarnings("ignore")
    from bot.cli import catalogue, indexing, service, talk

    app.add_typer(catalogue.app, name="kb")
    app.add_typer(indexing.app, name="index")
    for module in (talk, service):
        module.register(app)
    try:
        set_up(settings().log_level, settings().log_format)
        app()
    except RefusedError as error:
        print(f"tthc: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None


def say(text: str) -> None:
    """One line of progress on a terminal, nothing in a pipe."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
