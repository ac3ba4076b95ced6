"""Triage: looks, by rule, for a red flag in what was said, and for prying."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.safety.prying import pries


async def triage(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `alarm` and `pries`; needs no model, no index and no network."""
    question = state["question"]
    said = [turn.text for turn in question.history if turn.role == "user"]
    alarm = runtime.context.red_flags.find([*said, question.text])
    return {"alarm": alarm, "pries": pries(question.text)}
