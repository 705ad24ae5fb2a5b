"""Encoder, build and search: repeatable training, kept models, searches on a tiny and on the seed release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import build
from index.build import build_index
from index.dense import DenseRetriever
from index.encoder import Encoder, train
from index.retrieval import Rows
from index.search import ENCODER, FOLDER, RANKING, ROWS, Ranking, Searcher
from index.text import lexicon
from knowledge.errors import RefusedError
from knowledge.store import FILE, write_catalogue
from tests.making import procedure, six, six_questions, write_records

# -- encoder


def weights(model: Any) -> Any:
    return model[0].embedding.weight.detach().numpy().copy()


def trained(stub_model: Path, **changes: Any) -> Any:
    procedures, phrases = six()
    names = {p.code: p.name for p in procedures}
    told: list[str] = []
    model = train(names, phrases, lexicon(), epochs=2, model=Encoder(stub_model).model, progress=told.append, **changes)
    assert len(told) == 2
    return model


def test_the_same_training_twice_makes_the_same_model(stub_model: Path) -> None:
    first, second = trained(stub_model), trained(stub_model)
    assert np.array_equal(weights(first), weights(second))
    assert not np.array_equal(weights(first), weights(Encoder(stub_model).model))
    other = trained(stub_model, common=frozenset({"1.000001"}))
    assert not np.array_equal(weights(first), weights(other))


def test_training_brings_a_phrase_nearer_to_its_name(stub_model: Path) -> None:
    def nearness(encoder: Encoder) -> float:
        procedures, phrases = six()
        names = {p.code: lexicon().normalise(p.name) for p in procedures}
        total = 0.0
        for code, own in phrases.items():
            for phrase in map(lexicon().normalise, own):
                a, b = encoder.encode(
                    [names[code].plain, phrase.plain], [names[code].folded, phrase.folded]
                )  # fmt: skip
                total += float(a @ b)
        return total

    assert nearness(Encoder(trained(stub_model))) > nearness(Encoder(stub_model))


def test_vectors_are_unit_length_and_mean_both_forms(stub_model: Path) -> None:
    encoder = Encoder(stub_model)
    made = encoder.encode(["nuôi trâu", "đăng ký", "xyz"], ["nuoi trau", "dang ky", "xyz"])
    assert made.shape == (3, 64)
    assert made.dtype == np.float32
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    one, other = encoder.encode(["nuôi trâu", "đăng ký"], ["nuôi trâu", "đăng ký"])
    plain = encoder.model.encode(["nuôi trâu", "đăng ký"], normalize_embeddings=True)
    assert one @ other == pytest.approx(plain[0] @ plain[1], abs=1e-5)


def test_no_model_no_encoder(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no model here; run `tthc index build`"):
        Encoder(tmp_path / "none")


# -- keeping models


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many names each training was given; nothing is trained, no real data read."""
    calls: list[int] = []

    def pretend(names: dict[str, str], *_: Any, **__: Any) -> str:
        calls.append(len(names))
        return f"model {len(calls)}"

    def keep(model: str, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "modules.json").write_text(model, encoding="utf-8")

    class Held:
        def __init__(self, _: object) -> None:
            self.model = None

    monkeypatch.setattr(build, "train", pretend)
    monkeypatch.setattr(build, "_keep", keep)
    monkeypatch.setattr(build, "Encoder", Held)
    monkeypatch.setattr(build, "load_seed", lambda: [procedure(name="Hạt giống")])
    monkeypatch.setattr(build, "load_phrases", lambda: {"1.000001": ["thả diều"]})
    return calls


def test_a_model_is_trained_once_for_the_same_texts(trainings: list[int], tmp_path: Path) -> None:
    def encoder(*names: str, retrain: bool = False) -> tuple[Path, bool]:
        procedures = [procedure(code=f"1.{i:06}", name=name) for i, name in enumerate(names, 1)]
        return build._encoder(procedures, {}, lexicon(), tmp_path, retrain, lambda _: None)

    seed_only, fresh = encoder("Hạt giống")
    assert (fresh, trainings) == (True, [1])
    assert encoder("Hạt giống") == (seed_only, False)
    bigger, fresh = encoder("Hạt giống", "Nuôi trâu")
    assert (fresh, trainings) == (True, [1, 2])
    assert bigger != seed_only
    assert encoder("Hạt giống", "Nuôi trâu") == (bigger, False)
    assert encoder("Hạt giống", "Nuôi bò")[1]
    assert trainings == [1, 2, 2]


