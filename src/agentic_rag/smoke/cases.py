"""The questions that are asked, and what is wrong with an answer to one. Pure, but for the file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agentic_rag.domain import Answer, Outcome
from agentic_rag.errors import BadCases
from agentic_rag.yaml_files import read_yaml

LAB = Path(__file__).with_name("lab.yaml")
_MARKER = re.compile(r"\[(\d{1,3})\]")


class Case(BaseModel):
    """A question, and what a right answer to it has; see lab.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(min_length=1)
    outcome: Outcome
    facts: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()


_CASES = TypeAdapter(list[Case])


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What of an answer every door tells."""

    text: str
    outcome: str
    sources: tuple[str, ...]
    generator: str
    degraded: str | None
    tokens: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an answer, and what to do about it."""

    found: str
    remedy: str


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file.

    Raises:
        BadCases: names the file, the field and what was expected.
    """
    try:
        cases = _CASES.validate_python(read_yaml(path))
    except OSError as error:
        raise BadCases(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadCases(f"{path}: is not YAML") from None
    except ValidationError as error:
        fault: Any = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise BadCases(f"{path}: {where or 'the file'}: {fault['msg'].lower()}") from None
    if not cases:
        raise BadCases(f"{path}: expected at least one question")
    return cases


def telling(cases: Sequence[Case]) -> Case:
    """Return the case that tells most of how well it goes: the first that has an answer."""
    return next((case for case in cases if case.outcome is Outcome.ANSWERED), cases[0])


def said_by(answer: Answer) -> Said:
    """Return what an answer says."""
    return Said(
        text=answer.text,
        outcome=answer.outcome,
        sources=answer.sources,
        generator=answer.generator,
        degraded=answer.degraded,
        tokens=answer.usage.total_tokens,
    )


def faults(case: Case, said: Said) -> Iterator[Fault]:
    """Yield what is wrong with an answer; of an answer of another outcome, only that."""
    if said.outcome != case.outcome:
        yield _other_outcome(case, said)
        return
    missing = [fact for fact in case.facts if fact.casefold() not in said.text.casefold()]
    if missing:
        told = f"does not say {', '.join(map(repr, missing))}"
        yield Fault(told, "see that the pack is this clinic's, and run `agentic-rag ingest`")
    if case.outcome is Outcome.ANSWERED and not (said.sources and _MARKER.search(said.text)):
        found = "no citation: nothing says what the answer rests on"
        yield Fault(found, "see what stands between: the server itself never answers without one")
        return
    wanting = [c for c in case.cites if not any(s.startswith(c) for s in said.sources)]
    if wanting:
        told = f"cites {', '.join(said.sources) or 'nothing'}, and not {', '.join(wanting)}"
        yield Fault(told, "see that the pack is this clinic's, and run `agentic-rag ingest`")


def _other_outcome(case: Case, said: Said) -> Fault:
    if case.outcome is Outcome.EMERGENCY:
        found = f"an emergency was not caught: it was {said.outcome}"
        return Fault(found, "take it out of service; see the triage rules, and what stands between")
    found = f"was {said.outcome}, expected {case.outcome}"
    if said.degraded:
        found += f" ({said.degraded})"
    return Fault(found, "see `agentic-rag doctor` where it runs, or ask again with `debug`")
