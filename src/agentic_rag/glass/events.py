"""Events: one log line a request, with nothing in it that a caller wrote but the request's name."""

import logging
from collections.abc import Iterable, Mapping

from agentic_rag.glass.visits import Visit

logger = logging.getLogger(__name__)

_QUIET = frozenset(
    (
        "/healthz",
        "/ready",
        "/metrics",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{model_name}/ready",
    )
)
_SHORT = 16


def tell(visit: Visit, seconds: float) -> None:
    """Log one request that has ended; of probes only at debug."""
    door = visit.door()
    level = logging.DEBUG if door in _QUIET else logging.INFO
    if logger.isEnabledFor(level):
        event = _event(visit, door, seconds)
        told = " ".join(f"{name}={value}" for name, value in event.items())
        logger.log(level, "request %s", told, extra={"event": event})


def _event(visit: Visit, door: str, seconds: float) -> Mapping[str, object]:
    answers = visit.answers
    event: dict[str, object] = {
        "door": door,
        "status": visit.status,
        "seconds": round(seconds, 4),
        "session": (visit.session or "-")[:_SHORT],
        "answers": len(answers),
    }
    if answers:
        event |= {
            "outcome": _each(answer.outcome.value for answer in answers),
            "generator": _each(answer.generator for answer in answers),
            "degraded": _each(str(answer.degraded or "-") for answer in answers),
            "tokens": sum(answer.usage.total_tokens for answer in answers),
        }
        steps: dict[str, float] = {}
        for answer in answers:
            for step, took in answer.timings.items():
                steps[step] = round(steps.get(step, 0.0) + took, 4)
        event["steps"] = steps
    return event


def _each(values: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(values))
