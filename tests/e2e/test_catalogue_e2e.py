"""The national catalogue, imported as staff would: search, chat and the published release on five thousand records."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, VAR, Bot, make_home

SHARED = Path(os.environ.get("TTHC_SHARED") or ROOT.parent / "shared")
RECORDS = SHARED / "data" / "portal-procedures.jsonl.gz"
pytestmark = pytest.mark.skipif(not RECORDS.is_file(), reason=f"no catalogue at {RECORDS}")


def tthc(home: Path, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``tthc``."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *words], cwd=ROOT, input=text, capture_output=True, text=True, check=False,
        env={**os.environ, "TTHC_HOME": str(home)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the imported catalogue, published."""
    home = tmp_path_factory.mktemp("catalogue")
    shutil.copytree(VAR / "models", home / "models")
    (home / "rasa-model").symlink_to((VAR / "rasa-model").resolve())
    for words in (("kb", "import", str(RECORDS)), ("index", "build"), ("kb", "publish")):
        done = tthc(home, *words)
        assert done.returncode == 0, done.stderr
    return home


def test_import_says_what_it_left_out(home: Path) -> None:
    shown = json.loads(tthc(home, "kb", "show", "1.001193", "--json").stdout)
    assert shown["source"] == "portal"
    assert shown["summary"], "the seed's plain words stay attached"
    assert tthc(home, "kb", "show", "9.999999").returncode == 1


def test_search_answers_on_it(home: Path) -> None:
    asked = "xin phép nuôi tôm trên biển\nlàm hộ chiếu cho con nhỏ\ngiá vàng hôm nay\n"
    done = tthc(home, "search", "--json", "--top", "5", text=asked)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f["query"] for f in found] == asked.splitlines()
    assert all(f.keys() == {"query", "decision", "hits"} for f in found)
    assert all(h.keys() == {"code", "name", "score"} for f in found for h in f["hits"])
    assert found[0]["decision"] in ("answer", "clarify")
    assert found[2]["decision"] == "none"


def test_a_broken_import_leaves_the_published_release(home: Path, tmp_path: Path) -> None:
    before = (home / "current").resolve()
    broken = tmp_path / "records.jsonl"
    with gzip.open(RECORDS, "rt", encoding="utf-8") as records:
        good = [next(records) for _ in range(3)]
    broken.write_text(good[0] + '{"code": "1.000001", "name": \n' + good[1], encoding="utf-8")
    done = tthc(home, "kb", "import", str(broken))
    assert done.returncode == 1
    assert f"{broken}:2:" in done.stderr
    assert (home / "current").resolve() == before
    assert tthc(home, "ask", "đăng ký kết hôn").returncode == 0


@pytest.fixture(scope="module")
def bot(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A chat on the imported catalogue."""
    bot = Bot(make_home(tmp_path_factory.mktemp("chat"), home / "current"))
    bot.start()
    yield bot
    bot.stop()


def test_an_imported_record_is_laid_out_and_guided(bot: Bot) -> None:
    answer = bot.say("thủ tục 2.001827")
    text = answer["replies"][0]["text"]
    assert answer["procedure"] == "2.001827"
    assert "Nguồn: Cổng Dịch vụ công quốc gia" in text
    papers = bot.tap("Giấy tờ")["replies"][0]["text"]
    assert "Phải nộp:" in papers
    assert all(len(line) < 260 for line in papers.splitlines()), "one short line each"
    whole = bot.tap("Xem đầy đủ")["replies"][0]["text"]
    assert len(whole) > len(papers)
    assert "Trước khi bắt đầu" in bot.tap("Chỉ từng bước")["replies"][0]["text"]
    assert "Bước 1/" in bot.tap("Bắt đầu")["replies"][0]["text"]


def test_imported_fees_are_not_invented(bot: Bot) -> None:
    bot.say("1.001456")
    fee = bot.tap("Phí")["replies"][0]["text"]
    assert "200.000 đồng" in fee
    assert "160.000" not in fee, "that clause ended in 2023"
