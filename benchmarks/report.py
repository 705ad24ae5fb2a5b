"""What all benchmarks share: the machine they ran on, Markdown tables, quantiles, where outside data may lie."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import importlib
import logging
import os
import platform
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.errors import RefusedError

ROOT = Path(__file__).resolve().parent.parent


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, Python, date and how busy the machine is: what a figure is worth without."""
    import psutil

    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": model, "cores": cores, "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC", "load": [round(x, 2) for x in os.getloadavg()],
    }  # fmt: skip


def heading(found: dict[str, Any]) -> str:
    """A line that says what :func:`machine` found."""
    return (
        f"{found['date']}, {found['processor']}, {found['cores']} cores, {found['memory_gb']} GB, {found['system']}, "
        f"Python {found['python']}; load at the start (1, 5, 15 minutes): {', '.join(map(str, found['load']))}"
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers stand to the right."""
    lines = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def curve(across: str, places: Sequence[float], lines: Mapping[str, Sequence[float]]) -> str:
    """A Mermaid chart: ``lines`` (name -> height at each of ``places``, 0 to 1)."""
    top = max(0.1, *(max(heights) for heights in lines.values()))
    body = [f'x-axis "{across}" [{", ".join(f"{p:.2f}" for p in places)}]']
    body.append(f'y-axis "{", ".join(lines)}" 0 --> {top:.2f}')
    body += [f"line [{', '.join(f'{h:.3f}' for h in heights)}]" for heights in lines.values()]
    return "```mermaid\nxychart-beta\n" + "\n".join(f"    {line}" for line in body) + "\n```\n"


def quantile(sample: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the sample does not exceed."""
    return float(np.quantile(np.asarray(sample, float), share))


def emit(text: str) -> None:
    """Print a piece of the report at once."""
    print(text, flush=True)


def progress(text: str) -> None:
    """A line for the person who waits; none in a pipe."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def outside(name: str) -> Path | None:
    """A file of the data folder beside the project (``TTHC_SHARED``, else ``../shared``); None where there is none."""
    path = Path(os.environ.get("TTHC_SHARED") or ROOT.parent / "shared") / "data" / name
    return path if path.is_file() else None


def size_mb(folder: Path) -> float:
    """Megabytes (10^6) of the files under a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def part(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One benchmark, in a process of its own, so that none carries the memory of another."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    try:
        found: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(args)
    except RefusedError as error:
        raise RefusedError(str(error)) from None  # some refusals do not survive the way between processes
    return found
