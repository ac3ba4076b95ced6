"""Decline: says plainly that it is not told, or that the documents do not hold it."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.planning.tongue import ENGLISH
from agentic_rag.agent.replies import declined, untold
from agentic_rag.agent.state import Journey


async def decline(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer; it has no source, because nothing was found that carries one."""
    profile = runtime.context.profile
    if state["pries"]:
        return {"answer": untold(profile)}
    return {"answer": declined(profile, state["trouble"], state.get("language", ENGLISH))}
