"""Making a release of the whole catalogue: import, index with the encoder trained before, again; and starting the chat.

Runs the commands a person runs, in a state folder of its own that gets a copy of the encoder trained on the phrases.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bare import free_port
from benchmarks.report import ROOT, emit, outside, progress, size_mb, table
from bot.processes import MODEL
from bot.settings import settings
from index.build import _digest
from knowledge.errors import RefusedError
from knowledge.release import Releases, read_manifest
from knowledge.seed import load_phrases, load_seed

RECORDS = "portal-procedures.jsonl.gz"
QUESTION = "mất giấy khai sinh giờ xin lại ở đâu"

WATCH = """
import resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.call(sys.argv[1:])
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Runs a command from a small process: its peak memory would otherwise start at what this one holds when it forks."""


@dataclass(frozen=True)
class Ran:
    """What a command took; ``said``: its last line."""

    seconds: float
    peak_mb: float
    said: str


def tthc(home: Path, *words: str) -> Ran:
    """Run a ``tthc`` command. Raises RefusedError with what it said when it fails."""
    progress(f"tthc {' '.join(words[:2])}…")
    command = [sys.executable, "-m", "bot", *words]
    done = subprocess.run(
        [sys.executable, "-S", "-c", WATCH, *command], cwd=ROOT, env={**os.environ, "TTHC_HOME": str(home)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    *lines, usage = done.stdout.strip().splitlines() or [""]
    if done.returncode:
        raise RefusedError(f"tthc {' '.join(words)} failed: {' / '.join([*lines, usage][-5:])}")
    seconds, peak = map(float, usage.split())
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return Ran(round(seconds, 2), round(peak / unit, 1), lines[-1] if lines else "")


def foundation() -> str:
    """Folder name of the encoder that this checkout's phrases train, before it is tuned to a catalogue."""
    return _digest(["foundation", {p.code: p.name for p in load_seed()}, load_phrases()])


def first_answer(home: Path) -> float:
    """Seconds from starting ``tthc chat`` to its first answer; nothing runs before, nothing afterwards."""
    ports = {"TTHC_RASA_PORT": str(free_port()), "TTHC_ACTIONS_PORT": str(free_port())}
    began = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, "-m", "bot", "chat", "--json"], cwd=ROOT, env={**os.environ, "TTHC_HOME": str(home), **ports},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert running.stdin
    assert running.stdout
    running.stdin.write(QUESTION + "\n")
    running.stdin.flush()
    answer = running.stdout.readline()
    seconds = time.perf_counter() - began
    running.stdin.close()
    running.stdout.read()
    running.wait(60)
    if '"replies"' not in answer:
        raise RefusedError(f"tthc chat gave no answer; see {home / 'logs'}")
    return seconds


def make_release(home: Path, records: Path) -> dict[str, Any]:
    """Import and build in an empty state folder, then publish; what each command took."""
    steps: dict[str, Ran] = {}
    trained = settings().home / "models" / foundation()
    if trained.is_dir():
        shutil.copytree(trained, home / "models" / trained.name)
    else:  # then the phrases are learned here first, and what that takes is shown
        tthc(home, "kb", "import")
        steps["tthc index build, seed, nothing trained before"] = tthc(home, "index", "build")
    steps["tthc kb import"] = tthc(home, "kb", "import", str(records))
    steps["tthc index build, catalogue new to the encoder"] = tthc(home, "index", "build")
    steps["tthc index build, nothing changed"] = tthc(home, "index", "build")
    steps["tthc kb publish"] = tthc(home, "kb", "publish")
    release = Releases(home).current()
    parts = {p.name: round(size_mb(p) if p.is_dir() else p.stat().st_size / 1e6, 1) for p in sorted(release.iterdir())}
    return {
        "procedures": read_manifest(release).procedures, "records_mb": round(records.stat().st_size / 1e6, 1),
        "steps": {name: asdict(ran) for name, ran in steps.items()}, "release_mb": round(size_mb(release), 1),
        "parts_mb": parts,
    }  # fmt: skip


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    emit(f"{found['procedures']} procedures from {found['records_mb']} MB of compressed records.\n")
    rows = [[name, f"{s['seconds']:.1f}", f"{s['peak_mb']:.0f}", s["said"]] for name, s in found["steps"].items()]
    emit(table(("command", "seconds", "peak MB", "said"), rows))
    parts = ", ".join(f"{name} {size}" for name, size in found["parts_mb"].items())
    emit(f"A release on disk: {found['release_mb']} MB ({parts}).\n")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print, return all figures."""
    emit("## Catalogue and start\n")
    records, real, found = outside(RECORDS), settings().home, dict[str, Any]()
    with tempfile.TemporaryDirectory(prefix="tthc-bench-") as folder:
        home = Path(folder)
        if records:
            found = make_release(home, records)
            show(found)
        else:
            emit(f"Import and index: skipped, no {RECORDS} in the data folder (TTHC_SHARED).\n")
            (home / "current").symlink_to(Releases(real).current())
        (home / MODEL).symlink_to((real / MODEL).resolve())
        progress("starting the chat…")
        starts = [first_answer(home) for _ in range(args.starts)]
        found["first_answer_seconds"] = starts
        emit(
            f"`tthc chat` to its first answer: median {statistics.median(starts):.1f} s of {len(starts)} starts "
            f"({min(starts):.1f}–{max(starts):.1f}), {read_manifest(Releases(home).current()).procedures} procedures.\n"
        )
    return found
