"""Importer of the national portal's records (``.jsonl``, ``.jsonl.gz``, or a folder that ``tthc kb fetch`` made)."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pydantic import ValidationError

from knowledge.errors import DataError
from knowledge.facts import clean, read_fees, read_limits
from knowledge.model import CODE_PATTERN, Channel, Document, Law, Level, Method, Procedure, Role

PAGE = "https://dichvucong.gov.vn/thu-tuc-hanh-chinh/"
PROVINCE = "Gia Lai"

_CHANNELS = {"ONLINE": Channel.ONLINE, "DIRECT": Channel.DIRECT, "POSTAL": Channel.POST}
_LEVEL_FLAGS = (("isWard", Level.COMMUNE), ("isProvince", Level.PROVINCE), ("isMinistry", Level.MINISTRY))
_LOCAL_ISSUER = re.compile(r"^(UBND|Ủy ban nhân dân|Sở |Trung tâm phục vụ hành chính công)", re.I)
_ROLE_WORDS = (
    (Role.PRESENT, re.compile(r"xuất trình", re.I)),
    (Role.NOTE, re.compile(r"^\W*lưu ý", re.I)),
)
_GENERIC_CASE = re.compile(
    r"^\W*(([a-z]|\d+)[.)]\s*)?((các |những )?(loại )?(giấy tờ|thành phần hồ sơ|hồ sơ)( phải)?( nộp| xuất trình)?"
    r"( bao gồm| gồm)?"
    r"( \(bản chính\))?(,? bao gồm)?|lưu ý|bao gồm|số lượng hồ sơ.*|\d+ bộ hồ sơ"
    r"|((?!trường hợp|đối với).)*\bgồm( có)?)\W*$",
    re.I,
)
_REMARK = re.compile(r"(lưu ý|trường hợp|đối với|người (có |được )?(yêu cầu|tiếp nhận)|thành phần|cơ quan|khi )", re.I)
_IN_DATABASE = re.compile(
    r"(không (phải|cần|yêu cầu) (nộp|xuất trình)|được khai thác|đã có)[^.;]*(cơ sở dữ liệu|CSDL)"
    r"|(cơ sở dữ liệu|CSDL)[^.;]*không (phải|cần|yêu cầu) (nộp|xuất trình)",
    re.I,
)


class Skipped(NamedTuple):
    """A record left out on purpose. ``reason``: internal, other-province, duplicate, unusable."""

    line: int
    code: str
    name: str
    reason: str


@dataclass
class ImportReport:
    """What an import brought: ``problems`` are lines that could not be read at all, each with file and line."""

    procedures: list[Procedure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problems: list[DataError] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Skipped records by reason."""
        return dict(Counter(s.reason for s in self.skipped))


