"""Benchmarks of the Rasa side: which pipeline understands best, and how many turns a second it does.

    python benchmarks/nlu.py quality [--pipelines ours,lr,diet]   table of pipelines on nlu/data/test
    python benchmarks/nlu.py blind   [--model DIR]                figures and confusions, no held-out text shown
    python benchmarks/nlu.py errors  [--model DIR]                what the present pipeline gets wrong, text by text
    python benchmarks/nlu.py turns   [--users 32]                 turns/s with a stand-in action server
    python benchmarks/nlu.py patches                              the same, patch by patch
    python benchmarks/nlu.py late                                 the 400th turn of one conversation

Runs in the main environment; starts Rasa in its own (``.venv-rasa``).
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
RASA = ROOT / ".venv-rasa" / "bin" / "python"
TEST = ROOT / "nlu" / "data" / "test"
STAND_IN = ROOT / "tests" / "nlu" / "stand_in_actions.py"

FOLDED_FEATURES = """
  - name: nlu.components.tokenizer.FoldingTokenizer
  - name: CountVectorsFeaturizer
    use_lemma: false
    max_ngram: 2
  - name: CountVectorsFeaturizer
    use_lemma: true
    max_ngram: 2
  - name: CountVectorsFeaturizer
    use_lemma: false
    analyzer: char_wb
    min_ngram: 2
    max_ngram: 4
  - name: CountVectorsFeaturizer
    use_lemma: true
    analyzer: char_wb
    min_ngram: 2
    max_ngram: 4
"""
CODE_PATTERN = """
  - name: RegexEntityExtractor
    use_lookup_tables: false
"""
PIPELINES = {
    "lr": FOLDED_FEATURES
    + """
  - name: LogisticRegressionClassifier
    max_iter: 300
"""
    + CODE_PATTERN
    + """
  - name: CRFEntityExtractor
""",
    "diet": FOLDED_FEATURES
    + CODE_PATTERN
    + """
  - name: DIETClassifier
    epochs: 20
    random_seed: 5299
    constrain_similarities: true
""",
}
PATTERNS = """version: "3.1"
nlu:
  - regex: procedure_code
    examples: |
      - (?<![\\d.])[1-9]\\.\\d{6}(?:\\.H\\d{2})?(?![\\d])
"""


# data


def examples(folder: Path, name: str = "*.yml") -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield (text, intent, [(entity, value), …]) of the Rasa YAML files in ``folder``."""
    mark = re.compile(r"\[([^\]]+)\]\((\w+)\)")
    for path in sorted(folder.glob(name)):
        for block in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]:
            for line in block.get("examples", "").splitlines() if "intent" in block else ():
                line = line.strip()
                if line.startswith("- "):
                    found = [(m.group(2), m.group(1)) for m in mark.finditer(line)]
                    yield mark.sub(r"\1", line[2:].strip()), block["intent"], found


def folded(text: str) -> str:
    """Return ``text`` without diacritics."""
    parts = unicodedata.normalize("NFD", text.translate(str.maketrans("đĐ", "dD")))
    return "".join(c for c in parts if not unicodedata.combining(c))


def scores(pairs: list[tuple[str, str]]) -> tuple[float, float, float]:
    """Return (accuracy, macro F1, weighted F1) of (gold, found) labels."""
    right = sum(g == f for g, f in pairs)
    gold, found = collections.Counter(g for g, _ in pairs), collections.Counter(f for _, f in pairs)
    hit = collections.Counter(g for g, f in pairs if g == f)
    f1 = {label: 2 * hit[label] / (gold[label] + found[label]) for label in gold}
    weighted = sum(f1[label] * n for label, n in gold.items()) / len(pairs)
    return right / len(pairs), sum(f1.values()) / len(f1), weighted


def f1(gold: collections.Counter[Any], found: collections.Counter[Any]) -> float:
    """Return the micro F1 of two multisets."""
    hit = sum((gold & found).values())
    return 2 * hit / max(1, sum(gold.values()) + sum(found.values()))


