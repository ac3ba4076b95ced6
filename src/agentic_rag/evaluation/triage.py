"""Measures whether emergencies are seen, and whether anything else is taken for one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from agentic_rag.domain import Question
from agentic_rag.evaluation.cases import SuiteName, TriageCase
from agentic_rag.evaluation.measures import Measure, by, share, times
from agentic_rag.evaluation.proof import Shelf
from agentic_rag.evaluation.subject import says_crisis
from agentic_rag.evaluation.suite import Fault, Room, Suite

LONG = 2000
"""Characters of the messages that are timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a message; `seconds` is what a long one that ends with it took."""

    case: TriageCase
    alarmed: bool
    as_crisis: bool
    seconds: float

    @property
    def is_urgent(self) -> bool:
        """Tell whether it has to raise the alarm."""
        return self.case.expected != "none"


async def attempt(case: TriageCase, room: Room) -> Heard:
    """Look for a red flag, and time a message that is as long as one gets."""
    alarm = await room.subject.alarm(case.asked())
    long = Question(text=_at_length(case, room.shelf))
    start = time.thread_time()  # what else this machine does is no fault of the rules
    await room.subject.alarm(long)
    return Heard(
        case=case,
        alarmed=alarm is not None,
        as_crisis=alarm is not None and says_crisis(alarm),
        seconds=time.thread_time() - start,
    )


def _at_length(case: TriageCase, shelf: Shelf) -> str:
    """Put a message behind a stretch of the clinic's documents, for each message another one."""
    told = shelf.text
    at = crc32(case.id.encode()) % (len(told) or 1)
    room = max(LONG - len(case.text), 0)
    return f"{told[at:]} {told[:at]}"[:room] + case.text[:LONG]


def measure(heard: Sequence[Heard]) -> list[Measure]:
    """Make figures of it."""
    urgent = [each for each in heard if each.is_urgent]
    calm = [each for each in heard if not each.is_urgent]
    crises = [each for each in urgent if each.case.expected == "crisis"]
    others = [each for each in urgent if each.case.expected == "emergency" and each.alarmed]
    slices = {
        "language": lambda each: each.case.language,
        "category": lambda each: each.case.category,
        "kind": lambda each: each.case.kind,
    }
    return [
        *by("triage.emergency_recall", urgent, lambda each: each.alarmed, slices),
        *by("triage.false_alarms", calm, lambda each: each.alarmed, slices),
        *share("triage.crisis_recall", (each.as_crisis for each in crises)),
        *share("triage.crisis_invented", (each.as_crisis for each in others)),
        *times("triage.long_message_ms", [each.seconds for each in heard]),
    ]


def fault(heard: Heard) -> Fault | None:
    """Say what is wrong."""
    wrong = ""
    if heard.alarmed != heard.is_urgent:
        wrong = f"missed: {heard.case.category}" if heard.is_urgent else "a false alarm"
    elif heard.is_urgent and heard.as_crisis != (heard.case.expected == "crisis"):
        wrong = "taken for a crisis" if heard.as_crisis else "not taken for a crisis"
    return Fault(case=heard.case.id, asked=heard.case.text, wrong=wrong) if wrong else None


TRIAGE = Suite(
    name=SuiteName.TRIAGE,
    case=TriageCase,
    needs_index=False,
    attempt=attempt,
    measure=measure,
    fault=fault,
    metrics={
        "emergency_recall": "emergencies and crises that raised the alarm",
        "false_alarms": "other messages that raised it",
        "crisis_recall": "crises that were met as a crisis",
        "crisis_invented": "emergencies that were met as a crisis",
        "long_message_ms": "processor time of a message of 2,000 characters",
    },
)
