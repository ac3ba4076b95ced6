"""Gates: what a result must say to let a version through, and what it is bound to. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from agentic_rag.adapters.versions import Version
from agentic_rag.errors import AdapterRefused

_CLOCKS_APART = timedelta(minutes=5)


class Gate(StrEnum):
    """The gates, by the name that their results are kept under."""

    SMOKE = "agentic-rag.smoke"
    EVALUATE = "agentic-rag.evaluate"
    LOAD_TEST = "agentic-rag.load-test"


FEWEST = {Gate.SMOKE: 1, Gate.EVALUATE: 20, Gate.LOAD_TEST: 100}
"""Requests that a result must rest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a gate.

    Attributes:
        name, number, digest, base_model: of the version that was measured.
        suite: digest of what was asked and what was wanted.
        against: the version that was live, and was measured beside it; None: none was.
        requests: that were made of the version.
        at: when, as ISO 8601.
        figures: what was measured.
        faults: what was missed, in words.
    """

    gate: Gate
    name: str
    number: int
    digest: str
    base_model: str
    suite: str
    against: int | None
    passed: bool
    requests: int
    at: str
    figures: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self) | {"faults": list(self.faults)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a result has to be about, to let a version through now.

    Attributes:
        suite: digest of what is asked here and now.
        against: the version that is live.
        most_age: that a result may have.
    """

    gate: Gate
    version: Version
    suite: str
    against: int | None
    now: datetime
    most_age: timedelta


def bound(gate: Gate, version: Version) -> dict[str, Any]:
    """Return what ties a result to one version."""
    return {
        "gate": gate,
        "name": version.name,
        "number": version.number,
        "digest": version.digest,
        "base_model": version.base_model,
    }


def check_result(told: Mapping[str, Any] | None, wanted: Wanted) -> None:
    """See that a result, whose seal is good, lets a version through.

    Raises:
        AdapterRefused: says which of all that it is bound to is another, or that it failed.
    """
    gate = wanted.gate.rpartition(".")[2]
    if told is None:
        raise AdapterRefused("not-measured", f"{wanted.version.served_as} has no {gate} result")
    _check_bound(told, wanted, gate)
    if told["passed"] is not True:
        raise AdapterRefused("failed", f"{gate}: {'; '.join(told['faults']) or 'it did not pass'}")
    if told["requests"] < FEWEST[wanted.gate]:
        raise AdapterRefused("too-few", f"{gate}: rests on {told['requests']} requests")
    age = wanted.now - datetime.fromisoformat(told["at"])
    if age > wanted.most_age:
        raise AdapterRefused("expired", f"{gate}: was measured {age.days} days ago")
    if age < -_CLOCKS_APART:
        raise AdapterRefused("not-yet", f"{gate}: was measured at {told['at']}, which is to come")


def _check_bound(told: Mapping[str, Any], wanted: Wanted, gate: str) -> None:
    for field_name, value in bound(wanted.gate, wanted.version).items():
        if told[field_name] != value:
            raise AdapterRefused("borrowed", f"{gate}: it is of another {field_name}")
    if told["suite"] != wanted.suite:
        raise AdapterRefused("other-suite", f"{gate}: other things were asked, or wanted")
    if told["against"] != wanted.against:
        raise AdapterRefused("other-live", f"{gate}: another version was live: {told['against']}")


def stamp(now: datetime) -> str:
    """Write down a moment."""
    return now.astimezone(UTC).isoformat(timespec="seconds")
