"""Generate: asks the LLM ladder for a draft."""

import logging

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Brief, Deps
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Degraded, Draft
from agentic_rag.errors import RetrievalUnavailable

logger = logging.getLogger(__name__)


async def generate(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `draft`; it is empty where the last rung lost the embedder that it quotes with."""
    question = state["question"]
    brief = Brief(
        messages=state["messages"],
        wants=state.get("held") or state["wants"],
        passages=state["evidence"],
        max_tokens=question.max_tokens,
        temperature=question.temperature,
    )
    try:
        return {"draft": await runtime.context.ladder.write(brief)}
    except RetrievalUnavailable as error:
        logger.warning("nothing can be quoted: %s", error)
        trouble = Degraded.RETRIEVAL_UNAVAILABLE
        return {"draft": Draft(text="", generator="extractive", degraded=trouble)}