def test_few_old_models_are_kept(trainings: list[int], tmp_path: Path) -> None:
    for n in range(7):
        made = [procedure(), procedure(code="1.000002", name=f"Nuôi {n}")]
        path, _ = build._encoder(made, {}, lexicon(), tmp_path, False, lambda _: None)
        assert path.is_dir()
    assert len(list(tmp_path.iterdir())) <= 6
    assert trainings[0] == 1


# -- build


def test_what_a_build_leaves(tiny_draft: Path) -> None:
    for name in (FILE, f"{FOLDER}/{ROWS}", f"{FOLDER}/{RANKING}", f"{ENCODER}/modules.json"):
        assert (tiny_draft / name).is_file(), name
    ranking = Ranking.load(tiny_draft / FOLDER / RANKING)
    assert 0 <= ranking.thresholds.none <= 1
    assert 0 <= ranking.thresholds.answer <= 1


def test_a_build_is_repeatable(tiny_draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(tiny_draft / FILE, tmp_path / FILE)
    monkeypatch.setattr(build, "_encoder", lambda *_: (tiny_draft / ENCODER, False))
    told: list[str] = []
    report = build_index(tmp_path, tmp_path, questions=six_questions(tmp_path / "q.jsonl"), progress=told.append)
    assert (report.procedures, report.texts, report.trained) == (6, 18, False)
    assert set(report.seconds) == {"read", "encoder", "retrievers", "ranking", "measures"}
    assert len(told) == 5
    for name in (ROWS, RANKING):
        assert (tmp_path / FOLDER / name).read_bytes() == (tiny_draft / FOLDER / name).read_bytes()
    assert np.array_equal(
        DenseRetriever.load(tmp_path / FOLDER).vectors(), DenseRetriever.load(tiny_draft / FOLDER).vectors()
    )


def test_too_few_questions_are_refused(tiny_draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(tiny_draft / FILE, tmp_path / FILE)
    monkeypatch.setattr(build, "_encoder", lambda *_: (tiny_draft / ENCODER, False))
    few = write_records(tmp_path / "q.jsonl", {"question": "nuôi trâu", "gold_codes": ["1.000002"]})
    with pytest.raises(RefusedError, match="only 1 tuning questions are about this catalogue"):
        build_index(tmp_path, tmp_path, questions=few)


def test_rows_hold_names_lay_names_and_phrases() -> None:
    two = [procedure(short_name="Thả diều"), procedure(code="1.000002", name="Nuôi trâu", short_name="Nuôi trâu")]
    rows = Rows.of(two, {"1.000002": ["mua trâu"], "1.000009": ["x"]})
    assert rows.texts == ["Đăng ký thả diều", "Thả diều", "Nuôi trâu", "mua trâu"]
    assert rows.owners.tolist() == [0, 0, 1, 1]
    assert rows.is_phrase.tolist() == [False, True, False, True]
    assert Rows.of([], {}).texts == []


def test_an_empty_catalogue_is_refused(tmp_path: Path) -> None:
    write_catalogue(tmp_path / FILE, [procedure()], {})
    import sqlite3

    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("delete from procedures")
    db.close()
    with pytest.raises(RefusedError, match="the catalogue is empty"):
        build_index(tmp_path, tmp_path)


# -- search on the tiny release


@pytest.fixture(scope="module")
def tiny(tiny_draft: Path) -> Searcher:
    return Searcher(tiny_draft)


def test_every_name_and_phrase_finds_its_own(tiny: Searcher) -> None:
    procedures, phrases = six()
    for p in procedures:
        for text in (p.name, p.name.upper(), *phrases[p.code]):
            assert tiny.run(text).hits[0].code == p.code, text


def test_hits_are_ordered_probabilities(tiny: Searcher) -> None:
    result = tiny.run("mất giấy nuôi trâu", top=3)
    scores = [h.score for h in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= s <= 1 for s in scores)
    assert len(result.hits) <= 3
    assert len({h.code for h in result.hits}) == len(result.hits)
    assert result.hits[0].matched
    assert result == tiny.run("mất giấy nuôi trâu", top=3)


@pytest.mark.parametrize("text", ["", "   ", "12345", "!!!", "🙂"])
def test_no_words_no_answer(tiny: Searcher, text: str) -> None:
    result = tiny.run(text)
    assert (result.decision, result.hits) == ("none", [])


def test_a_code_is_taken_at_its_word(tiny: Searcher) -> None:
    result = tiny.run("thủ tục 1.000003 là gì")
    assert (result.decision, [h.code for h in result.hits]) == ("answer", ["1.000003"])
    assert tiny.run("thủ tục 1.000003.H21").hits[0].code == "1.000003"
    assert tiny.run("thủ tục 9.999999").decision == "none"
    assert tiny.run("số 21.0000034").hits != result.hits


def test_one_result_a_question(tiny: Searcher) -> None:
    assert [r.query for r in tiny.run_many(["nuôi trâu", "", "trồng dừa"])] == ["nuôi trâu", "", "trồng dừa"]


# -- search on the seed release

ASKED = [
    ("vợ tui mới sanh con, làm khai sanh cho cháu", "1.001193"),
    ("hai đứa em định lấy nhau, đăng ký kết hôn ở đâu", "1.000894"),
    ("xin giấy xác nhận còn độc thân để cưới vợ", "1.004873"),
    ("can xin trich luc khai sinh", "2.000635"),
    ("sao y bản chính bằng cấp", "2.000815"),
    ("đăng ký tạm trú cho người thuê trọ", "1.004194"),
    ("nhập hộ khẩu về nhà chồng", "1.004222"),
    ("bị mất thẻ căn cước xin cấp lại", "1.014064"),
    ("xin phiếu lý lịch tư pháp đi làm công ty", "3.000333"),
    ("làm passport đi du lịch", "1.001456"),
    ("doi bang lai xe het han", "3.000347"),
    ("mở tiệm tạp hóa đăng ký hộ kinh doanh", "1.001612"),
    ("rút bảo hiểm xã hội một lần", "1.001613"),
    ("nghỉ việc muốn lãnh trợ cấp thất nghiệp", "1.014748"),
    ("ông nội mất rồi, đăng ký khai tử", "1.000656"),
    ("mua xe cũ sang tên", "1.013076"),
]


@pytest.fixture(scope="module")
def seed(seed_home: Path) -> Searcher:
    return Searcher((seed_home / "current").resolve())


def test_what_people_ask_is_found_in_the_seed(seed: Searcher) -> None:
    ranks = {q: [h.code for h in seed.run(q).hits[:3]] for q, _ in ASKED}
    first = [q for q, code in ASKED if ranks[q][:1] != [code]]
    third = [q for q, code in ASKED if code not in ranks[q]]
    assert len(first) <= 2, first
    assert len(third) <= 1, third


def test_few_of_them_are_called_unknown(seed: Searcher) -> None:
    assert sum(seed.run(q).decision == "none" for q, _ in ASKED) <= 1


@pytest.mark.parametrize("text", ["tối nay đội nào đá", "kể chuyện cười nghe coi", "thời tiết Quy Nhơn mai thế nào"])
def test_what_is_no_procedure_gets_no_answer(seed: Searcher, text: str) -> None:
    assert seed.run(text).decision != "answer"


def test_a_ranking_fitted_on_other_features_is_refused(tmp_path: Path) -> None:
    model = {"mean": [0.0], "scale": [1.0], "weights": [1.0], "bias": 0.0}
    data = {"ranker": model, "answerable": model, "right": model, "thresholds": {"none": 0.1, "answer": 0.9}}
    path = tmp_path / RANKING
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RefusedError, match="made by another version"):
        Ranking.load(path)


# -- phrases that come later


def test_a_new_phrase_is_found_at_once(tiny_draft: Path) -> None:
    searcher = Searcher(tiny_draft)
    before = searcher.run("nuôi con trâu cần giấy gì")
    assert searcher.learn({"1.000005": ["bẻ buồng cau lùn sau hè"], "9.999999": ["nơi khác"]}) == 1
    found = searcher.run("be buong cau lun")
    assert (found.hits[0].code, found.hits[0].matched) == ("1.000005", "be buong cau lun sau he")
    assert [h.code for h in searcher.run("nuôi con trâu cần giấy gì").hits[:2]] == [h.code for h in before.hits[:2]]
    assert searcher.learn({"1.000005": ["bẻ buồng cau lùn sau hè", "trồng hàng dừa trước nhà"]}) == 0


def test_new_phrases_everywhere_leave_every_other_one_findable(tiny_draft: Path) -> None:
    searcher = Searcher(tiny_draft)
    _, phrases = six()
    marks = ("một", "hai", "ba", "bốn", "năm", "sáu")
    new = {code: [f"con tàu số {mark} {mark}"] for code, mark in zip(phrases, marks, strict=True)}
    for code in reversed(list(new)):
        assert searcher.learn({code: new[code]}) == 1
    for code, own in phrases.items():
        for text in (*own, *new[code]):
            assert searcher.run(text).hits[0].code == code, text
