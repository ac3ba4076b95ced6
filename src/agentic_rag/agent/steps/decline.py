"""Decline: says plainly that the documents do not hold it, and whom to call."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.planning.tongue import ENGLISH
from agentic_rag.agent.replies import declined
from agentic_rag.agent.state import Journey


async def decline(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer; it has no source, because nothing was found that carries one."""
    profile, trouble = runtime.context.profile, state["trouble"]
    return {"answer": declined(profile, trouble, state.get("language", ENGLISH))}
