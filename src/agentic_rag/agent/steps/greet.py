"""Greet: one friendly line of the clinic for a message that asks nothing."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.replies import chatted
from agentic_rag.agent.state import Journey


async def greet(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer; it says nothing of the clinic's documents, so it cites none."""
    return {"answer": chatted(runtime.context.profile, state["small_talk"], state["language"])}
