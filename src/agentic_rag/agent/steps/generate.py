"""Generate: asks the LLM ladder for a draft."""

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Brief, Deps
from agentic_rag.agent.state import Journey


async def generate(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `draft`; the last rung quotes the documents, so there always is one."""
    return {"draft": await runtime.context.ladder.write(brief_of(state))}


def brief_of(state: Journey) -> Brief:
    """Gather what a rung needs."""
    question = state["question"]
    return Brief(
        messages=state["messages"],
        wants=state["wants"],
        passages=state["evidence"],
        max_tokens=question.max_tokens,
        temperature=question.temperature,
    )
