"""Start, train, check and query Rasa: ``python -m nlu.launcher run|train|validate|parse``.

Runs in Rasa's own environment (Python 3.10), from the project's folder. The server listens on 127.0.0.1 only;
the gateway is the only client.

What the gateway must guarantee. Rasa takes a message for a button's payload when ``text.strip()`` starts with
``/`` and what follows, up to ``{`` or ``@``, is an intent of the domain: ``/open_procedure{"code": "1.001193"}``.
``strip()`` removes *every* Unicode white space, also U+00A0, U+2003, U+2028, U+3000, U+0085 and the separators
U+001C to U+001F. Zero-width characters (U+200B, U+FEFF, U+2060) are not white space, and look-alikes of the slash
(U+FF0F, U+2044, U+2215) are not ``/``: they stay plain text, unless someone normalises them with NFKC afterwards.
So, as the *last* step before sending a user's own text (after NFC, after redaction)::

    if text.strip().startswith("/"): it must not be sent

(treat it as a command, or put a character before the slash). Normalise with NFC, never NFKC, after that check.
A text that starts with ``/`` but names no intent is read as plain text.
Payload keys that are no entity of the domain are dropped; broken JSON gives the intent without entities.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import io
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

ROOT = Path(__file__).resolve().parent.parent
NLU = ROOT / "nlu"
CONFIG = ROOT / "config.yml"
DOMAIN = NLU / "domain.yml"
DATA = [NLU / "data" / "nlu", NLU / "data" / "rules.yml"]
CODE = [NLU / "text.py", NLU / "lexicon.yml", NLU / "components"]
BUTTON_ONLY = ("open_procedure", "aspect", "rescue", "case", "tick", "event", "nlu_fallback")
MODEL_NAME = "tthc"
TOKEN = "x-tthc-token"  # noqa: S105  # the header's name, the same in bot/privacy.py
SEED = 5299


def _environment() -> None:
    """Quiet, offline, small: set before Rasa and TensorFlow are imported."""
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("RASA_MAX_CACHE_SIZE", "0")  # no .rasa/ folder; the fingerprint decides
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("LOG_LEVEL_LIBRARIES", "ERROR")
    os.environ.setdefault("SANIC_ACCESS_LOG", "false")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # Rasa's libraries warn of each other, and some of Rasa's warnings hold what a person wrote. ``validate``
    # shows what concerns our data.
    warnings.showwarning = lambda *_args, **_kwargs: None
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))


def _logging() -> None:
    """Log warnings and errors, but never what a person wrote."""
    import structlog
    from rasa.utils.common import configure_logging_and_warnings
    from rasa.utils.log_utils import configure_structlog

    level = logging.getLevelName(os.environ["LOG_LEVEL"])
    configure_logging_and_warnings(level)
    configure_structlog(level)

    def without_text(_logger: Any, _method: str, event: Dict[str, Any]) -> Dict[str, Any]:
        return {k: v for k, v in event.items() if k not in {"text", "user_text", "parse_data_text"}}

    steps = structlog.processors  # Rasa's own print the local variables of every frame of an exception
    chain = [structlog.stdlib.filter_by_level, without_text, steps.add_log_level, structlog.dev.set_exc_info]
    structlog.configure(processors=[*chain, steps.format_exc_info, steps.JSONRenderer(ensure_ascii=False)])
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _model_file(folder: Path) -> Path:
    path = folder if folder.is_file() else folder / f"{MODEL_NAME}.tar.gz"
    if not path.is_file():
        raise SystemExit(f"rasa: no trained model at {path}; run: python -m nlu.launcher train --out {folder}")
    return path


# run


def run(args: argparse.Namespace) -> int:
    """Serve the model until SIGTERM or SIGINT."""
    began = time.monotonic()
    model = _model_file(Path(args.model))
    mark = model.with_name(f"{MODEL_NAME}.json")
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")).get("fingerprint") != fingerprint():
        print(f"rasa: {model} was trained from other data or code than is here now; run make setup", file=sys.stderr)
        return 1
    os.environ["TTHC_ACTIONS_URL"] = args.actions
    os.environ["TTHC_TRACKER_DB"] = str(Path(args.tracker_db).expanduser())
    _logging()
    from nlu import patches

    try:
        patches.apply()
    except patches.ChangedError as error:
        print(f"rasa: refused to start: {error}", file=sys.stderr)
        return 1
    from rasa.core.run import serve_application
    from rasa.core.utils import AvailableEndpoints

    failed: List[str] = []
    endpoints = AvailableEndpoints.read_endpoints(str(NLU / "endpoints.yml"))
    token = Path(args.token_file).expanduser().read_text(encoding="ascii").strip() if args.token_file else ""
    if token:
        endpoints.action.headers[TOKEN] = token

    async def guard(app: Any, _loop: Any) -> None:
        from sanic.response import text

        async def known(request: Any) -> Any:
            given = request.headers.get(TOKEN, "").encode()
            if token and request.path != "/" and not hmac.compare_digest(given, token.encode()):
                return text("who are you?", 403)
            return None

        app.register_middleware(known, "request")

    async def ready(app: Any, _loop: Any) -> None:
        agent = getattr(app.ctx, "agent", None)
        if agent is None or not agent.is_ready():
            failed.append(str(model))
            print(f"rasa: the model {model} cannot be loaded", file=sys.stderr)
            app.stop()
            return
        await agent.parse_message("xin chào")  # the first message is not the one that waits
        print(f"rasa ready in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)

    async def stop(_app: Any, _loop: Any) -> None:
        await patches.close()

    serve_application(
        model_path=str(model),
        interface="127.0.0.1",
        port=args.port,
        credentials=str(NLU / "credentials.yml"),
        endpoints=endpoints,
        enable_api=False,
        server_listeners=[(guard, "before_server_start"), (ready, "after_server_start"), (stop, "before_server_stop")],
    )
    return 1 if failed else 0


# train


def _sources(config: Path) -> Iterator[Path]:
    for entry in [config, DOMAIN, *DATA, *CODE]:
        yield from sorted(p for p in entry.rglob("*") if p.suffix in {".yml", ".py"}) if entry.is_dir() else [entry]


def fingerprint(config: Path = CONFIG) -> str:
    """Return a hash of all that decides the model: configuration, domain, training data, components."""
    from importlib.metadata import version

    digest = hashlib.sha256(version("rasa").encode())
    for path in _sources(config):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read_once() -> None:
    """Let Rasa read the training data once, not once for each way of naming the language: seconds of copying."""
    from rasa.shared.importers import importer

    for kind in (importer.CombinedDataImporter, importer.E2EImporter):
        read = kind.get_nlu_data  # remembers by its arguments

        def once(self: Any, language: Optional[str] = None, _read: Any = read) -> Any:
            return _read(self)

        kind.get_nlu_data = once  # type: ignore[method-assign]


def train(args: argparse.Namespace) -> int:
    """Train into ``--out`` unless the model there was made from the same files."""
    out, config = Path(args.out), Path(args.config or CONFIG)
    mark, model, now = out / f"{MODEL_NAME}.json", out / f"{MODEL_NAME}.tar.gz", fingerprint(config)
    known = json.loads(mark.read_text(encoding="utf-8")) if model.is_file() and mark.is_file() else {}
    if not args.force and known.get("fingerprint") == now:
        print(f"rasa: model is up to date: {model}", file=sys.stderr)
        return 0
    began = time.monotonic()
    print("rasa: loading", file=sys.stderr, flush=True)
    _logging()
    import random

    import numpy as np
    import rasa.model_training
    from rasa.engine.graph import GraphNode

    random.seed(SEED)
    np.random.seed(SEED)
    call = GraphNode.__call__

    def shown(self: Any, *inputs: Any) -> Any:
        if self._fn_name in {"train", "fit"}:
            name = self._component_class.__name__
            print(f"rasa: {time.monotonic() - began:5.1f} s  training {name}", file=sys.stderr, flush=True)
        return call(self, *inputs)

    GraphNode.__call__ = shown  # type: ignore[method-assign]
    _read_once()
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        result = rasa.model_training.train(
            domain=str(DOMAIN),
            config=str(config),
            training_files=[str(p) for p in DATA] + args.data,
            output=str(out / "new"),
            force_training=True,
            fixed_model_name=MODEL_NAME,
        )
    if result.code or not result.model:
        print("rasa: training failed", file=sys.stderr)
        return 1
    os.replace(result.model, model)
    (out / "new").rmdir()
    seconds = round(time.monotonic() - began, 1)
    facts = {"fingerprint": now, "seconds": seconds, "bytes": model.stat().st_size}
    mark.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    print(f"rasa: trained in {seconds} s: {model} ({facts['bytes'] / 1e6:.1f} MB)", file=sys.stderr)
    return 0


# validate


def validate(_args: argparse.Namespace) -> int:
    """Check domain, rules and training data as ``rasa data validate --fail-on-warnings`` does; any warning fails.

    Expected and therefore silent: intents that only buttons send have no examples; and a notice that Rasa 3 gives
    for every domain with slots.
    """
    _logging()
    from rasa.shared.importers.importer import TrainingDataImporter
    from rasa.validator import Validator

    found: List[str] = []

    def collect(message: Any, *_args: Any, **_kwargs: Any) -> None:
        if not isinstance(message, (DeprecationWarning, FutureWarning, PendingDeprecationWarning)):
            found.append(" ".join(str(message).split()))

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    warnings.simplefilter("always")
    warnings.showwarning = collect
    logging.getLogger().addHandler(Collect(level=logging.WARNING))
    importer = TrainingDataImporter.load_from_config(str(CONFIG), str(DOMAIN), [str(p) for p in DATA])
    validator = Validator.from_importer(importer)
    validator.warn_if_config_mandatory_keys_are_not_set()
    checks = [validator.verify_domain_validity, validator.verify_intents, validator.verify_intents_in_stories]
    checks += [validator.verify_example_repetition_in_intents, validator.verify_actions_in_stories_rules]
    checks += [validator.verify_utterances_in_stories, validator.verify_slot_mappings, validator.verify_form_slots]
    checks += [validator.verify_story_structure]
    for check in checks:
        if not check() and not found:
            found.append(f"{check.__name__} failed")
    silent = [f"'{intent}' is listed in the domain file, but is not found" for intent in BUTTON_ONLY]
    silent.append("Slot auto-fill has been removed")
    found = [f for f in found if not any(s in f for s in silent)]
    for message in found:
        print(f"rasa: {message}", file=sys.stderr)
    if found:
        print("rasa: the training data is not clean", file=sys.stderr)
        return 1
    print("rasa: domain, rules and training data are clean", file=sys.stderr)
    return 0


# parse


def parse(args: argparse.Namespace) -> int:
    """Read one message a line on stdin; print ``{"text", "intent", "confidence", "ranking", "entities", "ms"}``."""
    _logging()
    import asyncio

    from nlu import patches

    patches.apply()
    from rasa.core.agent import Agent

    agent = Agent.load(str(_model_file(Path(args.model))))

    async def one(text: str) -> Dict[str, Any]:
        began = time.perf_counter()
        found = await agent.parse_message(text)
        taken = (time.perf_counter() - began) * 1000
        keys = ("entity", "value", "start", "end", "extractor")
        return {
            "text": text,
            "intent": found["intent"]["name"],
            "confidence": found["intent"]["confidence"],
            "ranking": found.get("intent_ranking", [])[:5],
            "entities": [{k: e[k] for k in keys if k in e} for e in found["entities"]],
            "ms": round(taken, 2),
        }

    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        if line.strip():
            print(
                json.dumps(loop.run_until_complete(one(line.rstrip("\n"))), ensure_ascii=False, default=float),
                flush=True,
            )
    return 0


def main(argv: Optional[List[str]] = None) -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m nlu.launcher", description="Rasa for the bot")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("run", help="serve a trained model on 127.0.0.1")
    serve.add_argument("--port", type=int, default=5005)
    serve.add_argument("--actions", default="http://127.0.0.1:5055/webhook", metavar="URL")
    serve.add_argument("--tracker-db", required=True, metavar="PATH")
    serve.add_argument("--model", required=True, metavar="DIR")
    serve.add_argument(
        "--token-file", metavar="PATH", help="only who knows what is in it may ask (default: anybody here)"
    )
    learn = commands.add_parser("train", help="train a model, if anything changed")
    learn.add_argument("--out", required=True, metavar="DIR")
    learn.add_argument("--config", metavar="FILE", help="another pipeline, for comparisons")
    learn.add_argument(
        "--data", metavar="FILE", action="append", default=[], help="more training data, for comparisons"
    )
    learn.add_argument("--force", action="store_true", help="train even if nothing changed")
    commands.add_parser("validate", help="check domain, rules and training data")
    read = commands.add_parser("parse", help="stdin lines to intents, one JSON object a line")
    read.add_argument("--model", required=True, metavar="DIR")
    args = parser.parse_args(argv)
    _environment()
    handler = {"run": run, "train": train, "validate": validate, "parse": parse}[args.command]
    return handler(args)


if __name__ == "__main__":
    sys.exit(main())
