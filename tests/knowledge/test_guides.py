"""Guides, rescues and contacts: every file validates, every guide composes, every mistake names file and line."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from pathlib import Path

import pytest

from knowledge.cases import PLACEHOLDERS
from knowledge.errors import DataError, RefusedError
from knowledge.events import load_events
from knowledge.guides import DIRECT, PACKAGE, Guide, Guides, Portal, load_guides
from knowledge.model import Channel, Method, Procedure
from knowledge.rescues import Contacts, Rescue, load_contacts, load_rescues
from knowledge.returns import load_returns

GUIDES = load_guides()
CONTACTS = load_contacts()
RESCUES = load_rescues(guides=GUIDES, contacts=CONTACTS)
WRITTEN = sorted(GUIDES.own)
COMPOSITIONS = [(code, portal) for code, own in GUIDES.own.items() for portal in own.portals]
FILES = [*sorted((PACKAGE / "guides").rglob("*.yml")), PACKAGE / "rescues.yml", PACKAGE / "contacts.yml"]


def lines(guide: Guide) -> list[str]:
    texts = [*guide.before, *guide.after]
    for step in guide.steps:
        texts += [step.title, *step.do, step.see, *step.mistakes, step.skill]
    return texts


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the data that a test may break."""
    shutil.copytree(PACKAGE / "guides", tmp_path / "guides")
    for name in ("rescues.yml", "contacts.yml"):
        shutil.copy(PACKAGE / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> int:
    """Replace the first ``old`` in the file and return its line."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_portals_and_procedures_are_there() -> None:
    known = {"cong-quoc-gia", "cong-an", "vneid", "bhxh", "vssid", "kinh-doanh", "etax", "gplx", "ho-chieu", DIRECT}
    assert set(GUIDES.portals) == known
    assert len(WRITTEN) >= 48


@pytest.mark.parametrize("portal", GUIDES.portals.values(), ids=list(GUIDES.portals))
def test_portal_ends_with_tracking_and_result(portal: Portal) -> None:
    ids = [step.id for step in portal.steps]
    assert len(ids) == len(set(ids))
    assert 9 <= len(ids) <= 15
    if portal.id != DIRECT:
        assert ids.index("nop") < ids.index("ma-ho-so") < ids.index("theo-doi") < ids.index("ket-qua")
        login = " ".join(next(step for step in portal.steps if step.id == "dang-nhap").do)
        assert "chỉ tự bạn nhập, không đọc cho ai" in login


@pytest.mark.parametrize(("code", "portal"), COMPOSITIONS)
def test_every_guide_composes_on_its_portals(code: str, portal: str) -> None:
    own = GUIDES.own[code]
    guide = GUIDES.guide_for(code, online=own.portals != (DIRECT,), portal=portal, name="Thủ tục thử", agency="UBND xã")
    ids = [step.id for step in guide.steps]
    assert len(ids) == len(set(ids))
    assert {step.id for step in GUIDES.portals[portal].steps} <= set(ids)
    assert guide.before[: len(own.before)] == own.before
    assert guide.checked_on >= dt.date(2026, 11, 24)
    assert not [line for line in lines(guide) if "{" in line or "}" in line]
    assert len(set(guide.before)) == len(guide.before)


@pytest.mark.parametrize("code", WRITTEN)
def test_each_change_and_extra_shows_somewhere(code: str) -> None:
    own = GUIDES.own[code]
    shown = {step.id for portal in own.portals for step in GUIDES.guide_for(code, online=True, portal=portal).steps}
    assert set(own.changes) <= shown
    assert {extra.step.id for extra in own.extra} <= shown


def test_changes_keep_the_fields_they_do_not_name() -> None:
    base = next(s for s in GUIDES.portals["cong-quoc-gia"].steps if s.id == "chon-co-quan")
    step = next(s for s in GUIDES.guide_for("1.001193", online=True).steps if s.id == "chon-co-quan")
    assert step.do != base.do
    assert (step.title, step.see, step.certainty) == (base.title, base.see, base.certainty)


def test_extra_step_stands_after_the_one_named() -> None:
    ids = [step.id for step in GUIDES.guide_for("1.004194", online=True).steps]
    assert ids[ids.index("giay-to") + 1] == "chu-nha-xac-nhan"


@pytest.mark.parametrize(
    ("issuer", "agency", "portal"),
    [
        ("Bộ Công an", "", "cong-an"),
        ("Bảo hiểm xã hội Việt Nam", "", "bhxh"),
        ("Bộ Tài chính", "Bảo hiểm xã hội cấp tỉnh", "bhxh"),
        ("Bộ Y tế", "Sở Y tế, Bảo hiểm xã hội", "cong-quoc-gia"),
        ("UBND tỉnh Gia Lai", "", "cong-quoc-gia"),
        ("", "", "cong-quoc-gia"),
    ],
)
def test_procedures_without_a_guide_of_their_own(issuer: str, agency: str, portal: str) -> None:
    assert GUIDES.guide_for("1.999999", online=True, issuer=issuer, agency=agency).portal == portal
    assert GUIDES.guide_for("1.999999", online=False, issuer=issuer, agency=agency).portal == DIRECT
    assert GUIDES.guide_for("1.999999", online=True, issuer=issuer, agency=agency, portal=DIRECT).portal == DIRECT


def test_only_possible_portals_are_given() -> None:
    assert GUIDES.portals_for("1.004194", online=True) == ("vneid", "cong-an", "cong-quoc-gia", DIRECT)
    assert GUIDES.portals_for("1.004194", online=False) == (DIRECT,)
    assert GUIDES.portals_for("2.000815", online=True) == (DIRECT,)
    with pytest.raises(RefusedError, match="vneid"):
        GUIDES.guide_for("1.001193", online=False, portal="vneid")
    with pytest.raises(RefusedError, match="nowhere"):
        GUIDES.guide_for("1.999999", online=True, portal="nowhere")


def test_guide_for_a_record() -> None:
    procedure = Procedure(
        code="1.999999",
        name="Thủ tục có cái tên rất dài " * 6,
        agency="Sở Y tế {code}",
        methods=(Method(channel=Channel.ONLINE),),
        source="portal",
        checked_on=dt.date(2026, 11, 24),
    )
    guide = GUIDES.for_procedure(procedure)
    texts = lines(guide)
    assert guide.portal == "cong-quoc-gia"
    assert any("1.999999" in line for line in texts)
    assert any("Sở Y tế {code}" in line for line in texts)  # a value is never filled a second time
    assert max(len(line) for line in texts) <= 240
    assert any("…" in line and "Thủ tục có cái tên" in line for line in texts)


def test_words_stand_in_for_what_the_catalogue_leaves_empty() -> None:
    texts = " ".join(lines(GUIDES.guide_for("1.999999", online=True)))
    assert GUIDES.portals["cong-quoc-gia"].words.agency in texts


def test_only_known_placeholders() -> None:
    for path in FILES:
        found = set(re.findall(r"\{(\w+)\}", path.read_text(encoding="utf-8")))
        assert found <= set(PLACEHOLDERS), path


def test_buttons_are_named_as_likely() -> None:
    """Nobody has seen the screens live: a quoted label is always worded as near, never as certain."""
    for path in sorted((PACKAGE / "guides").rglob("*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "nút" in line and "“" in line and not line.startswith("#"):
                assert "gần giống" in line, (path.name, line)


def test_nobody_is_asked_for_secrets_or_photos() -> None:
    """No line sends a code, a password or a photo of papers to the assistant or to another person."""
    asks = re.compile(r"(gửi|đưa|đọc|cho|nhắn)\b[^.]*\b(OTP|mật khẩu|passcode|ảnh giấy tờ)", re.IGNORECASE)
    fine = re.compile(r"không|đừng|tự bạn|lừa đảo|Máy gửi|VNeID có khi gửi|khóa tài khoản", re.IGNORECASE)
    texts = [line for code, portal in COMPOSITIONS for line in lines(_any(code, portal))]
    texts += [line for rescue in RESCUES for node in rescue.nodes for line in (*node.say, node.ask)]
    texts += [line for reason in load_returns() for line in (reason.check, *reason.fix)]
    texts += [line for event in load_events() for line in (*event.intro, *event.notes)]
    for text in texts:
        for sentence in re.split(r"(?<=[.!?]) ", text):
            assert not asks.search(sentence) or fine.search(sentence), sentence


def _any(code: str, portal: str) -> Guide:
    return GUIDES.guide_for(code, online=GUIDES.own[code].portals != (DIRECT,), portal=portal)


def test_rescues() -> None:
    assert len(RESCUES) >= 20
    phrases = [phrase.casefold() for rescue in RESCUES for phrase in rescue.phrases]
    assert len(phrases) == len(set(phrases))
    assert all(rescue.steps for rescue in RESCUES)


def test_contacts() -> None:
    assert isinstance(CONTACTS, Contacts)
    assert {key: re.sub(r"\D", "", line.number) for key, line in CONTACTS.hotlines.items()} == {
        "cong-quoc-gia": "18001096",
        "vneid": "19000368",
        "bhxh": "19009068",
    }
    assert [centre.address.split(",")[0] for centre in CONTACTS.centres] == ["127 Hai Bà Trưng", "69 Hùng Vương"]
    assert all(isinstance(rescue, Rescue) for rescue in RESCUES)


PORTAL = Path("guides/portals/vneid.yml")
OWN = Path("guides/procedures/1.004194.yml")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (PORTAL, "    see: Trang chính có tên", "    sees: Trang chính có tên", "see"),
        (PORTAL, "certainty: likely", "certainty: maybe", "certainty"),
        (PORTAL, "title: Đăng nhập", "title: 12", "title"),
        (PORTAL, "title: Đăng nhập", "title: Đăng nhập thật chậm, thật kỹ và thật cẩn thận nhé bà con", "title"),
        (PORTAL, "id: dang-nhap", "id: mo-ung-dung", "given twice"),
        (PORTAL, "id: vneid", "id: vn-eid", "file's name"),
        (PORTAL, "name: Ứng dụng VNeID", "name: Ứng dụng {place}", "placeholders"),
        (PORTAL, "title: Đăng nhập", "title: [Đăng nhập", "expected"),
        (OWN, 'code: "1.004194"', "code: 1.004194", "code"),
        (OWN, "portal: vneid", "portal: zalo", "zalo"),
        (OWN, "also: [cong-an", "also: [facebook", "facebook"),
        (OWN, "  tim-noi:", "  tim-nha:", "tim-nha"),
        (OWN, "  - after: giay-to", "  - after: giay-ta", "giay-ta"),
        (OWN, "id: chu-nha-xac-nhan", "id: giay-to", "exists already"),
        (Path("rescues.yml"), "hotline: vneid", "hotline: hang-xom", "hang-xom"),
        (Path("rescues.yml"), "steps: [dang-nhap]", "steps: [dang-xuat]", "dang-xuat"),
        (Path("rescues.yml"), "- id: doi-dien-thoai", "- id: vneid-muc-2", "given twice"),
        (Path("rescues.yml"), "  title: Quên passcode hoặc", "  titel: Quên passcode hoặc", "title"),
        (Path("contacts.yml"), '"18001096"', "18001096", "number"),
    ],
)
def test_a_mistake_names_file_and_line(copy: Path, file: Path, old: str, new: str, message: str) -> None:
    line = edit(copy / file, old, new)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_rescues(copy)
    assert caught.value.path == copy / file
    assert caught.value.line is not None
    assert abs(caught.value.line - line) <= 8, str(caught.value)


def test_decomposed_text_is_refused(copy: Path) -> None:
    edit(copy / PORTAL, "title: Đăng nhập", "title: Đăng nhâ\u0323p")
    with pytest.raises(DataError, match="NFC"):
        load_guides(copy)


def test_rescues_must_be_a_list(copy: Path) -> None:
    (copy / "rescues.yml").write_text("a: 1\n", encoding="utf-8")
    with pytest.raises(DataError, match="list"):
        load_rescues(copy)


def test_the_two_portals_that_everything_needs(copy: Path) -> None:
    (copy / "guides/portals/truc-tiep.yml").unlink()
    with pytest.raises(DataError, match="missing"):
        load_guides(copy)


def test_guides_without_files_of_their_own_still_serve_every_code(copy: Path) -> None:
    shutil.rmtree(copy / "guides/procedures")
    guides: Guides = load_guides(copy)
    assert guides.guide_for("1.001193", online=True).portal == "cong-quoc-gia"
