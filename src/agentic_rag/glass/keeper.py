"""What keeps records of answers, as the narrowest protocol; no answer ever waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from prometheus_client import Counter

from agentic_rag.glass.records import Seen, record_of

MOST_RECORDS = 100_000
MOST_WAITING = 2_000  # records in memory; one is some kB
TOGETHER_S = 0.05  # in which records gather to be written at once
SWEEP_S = 600.0

lost = Counter("agentic_rag_records_dropped", "Records of answers that could not be kept.")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody thought of an answer."""

    request_id: str
    rating: str
    comment: str | None


class Keeper(Protocol):
    """Keeps records for so long and so many.

    Each that waits raises RecordsUnavailable where it cannot be done now.
    """

    def keep(self, seen: Seen) -> None:
        """Keep a record soon. One that cannot be kept is counted."""
        ...

    async def find(self, request_id: str) -> list[dict[str, Any]]:
        """Return the records of all requests of that name, oldest first."""
        ...

    async def rated(self, rating: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the records of answers that were rated so, since then."""
        ...

    async def rate(self, told: Feedback, caller: str) -> bool:
        """Tell whether the caller has such an answer; of several requests the last is rated."""
        ...

    async def forget(self, session: str) -> None:
        """Delete all records of a session."""
        ...

    async def tend(self) -> None:
        """Delete what is too old or too much, again and again, until cancelled."""
        ...

    async def close(self) -> None:
        """Write what waits, and close what is open."""
        ...


def row_of(seen: Seen) -> tuple[Any, ...]:
    """Return a record as tables have it: visit, request_id, caller, session, at, record."""
    record = orjson.dumps(record_of(seen))
    return (seen.visit, seen.answer.request_id, seen.caller, seen.session, seen.at, record)


def whole(row: Sequence[Any]) -> dict[str, Any]:
    """Return a record from what tables have of it: record, rating, comment, rated_at."""
    record, rating, comment, rated_at = row
    feedback = {"rating": rating, "comment": comment, "at": rated_at} if rating else None
    return {**orjson.loads(record), "feedback": feedback}
