"""Asks the golden questions and counts what is right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.domain import Answer, Question

SHIPPED_CASES = Path(__file__).with_name("golden.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a right answer to a question has.

    Attributes:
        labels: beginnings of labels, one of which must be cited; empty: nothing may be cited.
        facts: words that must all stand in the answer, whatever the case of the letters.
    """

    question: str
    outcome: str
    labels: tuple[str, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The cases, each with what was wrong; an empty string where nothing was."""

    results: tuple[tuple[Case, str], ...]

    @property
    def passed(self) -> bool:
        """Tell whether all were right."""
        return not any(fault for _, fault in self.results)

    def as_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        wrong = [{"question": c.question, "fault": f} for c, f in self.results if f]
        return {"cases": len(self.results), "right": len(self.results) - len(wrong), "wrong": wrong}

    def lines(self) -> Iterator[str]:
        """Yield it for a person to read."""
        for case, fault in self.results:
            yield f"{'x' if fault else 'ok':>2}  {case.question}" + (
                f"  ({fault})" if fault else ""
            )
        right = sum(not fault for _, fault in self.results)
        yield f"{right} of {len(self.results)} right"


def read_cases(path: Path = SHIPPED_CASES) -> list[Case]:
    """Read cases from JSON lines."""
    rows = (orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip())
    return [
        Case(
            question=row["question"],
            outcome=row["outcome"],
            labels=tuple(row["labels"]),
            facts=tuple(row["facts"]),
        )
        for row in rows
    ]


async def evaluate(deps: Deps, cases: Sequence[Case] | None = None) -> Report:
    """Ask every case, or the shipped ones, one after another."""
    results = []
    for case in cases or read_cases():
        answer = await ask(Question(text=case.question), deps=deps)
        results.append((case, find_fault(case, answer)))
    return Report(tuple(results))


def find_fault(case: Case, answer: Answer) -> str:
    """Return what is wrong with an answer, or nothing."""
    if answer.outcome != case.outcome:
        return f"{answer.outcome}, expected {case.outcome}"
    lacking = [fact for fact in case.facts if fact.lower() not in answer.text.lower()]
    if lacking:
        return f"lacks {', '.join(lacking)}"
    cited = any(source.startswith(case.labels) for source in answer.sources)
    if cited or not (case.labels or answer.sources):
        return ""
    return f"cites {', '.join(answer.sources) or 'nothing'}"
