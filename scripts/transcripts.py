"""Write ``docs/vi/ban-ghi/*.md`` anew from the answers of the real processes: ``python scripts/transcripts.py``.

Plays the dialogues of ``tests/e2e/dialogues`` that have a ``transcript`` name; takes a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "e2e")]

import transcripts  # noqa: E402
from harness import Bot, make_home, missing  # noqa: E402
from test_dialogues import FILES, load, play_all  # noqa: E402


def main() -> int:
    """Write every transcript; exit 1 where the processes cannot be started."""
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    transcripts.FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        bot = Bot(make_home(Path(folder) / "home"))
        bot.start()
        try:
            for file in FILES:
                for dialogue in load(file):
                    if "transcript" in dialogue:
                        text = transcripts.render(dialogue, file.name, play_all(bot, dialogue))
                        path = transcripts.FOLDER / f"{dialogue['transcript']}.md"
                        path.write_text(text, encoding="utf-8")
                        print(path.relative_to(ROOT))
        finally:
            bot.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
