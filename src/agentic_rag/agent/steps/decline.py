"""Decline: says plainly that it is not told, or that the documents do not hold it."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.replies import declined, untold
from agentic_rag.agent.state import Journey


async def decline(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer; it has no source, because nothing was found that carries one."""
    if state["pries"]:
        return {"answer": untold(runtime.context.profile)}
    return {"answer": declined(runtime.context.profile, state["trouble"])}
