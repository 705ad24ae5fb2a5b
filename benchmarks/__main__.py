"""``python -m benchmarks [NAME ...] [options]``: run benchmarks (all without a name), print Markdown tables."""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks import soak
from benchmarks.report import emit, heading, machine, part
from knowledge.errors import RefusedError

NAMES = ("retrieval", "ablation", "scale", "turns", "catalogue", "load", "soak")


def main(argv: list[str] | None = None) -> int:
    """Read the command line and run what it names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks; NLU: benchmarks/nlu.py.")
    parser.add_argument("names", nargs="*", choices=[*NAMES, "all"], default="all", metavar="|".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--no-e5", action="store_true", help="retrieval: without e5-small (saves two minutes)")
    parser.add_argument("--largest", type=int, default=500_000, metavar="N", help="scale: most vectors (500000)")
    parser.add_argument("--turns", type=int, default=300, help="turns: how many for one user at a time (300)")
    parser.add_argument("--users", type=int, default=32, help="turns: users at once (32)")
    parser.add_argument("--seconds", type=float, default=20, help="turns: how long the crowd talks (20)")
    parser.add_argument("--starts", type=int, default=3, help="catalogue: how often the chat is started (3)")
    parser.add_argument("--crowd", type=int, default=100, help="load: people at once (100)")
    parser.add_argument("--minutes", type=float, default=5, help="load: how long they talk (5)")
    parser.add_argument("--pause", type=float, default=3, help="load: seconds of reading between messages (3)")
    soak.arguments(parser.add_argument_group("soak"))
    args = parser.parse_args(argv)
    names = NAMES if "all" in args.names else tuple(n for n in NAMES if n in args.names)
    found = machine()
    figures: dict[str, object] = {"machine": found}
    emit(f"# Benchmarks\n\n{heading(found)}\n")
    try:
        for name in names:
            with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
                figures[name] = fresh.submit(part, name, args).result()
    except RefusedError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    finally:
        if args.json:
            args.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
