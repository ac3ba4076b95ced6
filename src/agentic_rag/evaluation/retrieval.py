"""Measures whether the library finds the right section, and whether grade knows when none is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import orjson

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.domain import Outcome, Question

SHIPPED_CASES = Path(__file__).with_name("retrieval.jsonl")

FIRST = 3
"""How many passages are looked at for the right one."""

FOUND, DECLINED, WRONGLY_DECLINED = 0.97, 0.90, 0.03
"""What is wanted: labels found, absent topics declined, answerable questions declined."""

Kind = Literal["plain", "paraphrased", "absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question about a clinic's documents.

    Attributes:
        labels: every label whose section answers it; none for an absent topic.
        held_out: whether it must not be looked at when something is set: every second line.
    """

    question: str
    labels: tuple[str, ...]
    kind: Kind
    held_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a case: the labels of the first passages, and how the agent's answer ended."""

    case: Case
    found: tuple[str, ...]
    outcome: str

    @property
    def is_found(self) -> bool:
        """Tell whether a right label is among the first."""
        return not set(self.found).isdisjoint(self.case.labels)

    @property
    def is_declined(self) -> bool:
        """Tell whether the agent said that the documents do not hold it."""
        return self.outcome == Outcome.DECLINED

    @property
    def fault(self) -> str:
        """Say what is wrong, or nothing."""
        if self.case.kind == "absent":
            return "" if self.is_declined else self.outcome
        faults = [] if self.is_found else [f"found {', '.join(self.found) or 'nothing'}"]
        return "; ".join([*faults, *(["declined"] if self.is_declined else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of some results: None where there is no such case."""

    found: float | None
    declined: float | None
    wrongly_declined: float | None

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Shares":
        """Count."""
        answerable = [each for each in results if each.case.kind != "absent"]
        absent = [each for each in results if each.case.kind == "absent"]
        return cls(
            found=_share(answerable, lambda each: each.is_found),
            declined=_share(absent, lambda each: each.is_declined),
            wrongly_declined=_share(answerable, lambda each: each.is_declined),
        )

    @property
    def passed(self) -> bool:
        """Tell whether it is as good as wanted."""
        return (
            (self.found is None or self.found >= FOUND)
            and (self.declined is None or self.declined >= DECLINED)
            and (self.wrongly_declined is None or self.wrongly_declined <= WRONGLY_DECLINED)
        )

    def as_json(self) -> dict[str, float | None]:
        """Return it as JSON values."""
        return {
            "found": self.found,
            "absent_declined": self.declined,
            "answerable_declined": self.wrongly_declined,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All results."""

    results: tuple[Result, ...]

    def halves(self) -> dict[str, Shares]:
        """Return the shares of the half that may be looked at, the one that may not, and both."""
        return {
            "development": Shares.of([r for r in self.results if not r.case.held_out]),
            "held out": Shares.of([r for r in self.results if r.case.held_out]),
            "both": Shares.of(self.results),
        }

    @property
    def passed(self) -> bool:
        """Tell whether both halves together are as good as wanted."""
        return self.halves()["both"].passed

    def as_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        wrong = [
            {"question": r.case.question, "kind": r.case.kind, "fault": r.fault}
            for r in self.results
            if r.fault
        ]
        halves = {name: shares.as_json() for name, shares in self.halves().items()}
        return {"cases": len(self.results), **halves, "passed": self.passed, "wrong": wrong}

    def lines(self) -> Iterator[str]:
        """Yield it for a person to read."""
        for each in self.results:
            if each.fault:
                yield f"x  {each.case.kind}: {each.case.question}  ({each.fault})"
        for name, shares in self.halves().items():
            yield (
                f"{name}: right label in the first {FIRST} {_percent(shares.found)}, absent topics"
                f" declined {_percent(shares.declined)}, answerable ones declined"
                f" {_percent(shares.wrongly_declined)}"
            )
        wanted = (FOUND, DECLINED, WRONGLY_DECLINED)
        yield "wanted: at least {:.0%}, at least {:.0%}, at most {:.0%}".format(*wanted)


def read_cases(path: Path = SHIPPED_CASES) -> list[Case]:
    """Read cases from JSON lines."""
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    return [
        Case(
            question=row["question"],
            labels=tuple(row["labels"]),
            kind=row["kind"],
            held_out=number % 2 == 0,
        )
        for number, row in enumerate(rows, start=1)
    ]


async def evaluate(deps: Deps, cases: Sequence[Case] | None = None) -> Report:
    """Search and ask every case, or the shipped ones, one after another.

    Answers are quoted from the documents, whatever LLM is set: what is measured is grade.
    """
    quoting = replace(deps, ladder=deps.quoter)
    results = []
    for case in read_cases() if cases is None else cases:
        found = await deps.retriever.search([case.question], k=FIRST)
        answer = await ask(Question(text=case.question), deps=quoting)
        labels = tuple(passage.label for passage in found)
        results.append(Result(case=case, found=labels, outcome=answer.outcome))
    return Report(tuple(results))


async def best_relevances(deps: Deps, cases: Sequence[Case]) -> list[float]:
    """Return for each case the relevance of the passage that fits best, of those that search finds.

    It is what grade compares with `deps.limits.enough`, at the first attempt and for a question
    that is searched for as it stands.
    """
    best = []
    for case in cases:
        found = await deps.retriever.search([case.question], k=deps.limits.top_k)
        judged = await deps.judge.judge(case.question, found)
        best.append(max((each.score for each in judged), default=0.0))
    return best


def _share(results: Sequence[Result], is_so: Callable[[Result], bool]) -> float | None:
    return sum(map(is_so, results)) / len(results) if results else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
