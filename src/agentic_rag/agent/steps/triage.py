"""Triage: looks, by rule, for a red flag in what was said, and for prying."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Question
from agentic_rag.safety.prying import pries
from agentic_rag.safety.redflags import Alarm, RedFlags


async def triage(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `alarm` and `pries`; needs no model, no index and no network."""
    question = state["question"]
    alarm = alarm_of(question, runtime.context.red_flags)
    return {"alarm": alarm, "pries": pries(question.text)}


def alarm_of(question: Question, red_flags: RedFlags) -> Alarm | None:
    """Return the alarm that a question or what was said before it raises."""
    said = [turn.text for turn in question.history if turn.role == "user"]
    return red_flags.find([*said, question.text])
