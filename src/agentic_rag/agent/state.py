"""The journey of one question: the best map of the house."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypedDict

from agentic_rag.agent.deps import Message
from agentic_rag.agent.planning.small_talk import SmallTalk
from agentic_rag.domain import Answer, Degraded, Draft, Dropped, Likeness, Passage, Question
from agentic_rag.safety.redflags import Alarm


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model has just written, before anything in it is believed; "" where it begins."""

    text: str


class Journey(TypedDict, total=False):
    """Each key is written by the step named beside it."""

    question: Question  # the caller
    deadline: float | None  # the caller: until when, as `time.monotonic` has it
    alarm: Alarm | None  # triage
    pries: bool  # triage: whether the agent itself is asked for, and no document
    small_talk: SmallTalk | None  # plan
    language: str  # plan: what the patient writes
    wants: tuple[str, ...]  # plan: what the answer has to speak of, part by part
    readings: Mapping[str, tuple[str, ...]]  # plan: what a want may mean, too
    loose: tuple[str, ...]  # plan: the wants that may be none of their own
    searches: tuple[str, ...]  # plan
    attempts: int  # plan
    passages: tuple[Passage, ...]  # retrieve
    beside: tuple[Passage, ...]  # retrieve: what stands around them in their sections
    index: str | None  # retrieve: the version that was searched
    trouble: Degraded | None  # retrieve, or grade
    relevant: tuple[Passage, ...]  # grade
    held: tuple[str, ...]  # grade: the wants that something relevant answers
    expected: Mapping[str, Likeness]  # grade: how like a held want is to expected questions
    unheld: tuple[str, ...]  # grade: what the other wants ask for, each in a few words
    missing: tuple[str, ...]  # grade
    doubtful: tuple[str, ...]  # grade: what is said in numbers, but not by the most trusted
    disputed: tuple[str, ...]  # grade: labels of passages that a more trusted one contradicts
    evidence: tuple[Passage, ...]  # compose
    messages: tuple[Message, ...]  # compose
    draft: Draft  # generate
    dropped: tuple[Dropped, ...]  # cite: what was written and is not in the answer
    answer: Answer  # cite, escalate, greet or decline
    timings: Annotated[dict[str, float], operator.or_]  # every step, by name, in seconds
    trace: Annotated[tuple[Mapping[str, object], ...], operator.add]  # every step, when asked for
