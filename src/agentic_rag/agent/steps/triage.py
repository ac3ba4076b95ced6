"""Triage: looks for a red flag in what the patient said, by rule."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey


async def triage(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `alarm`; needs no model, no index and no network."""
    question = state["question"]
    said = [turn.text for turn in question.history if turn.role == "user"]
    return {"alarm": runtime.context.red_flags.find([*said, question.text])}