# processes


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextlib.contextmanager
def started(
    command: list[str], ready: str, env: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``command`` until ``ready`` occurs in its output; yield it and that line; end it by SIGTERM."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if ready in line:
                break
        else:
            raise SystemExit(f"{command[:4]} ended: {seen[-2000:]}")
        yield process, line
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


@contextlib.contextmanager
def stand_in() -> Iterator[tuple[str, int]]:
    """Start the stand-in action server; yield its URL and process id (its workers are children)."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(STAND_IN), str(port)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/webhook", process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def wait_for(port: int, seconds: float = 60) -> None:
    """Wait until something listens on ``port``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def rasa_server(model: Path, actions: str, folder: str, env: dict[str, str] | None = None) -> Any:
    """Start the launcher; yield (process, ready line) and the port through ``started``."""
    port = free_port()
    command = [str(RASA), "-m", "nlu.launcher", "run", "--port", str(port), "--actions", actions]
    command += ["--tracker-db", f"{folder}/tracker.db", "--model", str(model)]
    return port, started(command, "rasa ready", env)


def memory(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024  # type: ignore[union-attr]


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process and its living children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu(int(child)) for child in children)


def trained(name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Train the pipeline ``name`` (``ours``: config.yml) into ``folder``; return the model and its facts."""
    out = folder / name
    command = [str(RASA), "-m", "nlu.launcher", "train", "--out", str(out)]
    if name != "ours":
        config = yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))
        fallback = config["pipeline"][-1]
        config["pipeline"] = [*yaml.safe_load(PIPELINES[name]), fallback]
        path, patterns = folder / f"{name}.yml", folder / "patterns.yml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        patterns.write_text(PATTERNS, encoding="utf-8")
        command += ["--config", str(path), "--data", str(patterns)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out, json.loads((out / "tthc.json").read_text())


def parsed(model: Path, texts: list[str]) -> list[dict[str, Any]]:
    """Parse ``texts`` with the model."""
    command = [str(RASA), "-m", "nlu.launcher", "parse", "--model", str(model)]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


# commands


def quality(args: argparse.Namespace) -> None:
    """Train and measure pipelines on the held-out examples."""
    data = list(examples(TEST))
    print(
        "| pipeline | intent accuracy | macro F1 | weighted F1 | without fallback | entity F1 | place F1 | "
        "parse ms (median) | RSS MB | ready s | training s | model MB |"
    )
    print("|---" * 12 + "|")
    with tempfile.TemporaryDirectory() as folder, stand_in() as (actions, _):
        for name in args.pipelines.split(","):
            model, facts = trained(name, Path(folder))
            found = parsed(model, [text for text, _, _ in data])
            pairs = [(gold, f["intent"]) for (_, gold, _), f in zip(data, found, strict=True)]
            # what the classifier thinks before the fallback speaks up
            best = [next(r["name"] for r in f["ranking"] if r["name"] != "nlu_fallback") for f in found]
            bare = sum(gold == b for (_, gold, _), b in zip(data, best, strict=True)) / len(data)
            gold_entities = collections.Counter((i, *e) for i, (_, _, es) in enumerate(data) for e in es)
            found_entities = collections.Counter(
                (i, e["entity"], e["value"]) for i, f in enumerate(found) for e in f["entities"]
            )
            places = [
                collections.Counter({k: v for k, v in c.items() if k[1] == "place"})
                for c in (gold_entities, found_entities)
            ]
            port, server = rasa_server(model, actions, folder)
            with server as (process, line):
                asyncio.run(crowd(port, 4, 25))
                rss, ready = memory(process.pid), re.search(r"in ([\d.]+) s", line).group(1)  # type: ignore[union-attr]
            accuracy, macro, weighted = scores(pairs)
            ms = statistics.median(f["ms"] for f in found)
            numbers = [accuracy, macro, weighted, bare, f1(gold_entities, found_entities), f1(*places)]
            cells = [name, *(f"{n:.3f}" for n in numbers), f"{ms:.2f}", f"{rss:.0f}", ready, str(facts["seconds"])]
            print(f"| {' | '.join(cells)} | {facts['bytes'] / 1e6:.1f} |", flush=True)


def entity_counts(data: list[tuple[str, str, list[tuple[str, str]]]], found: list[dict[str, Any]]) -> str:
    """Return precision, recall and F1 of each kind of entity, as rows of a table."""
    gold = collections.Counter((i, *e) for i, (_, _, es) in enumerate(data) for e in es)
    got = collections.Counter((i, e["entity"], e["value"]) for i, f in enumerate(found) for e in f["entities"])
    rows = []
    for kind in (*sorted({e for _, e, _ in gold}), "all"):
        a, b = ({k: n for k, n in c.items() if kind in (k[1], "all")} for c in (gold, got))
        hit = sum((collections.Counter(a) & collections.Counter(b)).values())
        found_of, gold_of = hit / max(1, sum(b.values())), hit / max(1, sum(a.values()))
        score = f1(collections.Counter(a), collections.Counter(b))
        rows.append(f"| {kind} | {sum(a.values())} | {found_of:.3f} | {gold_of:.3f} | {score:.3f} |")
    return "\n".join(rows)


def blind(args: argparse.Namespace) -> None:
    """Measure intents on held-out.yml and entities on entities.yml; no text is printed."""
    data = list(examples(TEST))
    with_entities = {text for text, _, _ in list(examples(TEST, "entities.yml"))}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(args.model) if args.model else trained("ours", Path(folder))[0]
        found = parsed(model, [text for text, _, _ in data])
        bare = parsed(model, [folded(text) for text, _, _ in data])
    seen = [(d, f, b) for d, f, b in zip(data, found, bare, strict=True) if d[0] not in with_entities]
    best = [next(r["name"] for r in f["ranking"] if r["name"] != "nlu_fallback") for _, f, _ in seen]
    pairs = [(gold, f["intent"]) for (_, gold, _), f, _ in seen]
    for name, some in (
        ("as it is", pairs),
        ("without fallback", [(gold, b) for (gold, _), b in zip(pairs, best, strict=True)]),
        ("without diacritics", [(gold, b["intent"]) for (_, gold, _), _, b in seen]),
    ):
        accuracy, macro, weighted = scores(some)
        print(f"{len(some)} {name}: accuracy {accuracy:.4f}, weighted F1 {weighted:.4f}, macro F1 {macro:.4f}")
    print(f"parse: median {statistics.median(f['ms'] for f in found):.2f} ms")
    for low, high in ((0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        some = [
            (gold, b)
            for (gold, _), (_, f, _), b in zip(pairs, seen, best, strict=True)
            if low <= next(r["confidence"] for r in f["ranking"] if r["name"] == b) < high
        ]
        print(f"confidence {low} to {high}: {sum(g == b for g, b in some)} of {len(some)} right")
    recall = collections.Counter(gold for gold, got in pairs if gold == got)
    least = sorted((recall[gold] / n, gold) for gold, n in collections.Counter(g for g, _ in pairs).items())[:8]
    print("least recall: " + ", ".join(f"{gold} {value:.2f}" for value, gold in least))
    print("| meant | understood | times |\n|---|---|---:|")
    for (gold, wrong), n in collections.Counter(p for p in pairs if p[0] != p[1]).most_common():
        print(f"| {gold} | {wrong} | {n} |")
    print("| entity | in the examples | precision | recall | F1 |\n|---|---:|---:|---:|---:|")
    marked = [(d, f) for d, f in zip(data, found, strict=True) if d[0] in with_entities]
    print(entity_counts([d for d, _ in marked], [f for _, f in marked]))


def errors(args: argparse.Namespace) -> None:
    """Print every held-out example that the model gets wrong, and the most frequent confusions."""
    data = list(examples(TEST))
    with tempfile.TemporaryDirectory() as folder:
        model = Path(args.model) if args.model else trained("ours", Path(folder))[0]
        found = parsed(model, [text for text, _, _ in data])
    confusions: collections.Counter[tuple[str, str]] = collections.Counter()
    for (text, gold, entities), f in zip(data, found, strict=True):
        if f["intent"] != gold:
            second = f["ranking"][1]["name"] if f["intent"] == "nlu_fallback" and len(f["ranking"]) > 1 else ""
            confusions[gold, f["intent"]] += 1
            print(f"{gold:22} {f['intent']:22} {f['confidence']:.2f} {second:20} {text}")
        got = sorted((e["entity"], e["value"]) for e in f["entities"])
        if got != sorted(entities):
            print(f"  entities {sorted(entities)} -> {got}: {text}")
    for (gold, wrong), n in confusions.most_common(15):
        print(f"{n:4} {gold} -> {wrong}")


TEXTS = [
    "làm khai sinh hết bao nhiêu tiền",
    "cần giấy tờ gì",
    "nộp ở đâu vậy bạn",
    "mất giấy khai sinh giờ xin lại ở đâu",
    "bao lâu có",
    "muon lam can cuoc cho con o xa Tuy Phuoc",
    '/open_procedure{"code": "1.001193"}',
    "cái thứ hai",
    "xem đầy đủ",
]


async def ask(port: int, sender: str, texts: list[str]) -> list[float]:
    """Send ``texts`` one after another over one connection; return seconds a turn. Fails on an empty answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    for text in texts:
        body = json.dumps({"sender": sender, "message": text}).encode()
        began = time.perf_counter()
        writer.write(
            b"POST /webhooks/rest/webhook HTTP/1.1\r\nHost: rasa\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))  # type: ignore[union-attr]
        answer = json.loads(await reader.readexactly(length))
        taken.append(time.perf_counter() - began)
        assert answer, answer
        assert answer[0].get("custom"), answer
    writer.close()
    return taken


async def crowd(port: int, users: int, turns: int) -> tuple[list[float], float]:
    """Let ``users`` talk at once, ``turns`` each; return all latencies and the seconds it took."""
    chance = random.Random(5299)
    began = time.perf_counter()
    jobs = [ask(port, f"u{os.getpid()}-{time.time()}-{k}", chance.choices(TEXTS, k=turns)) for k in range(users)]
    latencies = [x for one in await asyncio.gather(*jobs) for x in one]
    return latencies, time.perf_counter() - began


def measure(model: Path, users: int, turns: int, env: dict[str, str] | None = None) -> str:
    """Return a table row: turns/s, p50 and p95 of many users and of one, CPU a turn."""
    with tempfile.TemporaryDirectory() as folder, stand_in() as (actions, worker):
        port, server = rasa_server(model, actions, folder, env)
        with server as (process, _):
            asyncio.run(crowd(port, users, 5))
            one, _ = asyncio.run(crowd(port, 1, 150))
            before = cpu(process.pid), cpu(worker)
            many, seconds = asyncio.run(crowd(port, users, turns))
            used = [(cpu(pid) - b) / len(many) * 1e3 for pid, b in zip((process.pid, worker), before, strict=True)]
            rss = memory(process.pid)
    cells = [f"{len(many) / seconds:.0f}"]
    for sample in (many, one):
        quantiles = statistics.quantiles(sample, n=20)
        cells += [f"{statistics.median(sample) * 1e3:.1f}", f"{quantiles[18] * 1e3:.1f}"]
    return " | ".join([*cells, f"{used[0]:.2f}", f"{used[1]:.2f}", f"{rss:.0f}"])


HEAD = "turns/s | p50 ms | p95 ms | one user p50 | one user p95 | CPU ms Rasa | CPU ms actions | RSS MB |"


def turns(args: argparse.Namespace) -> None:
    """Measure turns a second with ``--users`` people at once."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(args.model) if args.model else trained("ours", Path(folder))[0]
        print(f"| users | {HEAD}\n" + "|---" * 9 + "|")
        print(f"| {args.users} | {measure(model, args.users, args.turns)} |")


def patches(args: argparse.Namespace) -> None:
    """Measure with no patch, then with one more at a time."""
    source = (ROOT / "nlu" / "patches.py").read_text(encoding="utf-8")
    names = re.findall(r"@_patch\ndef (\w+)", source)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(args.model) if args.model else trained("ours", Path(folder))[0]
        print(f"| patches | {HEAD}\n" + "|---" * 9 + "|")
        for n in range(len(names) + 1):
            env = {"TTHC_RASA_PATCHES": ",".join(names[:n]) or "none"}
            label = f"+ {names[n - 1]}" if n else "none"
            print(f"| {label} | {measure(model, args.users, args.turns, env)} |", flush=True)


def late(args: argparse.Namespace) -> None:
    """Compare tenth turns with those around the four hundredth, taken in turn, so that a busy machine is fair."""
    text, early, end = ["cần giấy tờ gì"], [], []
    with tempfile.TemporaryDirectory() as folder, stand_in() as (actions, _):
        model = Path(args.model) if args.model else trained("ours", Path(folder))[0]
        port, server = rasa_server(model, actions, folder)
        with server:
            asyncio.run(ask(port, "late", text * 385))
            for n in range(40):
                asyncio.run(ask(port, f"early-{n}", text * 9))
            for n in range(40):
                early += asyncio.run(ask(port, f"early-{n}", text))
                end += asyncio.run(ask(port, "late", text))
    first, last = statistics.median(early) * 1e3, statistics.median(end) * 1e3
    print(f"10th turn {first:.2f} ms, 400th {last:.2f} ms, ratio {last / first:.2f}")


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command in (quality, blind, errors, turns, patches, late):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(run=command)
        sub.add_argument("--model", help="a trained model's folder, instead of training one")
        sub.add_argument("--users", type=int, default=32)
        sub.add_argument("--turns", type=int, default=40, help="turns a user")
        sub.add_argument("--pipelines", default="ours,lr,diet")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
