"""Decline: says plainly that the documents do not hold it, and whom to call."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Answer, Outcome


async def decline(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer; it has no source, because nothing was found that carries one."""
    profile = runtime.context.profile
    trouble = state["trouble"]
    why = (
        "I cannot look into the clinic's documents at the moment."
        if trouble
        else f"I don't have that in the documents of {profile.name}."
    )
    text = f"{why} Please call the front desk on {profile.phones.front_desk}."
    answer = Answer(text=text, outcome=Outcome.DECLINED, generator="rules", degraded=trouble)
    return {"answer": answer}
