"""What the project knows, as types: a procedure and its parts.

A :class:`Procedure` is one record of the national catalogue, whether it came from the portal or from the seed.
Amounts are in whole đồng unless ``currency`` says otherwise; ``None`` means *the catalogue does not say*, never zero.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CODE_PATTERN = r"^\d\.\d{6}$"
Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Strict(BaseModel):
    """Base of every model: unknown keys are errors, so that a typo in a data file is caught at load."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Channel(StrEnum):
    """How a dossier is handed in."""

    ONLINE = "online"
    DIRECT = "direct"
    POST = "post"


class Unit(StrEnum):
    """Unit of a time limit. ``working_day`` leaves out weekends and holidays, ``day`` does not."""

    WORKING_DAY = "working_day"
    DAY = "day"
    HOUR = "hour"
    MONTH = "month"
    YEAR = "year"


class Level(StrEnum):
    """Level of government that settles the procedure."""

    COMMUNE = "commune"
    PROVINCE = "province"
    MINISTRY = "ministry"
    OTHER = "other"


class Role(StrEnum):
    """What happens to a paper: handed in, only shown, or just a remark of the record."""

    SUBMIT = "submit"
    PRESENT = "present"
    NOTE = "note"


class TimeLimit(Strict):
    """At most ``value`` ``unit``\\ s, counted from a complete dossier."""

    value: float = Field(gt=0)
    unit: Unit
    when: str = ""
    """The condition under which it holds ("xã miền núi", "hồ sơ nhận sau 15 giờ"), empty when it always does."""
    basis: Literal["", "mountain", "stored_maximum"] = ""
    """``mountain``: the text proves it holds for mountain communes; ``stored_maximum``: the highest of all cases."""


class Fee(Strict):
    """One fee line. ``amount`` is None when the catalogue gives no figure that holds today."""

    kind: Literal["fee", "charge", "price"] = "fee"
    """``fee`` lệ phí, ``charge`` phí, ``price`` mức giá."""
    amount: int | None = Field(default=None, ge=0)
    currency: Literal["VND", "USD"] = "VND"
    free: bool = False
    """True only where the text itself says that nothing is charged."""
    when: str = ""
    """Condition or explanation, as short as its truth allows."""
    until: dt.date | None = None
    """Last day on which this amount holds."""


class Method(Strict):
    """One way of handing in: its channel, limits and fees. No limit means that the catalogue gives none."""

    channel: Channel
    limits: tuple[TimeLimit, ...] = ()
    fees: tuple[Fee, ...] = ()
    limit_note: str = ""
    """What the record says about time in words where it gives no figure ("nhận sau 15 giờ thì trả hôm sau")."""
    note: str = ""


class Document(Strict):
    """One paper of the dossier."""

    name: Text
    case: str = ""
    """The variant of the procedure that needs it; empty: every variant."""
    role: Role = Role.SUBMIT
    form: str = ""
    """Name or number of the official form, when the paper is one."""
    form_url: str = ""
    originals: int = Field(default=0, ge=0)
    copies: int = Field(default=0, ge=0)
    in_database: bool = False
    """The state already holds it, so it need not be handed in when the data can be read."""


class Law(Strict):
    """A legal basis, by number."""

    number: str = ""
    title: str = ""


class Procedure(Strict):
    """One administrative procedure (thủ tục hành chính)."""

    code: Code
    name: Text
    short_name: str = ""
    """How people call it, at most 40 characters: for buttons. From the seed."""
    summary: str = ""
    """One or two sentences in plain words: what it is for and whom it serves. From the seed."""
    field: str = ""
    levels: tuple[Level, ...] = ()
    agency: str = ""
    """Who settles it."""
    receiver: str = ""
    """Where the dossier is received, if the record says."""
    issuer: str = ""
    """Ministry or province that published it."""
    province: str = ""
    """The one province it belongs to; empty for nation-wide procedures."""
    applicants: tuple[str, ...] = ()
    requirements: str = ""
    steps: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ()
    documents: tuple[Document, ...] = ()
    results: tuple[str, ...] = ()
    laws: tuple[Law, ...] = ()
    full_online: bool = False
    """The portal's own flag for "toàn trình"; not reliable, see :attr:`online`."""
    decision: str = ""
    """Number of the publishing decision."""
    url: str = ""
    fingerprint: str = ""
    """Digest of the portal's own papers and steps: the version that this record was made from or checked against."""
    source: Literal["portal", "seed"]
    updated_on: dt.date | None = None
    """Day on which the portal last changed the record."""
    checked_on: dt.date
    """Day on which we fetched the record or a person compared it with the portal."""

    @property
    def online(self) -> bool:
        """True when a dossier can be handed in online at all."""
        return any(m.channel is Channel.ONLINE for m in self.methods)

    @property
    def cases(self) -> tuple[str, ...]:
        """The variants named by the documents, in order."""
        return tuple(dict.fromkeys(d.case for d in self.documents if d.case))

    @property
    def source_line(self) -> str:
        """Date behind every answer: the portal's own date when known, else the day we checked."""
        return f"{(self.updated_on or self.checked_on):%d/%m/%Y}"
