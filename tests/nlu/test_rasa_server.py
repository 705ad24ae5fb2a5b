"""The launcher, Rasa, the patches and the tracker store together, as the gateway meets them."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from rasa_harness import ROOT, Server, launcher

pytestmark = pytest.mark.rasa

DOMAIN = yaml.safe_load((ROOT / "nlu" / "domain.yml").read_text(encoding="utf-8"))
RULES = yaml.safe_load((ROOT / "nlu" / "data" / "rules.yml").read_text(encoding="utf-8"))["rules"]
PAIRS = [(r["steps"][0]["intent"], r["steps"][1]["action"]) for r in RULES]


def test_serves_on_loopback_only(server: Server) -> None:
    """Nothing but 127.0.0.1 listens."""
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [a for a in listening if a.endswith(f":{server.port:04X}")] == [f"0100007F:{server.port:04X}"]
    assert "rasa ready in" in server.stderr.read_text()


@pytest.mark.parametrize(
    ("intent", "action"), [p for p in PAIRS if p[0] not in ("nlu_fallback", "restart", "forget_me")]
)
def test_every_intent_has_its_action(server: Server, intent: str, action: str) -> None:
    """A payload reaches the action of its rule."""
    reply = server.say("rules", f"/{intent}")
    assert (reply["action"], reply["intent"]) == (action, intent)


def test_button_payload(server: Server) -> None:
    """A button carries entities."""
    reply = server.say("button", '/open_procedure{"code": "1.001193"}')
    assert (reply["intent"], reply["entities"]) == ("open_procedure", {"code": "1.001193"})


def test_entities_of_a_text(server: Server) -> None:
    """Codes, places and ordinals are found, with and without diacritics."""
    assert server.say("entities", "làm thủ tục 1.001193 ở xã Tuy Phước")["entities"]["procedure_code"] == "1.001193"
    assert server.say("entities", "nop ho so o xa tuy phuoc cho nao")["entities"]["place"] == "xa tuy phuoc"
    assert server.say("entities", "cái thứ hai")["entities"] == {"ordinal": "hai"}


def test_what_rasa_takes_for_a_payload(server: Server) -> None:
    """White space before the slash does not protect; look-alikes and zero-width characters are plain text."""
    for space in (" ", "\t", "\n", "\u00a0", "\u2003", "\u2028", "\u3000", "\u0085", "\u001c"):
        assert server.say("payload", f"{space}/guide_stop")["intent"] == "guide_stop", repr(space)
    for text in (
        "\u200b/open_procedure",
        "\ufeff/open_procedure",
        "\uff0fopen_procedure",
        "\u2044open_procedure",
        "a /open_procedure",
        "//open_procedure",
    ):
        assert server.say("payload", text)["intent"] != "open_procedure", repr(text)
    assert server.say("payload", "/nothing_of_ours")["action"]  # plain text


def test_logs_hold_nothing_a_person_wrote(server: Server) -> None:
    """Not even where Rasa warns of a text that looks like a payload."""
    for text in ("/bi_mat_cua_toi", '/open_procedure{"bi_mat_cua_toi": 1}', '/open_procedure{"bi_mat_cua_toi"'):
        server.say("log", text)
    assert "bi_mat_cua_toi" not in server.stderr.read_text(encoding="utf-8")


def test_odd_texts_get_an_answer(server: Server) -> None:
    """Nothing a person can type leaves Rasa without an answer."""
    for text in ("", " ", "😀", "?", "a" * 5000, "{", "/", '/open_procedure{"code": ', "\u200b", "1", "1.001193"):
        assert server.say("odd", text)["action"], repr(text)


def test_slots_stay_and_history_does_not(server: Server) -> None:
    """After many turns slots are there, and only the last turns are kept and sent."""
    for n in range(1, 13):
        reply = server.say("long", "cần giấy tờ gì")
        assert reply["turn"] == n
    assert reply["slots"]["procedure"] == "1.001193"
    assert reply["slots"]["pending"]["step"] == 11
    ((slots, turns),) = server.rows("long")
    assert json.loads(slots)["misses"] == 12
    assert sum(e[0] == "u" for e in json.loads(turns)) == 3
    assert sum(e["event"] == "user" for e in server.last_call()["tracker"]["events"]) <= 4


def test_what_the_action_server_gets(server: Server) -> None:
    """The call is small: slots, the last message, a few events; a domain in name only."""
    server.say("call", "phí bao nhiêu")
    call: dict[str, Any] = server.last_call()
    tracker = call["tracker"]
    assert call["domain"] == {"version": "3.1"}
    assert set(tracker["slots"]) == set(DOMAIN["slots"])
    assert tracker["latest_message"]["text"] == "phí bao nhiêu"
    assert tracker["latest_message"]["intent"]["name"] == "ask_fee"
    assert tracker["latest_input_channel"] == "rest"
    assert {e["event"] for e in tracker["events"]} <= {"user", "action"}
    assert len(json.dumps(call)) < 4000


@pytest.mark.parametrize("intent", ["restart", "forget_me"])
def test_restart_deletes_the_history(server: Server, intent: str) -> None:
    """Nothing is left of a sender, in the file and in the write-ahead log, and the next turn is a first one."""
    sender = f"bi-mat-{intent}"
    assert server.say(sender, "cần giấy tờ gì")["turn"] == 1
    assert server.rows(sender)
    assert server.say(sender, f"/{intent}")["action"] == "action_restart_all"
    assert not server.rows(sender)
    for file in server.folder.glob("tracker.db*"):
        assert sender.encode() not in file.read_bytes()
    assert server.say(sender, "cần giấy tờ gì")["turn"] == 1


def test_survives_a_kill(server: Server) -> None:
    """After SIGKILL between turns the conversation goes on where it was; SIGTERM ends cleanly."""
    server.say("kill", "làm khai sinh")
    server.say("kill", "cần giấy tờ gì")
    server.kill(signal.SIGKILL)
    server.start()
    reply = server.say("kill", "phí bao nhiêu")
    assert (reply["turn"], reply["slots"]["procedure"]) == (3, "1.001193")
    assert server.kill(signal.SIGTERM) == 0
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", server.port)) != 0
    server.start()


def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    """A missing model is a clear message, not a server that cannot answer."""
    done = launcher("run", "--model", str(tmp_path), "--tracker-db", str(tmp_path / "t.db"))
    assert done.returncode == 1
    assert "no trained model" in done.stderr


def test_parse_reads_lines(server: Server) -> None:
    """``parse`` prints one JSON object a line."""
    from rasa_harness import MODEL

    done = launcher("parse", "--model", str(MODEL), input="xin chào\n\ncần giấy tờ gì\n", env={**os.environ})
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f["intent"] for f in found] == ["greet", "ask_documents"]
