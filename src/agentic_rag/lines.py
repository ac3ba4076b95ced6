"""Lines: what was looked at, how it is, and what to do about it; one for each thing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["PASS", "WARN", "FAIL"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    state: State
    what: str
    found: str
    remedy: str = ""


def as_json(lines: Sequence[Line]) -> dict[str, Any]:
    """Return the lines for programs."""
    checks = [
        {"state": e.state, "what": e.what, "found": e.found, "remedy": e.remedy} for e in lines
    ]
    return {"ok": all(e.state != "FAIL" for e in lines), "checks": checks}
