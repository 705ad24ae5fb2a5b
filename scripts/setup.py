"""Set up everything: both environments, the seed release with its index, the trained Rasa model.

usage: python3 scripts/setup.py     (``make setup``; repeatable, does only what has changed)

Needs Python 3.10 (for Rasa) and Python 3.11 or newer; looks for them on PATH, in pyenv's versions and through uv.
Runs on any Python >= 3.8 and imports nothing but the standard library. TORCH_INDEX names a package index for torch on
machines where the plain one would bring gigabytes of CUDA (for example the CPU index that pytorch.org documents).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """TTHC_HOME as the bot will see it: the environment first, then ``.env``."""
    named = os.environ.get("TTHC_HOME")
    if not named and (ROOT / ".env").is_file():
        for line in (ROOT / ".env").read_text(encoding="utf-8").splitlines():
            match = re.match(r"""\s*(?:export\s+)?TTHC_HOME\s*=\s*["']?([^"'#\n]+)""", line)
            named = match[1].strip() if match else named
    return (ROOT / named) if named else ROOT / "var"


HOME = home()
APP, RASA = ROOT / ".venv", ROOT / ".venv-rasa"
REQUIREMENTS = ROOT / "requirements"
LOG = HOME / "logs" / "setup.log"
TAIL = 15


class SetupError(Exception):
    """Something is missing or failed; the message says what to do."""


def say(text: str) -> None:
    """A line for the person who waits."""
    print(text, flush=True)


def run(command: Sequence[object], **environment: str) -> None:
    """Run a command quietly; on failure show the end of its output."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    words = [str(w) for w in command]
    with LOG.open("ab") as log:
        log.write(("\n$ " + " ".join(words) + "\n").encode())
        log.flush()
        start = log.tell()
        env = {**os.environ, "TTHC_HOME": str(HOME), **environment}
        code = subprocess.call(words, cwd=str(ROOT), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
    if code:
        text = LOG.read_bytes()[start:].decode(errors="replace").strip().splitlines()
        raise SetupError("\n".join([f"failed: {' '.join(words)}", *text[-TAIL:], f"(all of it in {LOG})"]))


# -- finding Python --------------------------------------------------------------------------------------------------


def version_of(python: str) -> tuple[int, int] | None:
    """(major, minor) of an interpreter that starts and can make environments, else None."""
    script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = done.stdout.decode().strip().split(".")
    return int(major), int(minor)


def candidates(minors: Sequence[int]) -> list[str]:
    """Interpreters worth asking, best first: PATH, pyenv's versions, uv's."""
    found = [shutil.which(f"python3.{m}") for m in minors] + [sys.executable, shutil.which("python3")]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in minors:
        key = lambda p: [int(x) for x in re.findall(r"\d+", p.parent.parent.name)]  # noqa: E731
        found += [str(p) for p in sorted(pyenv.glob(f"3.{minor}.*/bin/python3.{minor}"), key=key, reverse=True)]
    uv = shutil.which("uv")
    for minor in minors if uv else ():
        command = [uv or "uv", "python", "find", f"3.{minor}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found.append(done.stdout.decode().strip() or None)
    return [f for f in found if f]


def find_python(what: str, minors: Sequence[int]) -> str:
    """An interpreter of one of the minor versions. Raises SetupError saying how to get one."""
    for python in candidates(minors):
        version = version_of(python)
        if version and version[0] == 3 and version[1] in minors:
            return python
    wanted = " or ".join(f"3.{m}" for m in minors)
    raise SetupError(
        f"Python {wanted} is needed for {what} and was not found on PATH, under pyenv or through uv.\n"
        f"Get it with one of:  pyenv install 3.{minors[0]}   |   uv python install 3.{minors[0]}   |   your system's "
        f"packages (python3.{minors[0]} python3.{minors[0]}-venv), then run `make setup` again."
    )


# -- steps -----------------------------------------------------------------------------------------------------------


def digest(*paths: Path, extra: str = "") -> str:
    """Digest of files and folders, to see whether a step's inputs have changed."""
    found = hashlib.sha256(extra.encode())
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (f for f in files if f.is_file() and "__pycache__" not in f.parts):
            found.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def app_environment() -> None:
    """``.venv``: torch first (CPU), then the lock with hashes, then the project itself."""
    python = find_python("the bot", (11, 12, 13))
    shutil.rmtree(APP, ignore_errors=True)
    run([python, "-m", "venv", APP])
    pip = [APP / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    index = os.environ.get("TORCH_INDEX")
    run([*pip, *(["--index-url", index] if index else []), "-r", REQUIREMENTS / "torch.txt"])
    run([*pip, "--no-deps", "--require-hashes", "-r", REQUIREMENTS / "app.txt"])
    run([*pip, "--no-deps", "--no-build-isolation", "-e", ROOT])


def rasa_environment() -> None:
    """``.venv-rasa``: Python 3.10 with the locked Rasa 3.6.21, sealed from everything else."""
    python = find_python("Rasa", (10,))
    shutil.rmtree(RASA, ignore_errors=True)
    run([python, "-m", "venv", RASA])
    pip = [RASA / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--no-deps", "-r", REQUIREMENTS / "rasa.txt"])


def seed_release() -> None:
    """The seed catalogue, its trained encoder and index, published. An imported catalogue is left alone."""
    tthc = [APP / "bin" / "tthc"]
    run([*tthc, "kb", "import"])
    run([*tthc, "index", "build"])
    run([*tthc, "kb", "publish", "--force"])


def rasa_model() -> None:
    """Rasa's trained model."""
    run([RASA / "bin" / "python", "-m", "nlu.launcher", "train", "--out", HOME / "rasa-model"])


def imported() -> bool:
    """Whether the published release holds an imported catalogue, which set-up must not replace by the seed."""
    script = (
        "from pathlib import Path; from knowledge.release import Releases; import sys;"
        "print(int(Releases(Path(sys.argv[1])).holds_imported()))"
    )
    command = [APP / "bin" / "python", "-c", script, HOME]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip() not in (b"", b"0")


def size(path: Path) -> str:
    """Size on disk, for people."""
    total = sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir())
    return f"{total / 1e9:.1f} GB" if total > 1e9 else f"{total / 1e6:.0f} MB"


def main() -> int:
    """Run the steps whose inputs have changed, saying how long each took."""
    stamps = HOME / "stamps"
    stamps.mkdir(parents=True, exist_ok=True)
    data = [ROOT / "knowledge" / x for x in ("seed", "phrases")] + [ROOT / "index"]
    steps: list[tuple[str, Path, Callable[[], None], str, str]] = [
        ("app", APP, app_environment,
         digest(REQUIREMENTS / "app.txt", REQUIREMENTS / "torch.txt", ROOT / "pyproject.toml"),
         "environment of the bot (.venv, about a minute)"),
        ("rasa", RASA, rasa_environment, digest(REQUIREMENTS / "rasa.txt"),
         "environment of Rasa (.venv-rasa, one to four minutes)"),
        ("release", HOME / "current", seed_release, digest(*data, *sorted((ROOT / "knowledge").glob("*.py"))),
         "seed catalogue, encoder and index (one to four minutes)"),
        ("model", HOME / "rasa-model", rasa_model, digest(ROOT / "nlu", ROOT / "config.yml"),
         "training of Rasa's model (about half a minute)"),
    ]  # fmt: skip
    began, done = time.time(), 0
    sizes: dict[str, str] = {}
    for i, (name, result, step, wanted, text) in enumerate(steps, 1):
        stamp = stamps / name
        if result.exists() and stamp.is_file() and stamp.read_text() == wanted:
            continue
        if name == "release" and result.exists() and imported():
            say(f"[{i}/{len(steps)}] the published catalogue was imported; `make import FILE=…` brings in the new seed")
            stamp.write_text(wanted)
            continue
        say(f"[{i}/{len(steps)}] {text}…")
        start = time.time()
        step()
        stamp.write_text(wanted)
        done += 1
        say(f"      done in {time.time() - start:.0f} s")
    if done:
        sizes = {p.name: size(p) for p in (APP, RASA, HOME) if p.exists()}
        say(f"set up in {time.time() - began:.0f} s; on disk: " + ", ".join(f"{k} {v}" for k, v in sizes.items()))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
