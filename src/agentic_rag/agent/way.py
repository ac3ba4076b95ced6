"""Tells at a journey's end what the answer was made of. Pure."""

from agentic_rag.agent.state import Journey
from agentic_rag.domain import Outcome, Way


def way_of(journey: Journey) -> Way:
    """Return what those who look after the agent may want to know of a journey."""
    alarm = journey.get("alarm")
    return Way(
        searches=journey.get("searches", ()),
        passages=journey.get("passages", ()),
        relevant=tuple(dict.fromkeys(each.label for each in journey.get("relevant", ()))),
        dropped=journey.get("dropped", ()),
        index=journey.get("index"),
        category=alarm.category if alarm else None,
        reason=_reason(journey),
    )


def _reason(journey: Journey) -> str | None:
    answer = journey["answer"]
    if answer.outcome is not Outcome.DECLINED:
        return None
    if journey.get("pries"):
        return "pries"
    if answer.degraded:
        return answer.degraded.value
    return "not_proven" if journey.get("relevant") else "not_held"