def catalogue_files(source: Path) -> list[Path]:
    """The record files behind ``source``: itself, or in a folder ``records.jsonl`` or every ``*.jsonl[.gz]``."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DataError("no such file or folder", source)
    if (source / "records.jsonl").is_file():
        state = source / "state.json"
        if state.is_file() and not json.loads(state.read_text(encoding="utf-8")).get("complete"):
            raise DataError("the fetch into this folder is not complete; run `tthc kb fetch` again", source)
        return [source / "records.jsonl"]
    found = sorted([*source.glob("*.jsonl"), *source.glob("*.jsonl.gz"), *source.glob("*.json")])
    if not found:
        raise DataError("no .jsonl, .jsonl.gz or .json file in this folder", source)
    return found


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with _open(path) as stream:
            if path.suffix == ".json":
                yield 1, json.dumps(json.load(stream))
                return
            yield from ((number, line) for number, line in enumerate(stream, 1) if line.strip())
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"cannot be read to its end: {error}", path) from error


def fingerprint(detail: dict[str, Any]) -> str:
    """Digest of the papers and steps of a portal record, to see whether a checked version is still the current one."""
    parts = [
        [s.get("description") for s in detail.get("executionSteps") or []],
        [
            [c.get("name"), [p.get("name") for p in c.get("profileComponents") or []]]
            for c in detail.get("executionCases") or []
        ],
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


def official_name(text: object) -> str:
    """The official name without a leading "Thủ tục", with a capital first letter; not all in capitals."""
    name = re.sub(r"^thủ tục\s*:?\s+", "", clean(text), flags=re.I).strip(" .\n")
    return name.capitalize() if name.isupper() else name[:1].upper() + name[1:]


def _names(items: object) -> tuple[str, ...]:
    found = (clean(i.get("name")) for i in items if isinstance(i, dict)) if isinstance(items, list) else ()
    return tuple(dict.fromkeys(n for n in found if n))


def _documents(cases: list[dict[str, Any]]) -> Iterator[Document]:
    for case in cases:
        title = clean(case.get("name")).strip(" \n;:.-*+")
        case_role = next((role for role, words in _ROLE_WORDS if words.search(title)), Role.SUBMIT)
        label = "" if _GENERIC_CASE.match(title) else title
        for part in case.get("profileComponents") or []:
            name = clean(part.get("name")).lstrip("-+*•– \u00a0").strip()
            if not name:
                continue
            originals, copies = int(part.get("originalQty") or 0), int(part.get("copyQty") or 0)
            files = [a.get("fileName", "") for a in part.get("attachments") or []]
            role = case_role
            if not originals and not copies and _REMARK.match(name):
                role = Role.NOTE
            yield Document(
                name=name, case=label, role=role, form=clean(files[0]) if files else "",
                originals=originals, copies=copies, in_database=bool(_IN_DATABASE.search(name)),
            )  # fmt: skip


def _agency(detail: dict[str, Any]) -> str:
    for key in ("departmentsExecuting", "unitGroupsExecuting", "departmentsAuthority", "unitGroupsAuthority"):
        if names := _names(detail.get(key)):
            return ", ".join(names)
    return clean(detail.get("executingAgencies"))


def _date(milliseconds: object) -> dt.date | None:
    if not isinstance(milliseconds, int | float) or milliseconds <= 0:
        return None
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.timezone(dt.timedelta(hours=7))).date()


def procedure_from(record: dict[str, Any], today: dt.date) -> Procedure:
    """A portal record as a :class:`Procedure`. Raises KeyError, TypeError, ValueError for a record of another shape."""
    detail = record["detail"]
    fields, issuer = _names(detail["categoriesDetails"]), clean(detail["departmentPromulgateName"])
    land = PROVINCE in issuer and any("đất đai" in f.lower() for f in fields)
    methods = []
    for raw in detail["executionMethods"]:
        limits, words = read_limits(raw, gia_lai_land=land)
        methods.append(
            Method(
                channel=_CHANNELS[raw["submissionMethod"]],
                limits=limits,
                limit_note=words,
                fees=read_fees(raw.get("fees") or [], today),
                note=clean(raw.get("description")),
            )  # fmt: skip
        )
    proposal = detail.get("procedureProposal") or {}
    laws = (Law(number=clean(x.get("code")), title=clean(x.get("name"))) for x in detail["legalBasisesDetails"])
    return Procedure(
        code=str(record["code"]).strip(),
        name=official_name(record["name"]),
        field=fields[0] if fields else "",
        levels=tuple(level for flag, level in _LEVEL_FLAGS if detail[flag]) or (Level.OTHER,),
        agency=_agency(detail),
        receiver=clean(detail.get("dossierReceivingAddresses")),
        issuer=issuer,
        province=PROVINCE if detail["type"] == "SPECIFIC" else "",
        applicants=_names(detail["subjectTypesDetails"]),
        requirements=clean(detail.get("requirementsAndConditions")),
        steps=tuple(t for s in detail["executionSteps"] if (t := clean(s.get("description")) or clean(s.get("name")))),
        methods=tuple(methods),
        documents=tuple(_documents(detail["executionCases"])),
        results=_names(detail["resultsDetails"]),
        laws=tuple(law for law in laws if law.number or law.title),
        full_online=bool(detail["isFullProcess"]),
        decision=clean(proposal.get("proposalNumber")),
        url=PAGE + str(record["id"]),
        fingerprint=fingerprint(detail),
        source="portal",
        updated_on=_date(detail.get("updatedAt")),
        checked_on=today,
    )


def _skip_reason(record: dict[str, Any]) -> str:
    detail, issuer = record["detail"], str(record["detail"]["departmentPromulgateName"])
    if detail["isInternal"] or "INTERNAL" in detail["type"]:
        return "internal"
    if PROVINCE not in issuer and (detail["type"] == "SPECIFIC" or _LOCAL_ISSUER.match(issuer)):
        return "other-province"
    if not re.match(CODE_PATTERN, str(record["code"]).strip()) or not clean(record["name"]):
        return "unusable"
    if not detail["executionMethods"] and not detail["executionSteps"] and not detail["executionCases"]:
        return "unusable"
    return ""


def read_catalogue(source: Path, today: dt.date | None = None) -> ImportReport:
    """Every procedure of ``source`` that applies in Gia Lai and is meant for citizens, in the file's order.

    Lines that are broken, lack a field, hold a wrong type, or repeat a code with other content land in
    ``report.problems``; whether to go on without them is the caller's decision.
    """
    today = today or dt.date.today()
    report, seen = ImportReport(), dict[str, tuple[str, Path, int]]()
    for path in catalogue_files(source):
        for number, line in _lines(path):
            try:
                record = json.loads(line)
                code, name = str(record["code"]).strip(), str(record["name"])
                if reason := _skip_reason(record):
                    report.skipped.append(Skipped(number, code, clean(name), reason))
                    continue
                digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
                if code in seen:
                    before, where, at = seen[code]
                    if before != digest:
                        raise ValueError(f"code {code} stands already, with other content, at {where}:{at}")
                    report.skipped.append(Skipped(number, code, name, "duplicate"))
                    continue
                seen[code] = digest, path, number
                report.procedures.append(procedure_from(record, today))
            except json.JSONDecodeError as error:
                report.problems.append(DataError(f"not a JSON object: {error.msg}", path, number))
            except KeyError as error:
                report.problems.append(
                    DataError(f"field {error.args[0]!r} is missing or has an unknown value", path, number)
                )
            except ValidationError as error:
                first = error.errors()[0]
                at_field = ".".join(str(x) for x in first["loc"])
                report.problems.append(DataError(f"{at_field}: {first['msg']}", path, number))
            except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
                report.problems.append(DataError(f"a value of the wrong type or shape: {error}", path, number))
    return report
