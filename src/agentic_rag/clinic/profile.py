"""Reads a clinic pack and refuses a bad one by file and field."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from agentic_rag.domain import SectionQuestions
from agentic_rag.errors import BadPack

SHIPPED_PACK = Path(__file__).parent / "atharva"

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1500)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 ()-]{1,24}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Row = TypeVar("_Row", bound=_Strict)
Tongue = Literal["en", "hi", "mr"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_CLOCK = r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
Span = Annotated[str, StringConstraints(pattern=rf"^{_CLOCK}-{_CLOCK}$")]


class Phones(_Strict):
    """Whom to call.

    Attributes:
        ambulance: the number of the country's ambulances.
        all_emergencies: the one for every emergency, such as 112.
    """

    front_desk: Phone
    emergency: Phone
    ambulance: Phone | None = None
    all_emergencies: Phone | None = None


class Crisis(_Strict):
    """Whom somebody can talk to who thinks of ending their life.

    Attributes:
        texts: what is said first, by language; English where there is none.
    """

    name: Line = "Crisis line"
    phone: Phone | None = None
    texts: dict[Tongue, Paragraph] = Field(default_factory=dict)


class RedFlag(_Strict):
    """A rule that a pack adds to the shipped ones.

    Attributes:
        patterns: phrases; each matches as whole words, however they are spelt.
        reason: why it is an emergency, in plain language.
        source: the guideline that it rests on.
        examples: what the rules have to find, and `counter_examples` what they may not.
    """

    category: Line
    reason: Line
    patterns: tuple[Line, ...] = Field(min_length=1)
    source: Line = "the clinic"
    examples: tuple[Line, ...] = ()
    counter_examples: tuple[Line, ...] = ()


class Texts(_Strict):
    """What the clinic says in one language; what is left out is said in the shipped words.

    `{clinic}`, `{front_desk}` and `{emergency}` stand for its name and phones, `{what}` for what
    was asked.

    Attributes:
        declined: the documents do not hold it.
        unavailable: the documents cannot be read now.
        quoted: the answer is in the documents' language, not in the patient's.
        unheld: the documents do not hold one part of what was asked.
    """

    greeting: Line | None = None
    thanks: Line | None = None
    introduction: Line | None = None
    goodbye: Line | None = None
    declined: Line | None = None
    unavailable: Line | None = None
    quoted: Line | None = None
    unheld: Line | None = None


class Profile(_Strict):
    """`clinic.yaml`.

    Attributes:
        emergency_lines: the first line of an emergency's answer in the patient's language.
        crisis: for somebody who may harm themselves.
        open_hours: the hours, for programs: by weekday, "09:30-18:30"; a night is cut at "24:00".
        elsewhere: topics that patients ask for and the documents do not speak of.
        texts: the clinic's own words for what needs no documents, by language.
    """

    name: Line
    location: Line
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    timezone: str
    languages: tuple[Line, ...] = Field(min_length=1)
    phones: Phones
    emergency_source: Line
    emergency_lines: dict[Tongue, Line] = Field(default_factory=dict)
    crisis: Crisis = Field(default_factory=Crisis)
    hours: Line | None = None
    open_hours: dict[Day, tuple[Span, ...]] = Field(default_factory=dict)
    synonyms: dict[Line, tuple[Line, ...]] = Field(default_factory=dict)
    elsewhere: tuple[Line, ...] = ()
    noisy_sources: tuple[Line, ...] = ()
    precedence: tuple[Line, ...] = ()
    triage: tuple[RedFlag, ...] = ()
    texts: dict[Literal["en", "hi", "mr", "hi-Latn", "mr-Latn"], Texts] = Field(
        default_factory=dict
    )
    disclaimer: Line | None = None
    tone: Line | None = None

    @field_validator("open_hours")
    @classmethod
    def _forwards(cls, value: dict[Day, tuple[Span, ...]]) -> dict[Day, tuple[Span, ...]]:
        for day, spans in value.items():
            for span in spans:
                start, _, end = span.partition("-")
                if start >= end:
                    raise ValueError(f"{day}: expected an end behind the start, found {span}")
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("expected a name of the IANA time zone database") from None
        return value


class KnownQuestion(_Strict):
    """A line of `probes.jsonl`: a question, and the label of a passage that answers it."""

    question: Line
    label: Line


class ExpectedOfSection(_Strict):
    """A line of `questions.jsonl`; see `SectionQuestions`."""

    section: Annotated[str, StringConstraints(min_length=1)]
    digest: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32})?$")] = ""
    answered: tuple[Line, ...] = ()
    unanswered: tuple[Line, ...] = ()


class Clinic(_Strict):
    """A pack that has been read: the profile, and where its documents lie.

    Attributes:
        known_questions: an index is only good if it finds what answers them.
        questions: what patients may ask of its documents, by section.
    """

    profile: Profile
    folder: Path
    known_questions: tuple[KnownQuestion, ...] = ()
    questions: tuple[SectionQuestions, ...] = ()

    @property
    def documents(self) -> Path:
        """The folder of the clinic's documents."""
        return self.folder / "documents"


def read_clinic(folder: Path | None = None) -> Clinic:
    """Read the pack in `folder`, or the shipped one.

    Raises:
        BadPack: names the file, the field and what was expected.
    """
    folder = folder or SHIPPED_PACK
    path = folder / "clinic.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadPack(f"{path}: there is no such file; a pack is a folder that holds it") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise BadPack(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise BadPack(f"{path}: expected fields and values, found {type(content).__name__}")
    if not (folder / "documents").is_dir():
        raise BadPack(f"{folder / 'documents'}: there is no such folder")
    try:
        profile = Profile.model_validate(content)
    except ValidationError as error:
        raise BadPack(_name_faults(path, error)) from None
    return Clinic(
        profile=profile,
        folder=folder,
        known_questions=_read_lines(folder / "probes.jsonl", KnownQuestion),
        questions=read_questions(folder / "questions.jsonl"),
    )


def read_questions(path: Path) -> tuple[SectionQuestions, ...]:
    """Read what patients may ask of each section; nothing where there is no such file.

    Raises:
        BadPack: names the line, the field and what was expected.
    """
    rows = _read_lines(path, ExpectedOfSection)
    return tuple(SectionQuestions(**each.model_dump()) for each in rows)


def _read_lines(path: Path, kind: type[_Row]) -> tuple[_Row, ...]:
    if not path.exists():
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise BadPack(f"{path}: cannot be read as lines of JSON: {error}") from error
    return tuple(
        _read_line(f"{path}: line {number}", line, kind)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def _read_line(where: str, line: str, kind: type[_Row]) -> _Row:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise BadPack(_name_faults(where, error)) from None


def _name_faults(where: Path | str, error: ValidationError) -> str:
    faults = (
        ": ".join((*filter(None, [".".join(map(str, fault["loc"]))]), fault["msg"]))
        for fault in error.errors()
    )
    return f"{where}: " + "; ".join(faults)
