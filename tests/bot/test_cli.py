"""The command line: exit codes, messages, and the shapes that programs rely on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from knowledge.release import MANIFEST, Releases
from knowledge.store import FILE, Catalogue, write_catalogue
from tests.making import procedure, record, six, write_records

ROOT = Path(__file__).resolve().parents[2]


def published(home: Path) -> dict[str, bytes]:
    folder = Releases(home).current()
    return {str(p.relative_to(home)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def small_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the whole seed with its phrases takes seconds; one test does."""
    monkeypatch.setattr("bot.cli.catalogue.load_phrases", lambda: {"1.000001": ["thả diều"]})
    monkeypatch.setattr("bot.cli.catalogue.load_seed", lambda: [procedure(code="1.001193", source="seed")])


# -- exit codes


@pytest.mark.parametrize(
    "words",
    [
        ["khong-co"],
        ["kb", "khong-co"],
        ["kb", "show"],
        ["search", "--top", "0"],
        ["ask"],
        ["index", "eval"],
        ["--khong"],
    ],
)
def test_wrong_usage_is_two(tthc: Any, tmp_path: Path, words: list[str]) -> None:
    ran = tthc(tmp_path, *words)
    assert ran.code == 2
    assert ran.out == ""
    assert "Usage:" in ran.err


