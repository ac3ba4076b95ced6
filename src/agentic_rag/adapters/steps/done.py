"""What a step did: for people a line, for programs JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agentic_rag.adapters.versions import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a step.

    Attributes:
        version: its number; None where the step is about none.
        changed: whether anything is other than it was.
        details: what else is to be told.
    """

    step: str
    name: str
    version: int | None = None
    digest: str | None = None
    passed: bool = True
    changed: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def done(step: str, version: Version, **more: Any) -> Done:  # noqa: ANN401  # Done's own fields
    """Say what a step did to a version."""
    return Done(step=step, name=version.name, version=version.number, digest=version.digest, **more)
