"""Cases: questions whose answers change papers, fee, limit, office or procedure, and what holds once they are answered.

They stand in a procedure's guide (``guides/procedures/CODE.yml``, key ``questions``). Whoever does not know an answer
says so (:data:`UNSURE`) and keeps everything that might apply.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from knowledge.model import Code, Document, Fee, Procedure, Strict, Text, TimeLimit

UNSURE = "khong-ro"
PLACEHOLDERS = ("name", "code", "agency")


def _line(text: str) -> str:
    """A line that people read: NFC, one line, and no braces but the three placeholders."""
    if text != unicodedata.normalize("NFC", text):
        raise ValueError("text is not in Unicode NFC")
    if "\n" in text:
        raise ValueError("one line only")
    rest = text
    for placeholder in PLACEHOLDERS:
        rest = rest.replace(f"{{{placeholder}}}", "")
    if "{" in rest or "}" in rest:
        raise ValueError(f"only the placeholders {', '.join('{' + p + '}' for p in PLACEHOLDERS)} are known")
    return text


Line = Annotated[Text, StringConstraints(max_length=140), AfterValidator(_line)]
Label = Annotated[Text, StringConstraints(max_length=30), AfterValidator(_line)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class Option(Strict):
    """One answer and what it changes."""

    id: Id
    label: Label
    cases: tuple[str, ...] = ()
    """Cases of the record's documents that apply then."""
    papers: tuple[Line, ...] = ()
    """Papers that the record asks for in its text only."""
    spared: tuple[Line, ...] = ()
    """Papers that need not be handed in then, and why."""
    limit: TimeLimit | None = None
    fee: Fee | None = None
    agency: str = ""
    """Who receives it then."""
    says: Annotated[tuple[Line, ...], Field(max_length=3)] = ()
    skip: tuple[Id, ...] = ()
    """Steps of the guide that fall away."""
    go: Code | None = None
    """Another procedure that is the right one then."""


class Question(Strict):
    """A question with its answers; that one does not know is always an answer too."""

    id: Id
    ask: Line
    options: Annotated[tuple[Option, ...], Field(min_length=2, max_length=4)]

    def option(self, option_id: str) -> Option | None:
        """The option with this id; None for one that is not there (or for "do not know")."""
        return next((o for o in self.options if o.id == option_id), None)


Answers = Mapping[str, str]
"""Question id -> option id, or :data:`UNSURE`."""


def next_question(questions: Sequence[Question], answers: Answers) -> Question | None:
    """The first question that is still open; none once an answer leads to another procedure."""
    if any(option.go for option in chosen(questions, answers)):
        return None
    return next((q for q in questions if not (q.option(answers.get(q.id, "")) or answers.get(q.id) == UNSURE)), None)


def chosen(questions: Sequence[Question], answers: Answers) -> list[Option]:
    """The options that were chosen, in the order of the questions."""
    return [option for q in questions if (option := q.option(answers.get(q.id, "")))]


@dataclass(frozen=True)
class Situation:
    """What holds for one person: papers that apply, papers that may apply, and what the answers changed."""

    documents: tuple[Document, ...]
    perhaps: tuple[Document, ...]
    """Papers of cases that nobody has asked about yet, or that the person does not know."""
    papers: tuple[str, ...]
    spared: tuple[str, ...]
    says: tuple[str, ...]
    skip: frozenset[str]
    limit: TimeLimit | None
    fee: Fee | None
    agency: str
    go: str | None


def situation(procedure: Procedure, questions: Sequence[Question], answers: Answers) -> Situation:
    """What the answers leave of the record's papers and add to its facts.

    A paper whose case belongs to some option stays when that option was chosen, goes when another one was, and is
    doubtful while its question is open. A paper of a case that no question is about is doubtful too.
    """
    options = chosen(questions, answers)
    settled = {q.id for q in questions if q.option(answers.get(q.id, ""))}
    mine = {case for option in options for case in option.cases}
    askers: dict[str, set[str]] = {}
    for question in questions:
        for option in question.options:
            for case in option.cases:
                askers.setdefault(case, set()).add(question.id)
    sure, perhaps = [], []
    for document in procedure.documents:
        if not document.case or document.case in mine:
            sure.append(document)
        elif not askers.get(document.case, set()) & settled:
            perhaps.append(document)
    return Situation(
        tuple(sure),
        tuple(perhaps),
        tuple(line for o in options for line in o.papers),
        tuple(line for o in options for line in o.spared),
        tuple(line for o in options for line in o.says),
        frozenset(step for o in options for step in o.skip),
        next((o.limit for o in options if o.limit), None),
        next((o.fee for o in options if o.fee), None),
        next((o.agency for o in options if o.agency), ""),
        next((o.go for o in options if o.go), None),
    )
