"""Measures whether the library finds the right section, and whether grade knows when none is."""

from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import RR, nDCG

from agentic_rag.domain import Outcome, Question
from agentic_rag.evaluation.cases import RetrievalCase, SuiteName
from agentic_rag.evaluation.measures import Measure, by, mean
from agentic_rag.evaluation.suite import Fault, Room, Suite

FIRST = 3
"""How many passages are looked at for the right one."""

TOP = 10
"""How many passages a ranking has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What came of a question: the labels that were found, and how the agent's answer ended."""

    case: RetrievalCase
    found: tuple[str, ...]
    outcome: Outcome

    @property
    def is_found(self) -> bool:
        """Tell whether a right label is among the first."""
        return not set(self.found[:FIRST]).isdisjoint(self.case.labels)

    @property
    def is_declined(self) -> bool:
        """Tell whether the agent said that the documents do not hold it."""
        return self.outcome == Outcome.DECLINED


async def attempt(case: RetrievalCase, room: Room) -> Searched:
    """Search for a question, and see whether the documents' own words would answer it."""
    passages = await room.subject.search(case.question, TOP)
    outcome = await room.subject.ends(Question(text=case.question))
    labels = tuple(dict.fromkeys(passage.label for passage in passages))
    return Searched(case=case, found=labels, outcome=outcome)


def measure(searched: Sequence[Searched]) -> list[Measure]:
    """Make figures of it."""
    answerable = [each for each in searched if each.case.labels]
    absent = [each for each in searched if not each.case.labels]
    slices = {
        "half": lambda each: "held out" if each.case.held_out else "development",
        "kind": lambda each: each.case.kind,
    }
    return [
        *by("retrieval.found", answerable, lambda each: each.is_found, slices),
        *_ranked(answerable),
        *by("retrieval.absent_declined", absent, lambda each: each.is_declined, slices),
        *by("retrieval.answerable_declined", answerable, lambda each: each.is_declined, slices),
    ]


def _ranked(searched: Sequence[Searched]) -> list[Measure]:
    relevant = {each.case.id: dict.fromkeys(each.case.labels, 1) for each in searched}
    run = {
        each.case.id: {label: float(TOP - at) for at, label in enumerate(each.found)}
        for each in searched
    }
    measured: list[Measure] = []
    for name, wanted in (("ndcg_at_10", nDCG @ TOP), ("rr_at_10", RR @ TOP)):
        values = [float(each.value) for each in ir_measures.iter_calc([wanted], relevant, run)]
        measured += mean(f"retrieval.{name}", values)
    return measured


def fault(searched: Searched) -> Fault | None:
    """Say what is wrong."""
    wrong = []
    if searched.case.labels and not searched.is_found:
        wrong.append(f"found {', '.join(searched.found[:FIRST]) or 'nothing'}")
    if searched.is_declined == bool(searched.case.labels):
        wrong.append(str(searched.outcome))
    if not wrong:
        return None
    return Fault(case=searched.case.id, asked=searched.case.question, wrong="; ".join(wrong))


RETRIEVAL = Suite(
    name=SuiteName.RETRIEVAL,
    case=RetrievalCase,
    needs_index=True,
    attempt=attempt,
    measure=measure,
    fault=fault,
    metrics={
        "found": "questions with a right section among the first three",
        "ndcg_at_10": "how well the first ten are ranked (nDCG)",
        "rr_at_10": "one by the rank of the first right section, in the mean",
        "absent_declined": "absent topics that were declined",
        "answerable_declined": "answerable questions that were declined",
    },
)
