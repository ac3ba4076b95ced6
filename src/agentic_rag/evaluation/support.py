"""Measures whether the checker tells what a passage carries from what it almost does."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentic_rag.evaluation.cases import SuiteName, SupportCase
from agentic_rag.evaluation.measures import Measure, by, mean_of_shares
from agentic_rag.evaluation.suite import Fault, Room, Suite


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair, and whether the sentence would be shown."""

    case: SupportCase
    kept: bool


async def attempt(case: SupportCase, room: Room) -> Judged:
    """Have a sentence proven."""
    return Judged(case, room.subject.carries(case.sentence, case.laid_out()))


def measure(judged: Sequence[Judged]) -> list[Measure]:
    """Make figures of it."""
    true = [each for each in judged if each.case.supported]
    false = [each for each in judged if not each.case.supported]
    slices = {"kind": lambda each: each.case.kind}
    return [
        *mean_of_shares(
            "support.balanced_accuracy",
            [each.kept for each in true],
            [not each.kept for each in false],
        ),
        *by("support.false_accepts", false, lambda each: each.kept, slices),
        *by("support.true_kept", true, lambda each: each.kept, slices),
    ]


def fault(judged: Judged) -> Fault | None:
    """Say what is wrong."""
    case = judged.case
    if judged.kept == case.supported:
        return None
    wrong = f"{'shown' if judged.kept else 'dropped'}: {case.kind}"
    return Fault(case=case.id, asked=case.sentence, wrong=wrong)


SUPPORT = Suite(
    name=SuiteName.SUPPORT,
    case=SupportCase,
    needs_index=False,
    attempt=attempt,
    measure=measure,
    fault=fault,
    metrics={
        "balanced_accuracy": "mean of true sentences kept and false ones dropped",
        "false_accepts": "false sentences that would be shown",
        "true_kept": "true sentences that would be shown",
    },
)
