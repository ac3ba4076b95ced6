"""What the suites hold, and how a bad one is refused: by file, line and field."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from agentic_rag.domain import Passage, Question, Turn
from agentic_rag.errors import BadSuite

SHIPPED_SUITES = Path(__file__).with_name("suites")


class SuiteName(StrEnum):
    """The suites; each is a file `<name>.jsonl`."""

    GOLDEN = "golden"
    TRIAGE = "triage"
    SUPPORT = "support"
    RETRIEVAL = "retrieval"


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
PackName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Alternatives = Annotated[tuple[Line, ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Earlier(_Strict):
    """One message of the conversation before."""

    role: Literal["user", "assistant"]
    text: str


class Case(_Strict):
    """What every suite's line may have.

    Attributes:
        id: names it in reports; by default the number of its line.
        pack: the clinic pack that it is about, by name; none: the one that is set.
        review: why a person has to look at it; it is refused as a case for as long as that stands.
    """

    id: Line
    pack: PackName | None = None
    review: Line | None = None

    @classmethod
    def by_line(cls, number: int) -> dict[str, object]:
        """Return what a line says by where it stands, unless it says it itself."""
        return {"id": f"line-{number}"}


class GoldenCase(Case):
    """A question, and what a right answer to it has.

    Attributes:
        labels: of each group, a label that begins with one of these has to be cited.
        facts: of each group, one has to stand in the answer, whatever the case of its letters.
        never: what must not stand in the answer.
    """

    question: Line
    history: tuple[Earlier, ...] = ()
    kind: Literal[
        "plain",
        "paraphrase",
        "misspelt",
        "absent",
        "two_part",
        "follow_up",
        "conflict",
        "injected",
        "emergency",
        "near_miss",
        "small_talk",
        "other_language",
    ]
    outcome: Literal["answered", "declined", "emergency"]
    labels: tuple[Alternatives, ...] = ()
    facts: tuple[Alternatives, ...] = ()
    never: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _declines_without_source(self) -> Self:
        if self.outcome == "declined" and self.labels:
            raise ValueError("labels: a declined question has none")
        return self

    def asked(self) -> Question:
        """Return it as a caller asks it."""
        return Question(text=self.question, history=_turns(self.history))


class TriageCase(Case):
    """A message, and whether it has to raise the alarm.

    Attributes:
        expected: "crisis" is an alarm too, of another kind.
        category: which sign of an emergency it shows, for the tables alone.
    """

    text: Line
    history: tuple[Earlier, ...] = ()
    language: Line
    expected: Literal["emergency", "crisis", "none"]
    category: Line | None = None
    kind: Line

    def asked(self) -> Question:
        """Return it as a caller asks it."""
        return Question(text=self.text, history=_turns(self.history))


class SupportCase(Case):
    """A sentence, and whether the passage carries it."""

    passage: Line
    heading: str = ""
    sentence: Line
    supported: bool
    kind: Line

    def laid_out(self) -> Passage:
        """Return the passage as the agent has one."""
        return Passage(
            label="passage.md",
            doc_id="passage.md",
            section="",
            heading=self.heading,
            text=self.passage,
            start=0,
            end=len(self.passage),
        )


class RetrievalCase(Case):
    """A question about a clinic's documents.

    Attributes:
        labels: every label whose section answers it; none for an absent topic.
        held_out: whether it must not be looked at when something is set: every second line.
    """

    question: Line
    labels: tuple[Line, ...]
    kind: Literal["plain", "paraphrased", "absent"]
    held_out: bool

    @classmethod
    def by_line(cls, number: int) -> dict[str, object]:
        """Hold every second line out."""
        return super().by_line(number) | {"held_out": number % 2 == 0}

    @model_validator(mode="after")
    def _absent_is_nowhere(self) -> Self:
        if bool(self.labels) == (self.kind == "absent"):
            raise ValueError("labels: an absent topic has none, and every other question has some")
        return self


C = TypeVar("C", bound=Case)


def read_suite(path: Path, kind: type[C]) -> list[C]:
    """Read the cases of a suite.

    Raises:
        BadSuite: names the file, the line, the field and what was expected.
    """
    cases: dict[str, C] = {}
    for number, line in _lines(path):
        case = _read_case(f"{path}:{number}", line, kind, number)
        if case.review:
            raise BadSuite(f"{path}:{number}: review: put the case right, and take this field out")
        if case.id in cases:
            raise BadSuite(f"{path}:{number}: id: {case.id} is another line's already")
        cases[case.id] = case
    if not cases:
        raise BadSuite(f"{path}: holds no case; expected one JSON object a line")
    return list(cases.values())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadSuite(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise BadSuite(f"{path}: cannot be read as lines of JSON: {error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _read_case(where: str, line: str, kind: type[C], number: int) -> C:
    try:
        row = _Row.model_validate_json(line).model_extra or {}
        return kind.model_validate(kind.by_line(number) | row)
    except ValidationError as error:
        raise BadSuite(f"{where}: {name_faults(error)}") from None


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow")


def name_faults(error: ValidationError) -> str:
    """Say what is wrong with which field, without the value."""
    faults = (
        ": ".join((*filter(None, [".".join(map(str, fault["loc"]))]), fault["msg"]))
        for fault in error.errors(include_url=False, include_input=False)
    )
    return "; ".join(fault.replace("Value error, ", "") for fault in faults)


def _turns(history: tuple[Earlier, ...]) -> tuple[Turn, ...]:
    return tuple(Turn(role=said.role, text=said.text) for said in history)
