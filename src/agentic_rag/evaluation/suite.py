"""What a suite is: how a case is tried, and what the trials are worth."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agentic_rag.evaluation.cases import Case, SuiteName
from agentic_rag.evaluation.measures import Measure
from agentic_rag.evaluation.proof import Shelf
from agentic_rag.evaluation.subject import Subject

C = TypeVar("C", bound=Case)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where a case is tried: an agent, and its clinic's documents as they are on disk."""

    subject: Subject
    shelf: Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What was wrong with one case."""

    case: str
    asked: str
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Generic[C, T]):
    """A kind of examination.

    Attributes:
        needs_index: whether a case needs the documents, or the rules alone.
        attempt: tries one case.
        measure: makes figures of all that was tried.
        fault: says what was wrong with one, or None.
        metrics: what each figure says, by its name without the suite's.
    """

    name: SuiteName
    case: type[C]
    needs_index: bool
    attempt: Callable[[C, Room], Awaitable[T]]
    measure: Callable[[Sequence[T]], list[Measure]]
    fault: Callable[[T], Fault | None]
    metrics: Mapping[str, str]

    def knows(self, metric: str) -> bool:
        """Tell whether it has such a metric; a time has one for each part of a hundred."""
        stem = metric.removesuffix("_p50").removesuffix("_p95").removesuffix("_p99")
        return metric.startswith(f"{self.name}.") and (
            stem.removeprefix(f"{self.name}.") in self.metrics
        )


AnySuite = Suite[Any, Any]