def test_an_unknown_command_is_two_in_a_process_of_its_own(tmp_path: Path) -> None:
    env = {**os.environ, "TTHC_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "bot", "khong-co"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "khong-co" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["kb", "check"],
        ["kb", "show", "1.000001"],
        ["kb", "publish"],
        ["kb", "rollback"],
        ["kb", "log"],
        ["kb", "diff"],
        ["index", "build"],
        ["search"],
        ["ask", "khai sinh"],
        ["index", "eval", "khong-co.jsonl"],
        ["chat"],
        ["serve"],
        ["actions"],
    ],
)
def test_without_a_release_it_is_refused_in_one_sentence(tthc: Any, tmp_path: Path, words: list[str]) -> None:
    ran = tthc(tmp_path, *words)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.startswith("tthc: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


def test_a_wrong_setting_is_refused_by_its_name(tthc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTHC_RASA_PORT", "năm")
    ran = tthc(tmp_path, "kb", "log")
    assert (ran.code, ran.err.split(":")[1]) == (1, " setting TTHC_RASA_PORT")


@pytest.mark.parametrize("words", [[], ["kb"], ["index"]])
def test_help_names_every_command(tthc: Any, tmp_path: Path, words: list[str]) -> None:
    said = tthc(tmp_path, *words, "--help")
    assert said.code == 0
    wanted = {
        (): ("kb", "index", "chat", "ask", "search", "serve", "actions", "doctor", "unanswered"),
        ("kb",): ("import", "fetch", "check", "diff", "publish", "rollback", "log", "show"),
        ("index",): ("build", "eval"),
    }[tuple(words)]
    for command in wanted:
        assert re.search(rf"\b{command}\b", said.out), command


# -- import


@pytest.mark.usefixtures("small_seed")
def test_an_import_makes_a_draft_and_leaves_the_release(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    before = published(tiny_home)
    source = write_records(
        tmp_path / "a.jsonl", record(), record(code="1.000050", name="Khác"), record(isInternal=True)
    )
    skipped = tmp_path / "skipped.jsonl"
    ran = tthc(tiny_home, "kb", "import", source, "--report", skipped)
    assert ran.code == 0, ran.err
    assert re.search(r"draft: \d+ procedures \(2 imported\), \d+ with phrases", ran.out)
    assert "skipped, internal: 1" in ran.out
    assert json.loads(skipped.read_text(encoding="utf-8"))["reason"] == "internal"
    draft = Catalogue(Releases(tiny_home).draft / FILE)
    assert draft.get("1.000050").name == "Khác"  # type: ignore[union-attr]
    assert draft.get("1.001193").source == "seed"  # type: ignore[union-attr]
    assert draft.meta["imported"] == 2
    assert published(tiny_home) == before


@pytest.mark.usefixtures("small_seed")
def test_a_broken_file_is_refused_with_file_and_line(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    before = published(tiny_home)
    source = write_records(tmp_path / "a.jsonl", record(), '{"code": ', record(code="1.000050"))
    ran = tthc(tiny_home, "kb", "import", source)
    assert ran.code == 1
    assert f"{source}:2: not a JSON object" in ran.err
    assert "1 line(s) cannot be used; nothing was imported" in ran.err
    assert ran.out == ""
    assert not Releases(tiny_home).draft.exists()
    assert published(tiny_home) == before
    assert tthc(tiny_home, "kb", "import", source, "--skip-bad").code == 0
    assert Catalogue(Releases(tiny_home).draft / FILE).meta["skipped"] == {"unreadable": 1}


@pytest.mark.usefixtures("small_seed")
def test_many_problems_are_not_all_shown(tthc: Any, tmp_path: Path) -> None:
    ran = tthc(tmp_path, "kb", "import", write_records(tmp_path / "a.jsonl", *["{"] * 30))
    assert ran.code == 1
    assert "30 line(s) cannot be used (10 not shown)" in ran.err
    assert ran.err.count("not a JSON object") == 20


@pytest.mark.usefixtures("small_seed")
def test_nothing_to_import(tthc: Any, tmp_path: Path) -> None:
    missing = tthc(tmp_path, "kb", "import", tmp_path / "khong-co.jsonl")
    assert (missing.code, missing.err.strip().endswith("no such file or folder")) == (1, True)
    internal = write_records(tmp_path / "a.jsonl", record(isInternal=True))
    ran = tthc(tmp_path, "kb", "import", internal)
    assert ran.code == 1
    assert "no record that applies here" in ran.err


def test_the_seed_alone(tthc: Any, tmp_path: Path) -> None:
    ran = tthc(tmp_path, "kb", "import")
    assert ran.code == 0
    assert "(0 imported)" in ran.out


@pytest.mark.usefixtures("small_seed")
def test_an_imported_catalogue_is_not_lost_by_forgetting_its_source(tthc: Any, tiny_home: Path) -> None:
    manifest = Releases(tiny_home).current() / MANIFEST
    held = json.loads(manifest.read_text(encoding="utf-8"))
    held["notes"] = {"source": "thang-11.jsonl.gz", "imported_on": "2026-11-02"}
    manifest.write_text(json.dumps(held), encoding="utf-8")
    ran = tthc(tiny_home, "kb", "import")
    assert (ran.code, ran.out) == (1, "")
    assert "was imported from thang-11.jsonl.gz (2026-11-02); name it again, or say --seed-only" in ran.err
    assert not Releases(tiny_home).draft.exists()
    assert "(0 imported)" in tthc(tiny_home, "kb", "import", "--seed-only").out


# -- publish, rollback, log, diff


def test_an_unbuilt_draft_is_not_published(tthc: Any, tiny_home: Path) -> None:
    before = published(tiny_home)
    write_catalogue(Releases(tiny_home).draft / FILE, [procedure()], {}, meta={"imported": 1})
    ran = tthc(tiny_home, "kb", "publish")
    assert ran.code == 1
    assert "missing; run `tthc kb import` and `tthc index build` first" in ran.err
    assert published(tiny_home) == before


def test_diff_names_what_changed(tthc: Any, tiny_home: Path) -> None:
    procedures, phrases = six()
    changed = procedures[1].model_copy(update={"name": "Nuôi trâu bò", "agency": "Xã"})
    new = procedure(code="1.000077", name="Mới")
    stale = procedures[2].model_copy(update={"fingerprint": "x"})
    write_catalogue(Releases(tiny_home).draft / FILE, [procedures[0], changed, stale, *procedures[3:5], new], phrases)
    ran = tthc(tiny_home, "kb", "diff")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "~ 1.000002 Nuôi trâu bò: name, agency", f"- 1.000006 {procedures[5].name}", "+ 1.000077 Mới",
    ]  # fmt: skip


def test_publishing_going_back_and_the_log(tthc: Any, tiny_home: Path, tiny_draft: Path) -> None:
    import shutil

    releases = Releases(tiny_home)
    first = releases.current().name
    shutil.copytree(tiny_draft, releases.draft)
    (releases.draft / "index" / "mark").write_text("hai", encoding="utf-8")
    ran = tthc(tiny_home, "kb", "publish")
    second = releases.current().name
    assert (ran.code, ran.out) == (0, f"published {second}: 6 procedures\n")
    assert second != first
    assert tthc(tiny_home, "kb", "rollback").out == f"now {first}\n"
    lines = tthc(tiny_home, "kb", "log").out.splitlines()
    assert [line.split()[-2:] for line in lines] == [["publish", first], ["publish", second], ["rollback", first]]
    assert [line[0] for line in lines] == ["*", " ", "*"]
    ran = tthc(tiny_home, "kb", "rollback")
    assert (ran.code, ran.err) == (1, "tthc: there is no earlier release to go back to\n")
    assert tthc(tiny_home, "kb", "rollback", "2020").code == 1


def test_a_tampered_release_is_noticed(tthc: Any, tiny_home: Path) -> None:
    path = Releases(tiny_home).current() / FILE
    path.write_bytes(path.read_bytes() + b"x")
    ran = tthc(tiny_home, "kb", "log")
    assert ran.code == 1
    assert f"{FILE}: differs from the manifest" in ran.err
    (path.parent / MANIFEST).write_text("{", encoding="utf-8")
    assert "not a release manifest" in tthc(tiny_home, "kb", "log").err


# -- show, check


def test_show(tthc: Any, tiny_home: Path) -> None:
    ran = tthc(tiny_home, "kb", "show", "1.000002")
    assert ran.code == 0
    assert "Cấp giấy phép nuôi trâu" in ran.out
    assert "1.000002" in ran.out
    assert "8.000 đồng" in ran.out
    assert "Cách nộp: Nộp " in ran.out
    assert "Cơ quan giải quyết: " in ran.out or "Nơi nhận: " in ran.out
    assert "Về bản ghi này" in ran.out
    data = json.loads(tthc(tiny_home, "kb", "show", "1.000002", "--json").out)
    assert (data["code"], data["name"]) == ("1.000002", "Cấp giấy phép nuôi trâu")


@pytest.mark.parametrize("code", ["9.999999", "xyz", "1.000001'"])
def test_show_of_an_unknown_code_is_refused(tthc: Any, tiny_home: Path, code: str) -> None:
    ran = tthc(tiny_home, "kb", "show", code)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"tthc: {code}: no such procedure in ")


def test_check(tthc: Any, tiny_home: Path) -> None:
    records = [
        procedure(methods=[]),
        procedure(code="1.000002", name="Cấp thẻ", methods=[{"channel": "direct"}], agency="UBND huyện An Nhơn"),
    ]
    write_catalogue(Releases(tiny_home).draft / FILE, records, {})
    ran = tthc(tiny_home, "kb", "check", "--draft", "--json")
    assert ran.code == 0
    findings = [json.loads(line) for line in ran.out.splitlines()]
    assert {(f["kind"], f["code"]) for f in findings} == {
        ("no-method", "1.000001"), ("no-limit", "1.000002"), ("old-agency", "1.000002"),
    }  # fmt: skip
    for finding in findings:
        assert set(finding) == {"kind", "severity", "code", "field", "reason"}
        assert finding["severity"] in ("error", "warning", "info")
    table = tthc(tiny_home, "kb", "check", "--draft").out
    assert "3 findings" in table
    assert re.search(r"error\s+no-method\s+1", table)
    assert tthc(tiny_home, "kb", "check", "--json").out == ""


# -- search, ask, eval


def test_search_json(tthc: Any, tiny_home: Path) -> None:
    ran = tthc(
        tiny_home, "search", "--json", "--top", "2", stdin="cấp giấy phép nuôi trâu\n\n123 ???\nthủ tục 1.000005\n"
    )
    assert ran.code == 0
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [f["query"] for f in found] == ["cấp giấy phép nuôi trâu", "123 ???", "thủ tục 1.000005"]
    for f in found:
        assert set(f) == {"query", "decision", "hits"}
        assert f["decision"] in ("answer", "clarify", "none")
        assert len(f["hits"]) <= 2
        assert [h["score"] for h in f["hits"]] == sorted((h["score"] for h in f["hits"]), reverse=True)
        assert all(set(h) == {"code", "name", "score"} for h in f["hits"])
    assert found[0]["hits"][0]["name"] == "Cấp giấy phép nuôi trâu"
    assert found[1] == {"query": "123 ???", "decision": "none", "hits": []}
    assert (found[2]["decision"], found[2]["hits"][0]["code"]) == ("answer", "1.000005")
    plain = tthc(tiny_home, "search", stdin="nuôi trâu\n").out
    assert plain.startswith("nuôi trâu  →  ")
    assert "1.000002" in plain


def test_ask_prints_the_code_and_the_source(tthc: Any, tiny_home: Path) -> None:
    ran = tthc(tiny_home, "ask", "thủ tục 1.000004, sđt của tôi 0905123456")
    assert ran.code == 0
    assert "1.000004" in ran.out
    assert "24/11/2026" in ran.out
    assert "0905123456" not in ran.out
    assert "**" not in ran.out


def test_ask_on_the_seed(tthc: Any, seed_home: Path) -> None:
    ran = tthc(seed_home, "ask", "đăng ký tạm trú cho người thuê trọ")
    assert ran.code == 0
    assert "1.004194" in ran.out


@pytest.mark.parametrize("question", ["/forget_me", "", "🙂"])
def test_ask_takes_anything(tthc: Any, tiny_home: Path, question: str) -> None:
    assert tthc(tiny_home, "ask", question).code == 0


def test_eval(tthc: Any, tiny_home: Path, tmp_path: Path) -> None:
    questions = write_records(
        tmp_path / "q.jsonl",
        {"question": "cấp giấy phép nuôi trâu", "gold_codes": ["1.000002"], "slice": "a"},
        {"question": "trồng hàng dừa trước nhà", "gold_codes": ["1.000005"], "slice": "a"},
        {"question": "123", "gold_codes": [], "slice": "none"},
        {"question": "thủ tục khác", "gold_codes": ["8.888888"], "slice": "b"},
    )
    table = json.loads(tthc(tiny_home, "index", "eval", questions, "--json").out)
    assert set(table) == {"all", "a", "b", "none"}
    assert table["a"]["recall@1"] == 1.0
    assert table["b"]["recall@10"] == 0.0
    assert table["none"]["none_recall"] == 1.0
    known = json.loads(tthc(tiny_home, "index", "eval", questions, "--json", "--known-only").out)
    assert set(known) == {"all", "a", "none"}
    assert known["all"]["questions"] == 3
    shown = tthc(tiny_home, "index", "eval", questions).out.splitlines()
    assert shown[0].split()[:3] == ["slice", "questions", "recall@1"]
    assert len(shown) == 5
    broken = write_records(tmp_path / "broken.jsonl", {"question": "a"}, "{")
    ran = tthc(tiny_home, "index", "eval", broken)
    assert (ran.code, f"{broken}:2: not a question" in ran.err) == (1, True)


# -- the rest


def test_unanswered(tthc: Any, tiny_home: Path) -> None:
    from bot.service import FILE as SERVICE
    from bot.service import Service

    service = Service(tiny_home / SERVICE)
    for question in ("nuôi rồng", "nuôi rồng", "nuôi lân"):
        service.unanswered(question)
    service.close()
    ran = tthc(tiny_home, "unanswered", "--top", "5")
    assert [line.split(None, 1) for line in ran.out.splitlines()] == [["2", "nuôi rồng"], ["1", "nuôi lân"]]


@pytest.mark.parametrize(
    ("line", "user", "text", "button"),
    [
        ("mất giấy khai sinh\n", "console", "mất giấy khai sinh", None),
        ('{"user": "u1", "text": "chào"}', "u1", "chào", None),
        ('{"user": "u1", "button": 2}', "u1", "", "#2"),
        ('{"user": "u1", "button": "abc"}', "u1", "", "abc"),
        ('{"user": "u1", "button": "²"}', "u1", "", "²"),
        ("{không phải JSON", "console", "{không phải JSON", None),
    ],
)
def test_lines_of_chat_json(line: str, user: str, text: str, button: str | None) -> None:
    from bot.channels.console import read_line

    made = read_line(line, "run", 7)
    assert (made.user, made.text, made.button, made.delivery) == (user, text, button, "run-7")
    assert not made.limited


def test_what_chat_json_prints() -> None:
    from bot.channels.console import to_json
    from bot.message import Outgoing
    from bot.reply import Button, Reply

    replies = [Outgoing(Reply("Chào", (Button("Phí", "/ask_fee"),), "1.000001", "greet"), ["k"])]
    assert json.loads(to_json("u1", replies, 0.0124)) == {
        "user": "u1",
        "replies": [{"text": "Chào", "buttons": ["Phí"]}],
        "intent": "greet",
        "procedure": "1.000001",
        "ms": 12,
    }


def test_doctor_says_what_to_do(tthc: Any, tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTHC_RASA_PYTHON", str(tiny_home / "none"))
    monkeypatch.setenv("TTHC_RASA_PORT", "1")
    monkeypatch.setenv("TTHC_ACTIONS_PORT", "2")
    monkeypatch.setenv("TTHC_TELEGRAM_TOKEN", "")
    ran = tthc(tiny_home, "doctor")
    assert ran.code == 1
    assert re.search(r"FAIL Rasa environment: .*\n\s+→ run `make setup`", ran.out)
    assert re.search(r"ok   release: \S+: 6 procedures, imported 6", ran.out)
    assert "ok   Telegram: no token" in ran.out


def test_chat_needs_its_set_up(tthc: Any, tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTHC_RASA_PYTHON", str(tiny_home / "none"))
    ran = tthc(tiny_home, "chat", "--json", stdin="chào\n")
    assert (ran.code, ran.out) == (1, "")
    assert "the Rasa environment is missing; run `make setup`" in ran.err
