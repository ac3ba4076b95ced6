"""Generate: asks the LLM ladder for a draft."""

import logging

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Brief, Deps
from agentic_rag.agent.state import Heard, Journey
from agentic_rag.domain import Degraded, Draft
from agentic_rag.errors import RetrievalUnavailable

logger = logging.getLogger(__name__)

_QUOTING_S, _QUOTING_SHARE = 0.5, 0.3  # kept back for the documents' own words and their proof


async def generate(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `draft`; it is empty where the last rung lost the embedder that it quotes with."""
    question = state["question"]
    brief = Brief(
        messages=state["messages"],
        wants=state.get("held") or state["wants"],
        passages=state["evidence"],
        expected=state.get("expected", {}),
        max_tokens=question.max_tokens,
        temperature=question.temperature,
        sampling=question.sampling,
        when_cold=question.when_cold,
        deadline=_deadline(state),
        hear=(lambda text: runtime.stream_writer(Heard(text))) if runtime.context.live else None,
    )
    try:
        return {"draft": await runtime.context.ladder.write(brief)}
    except RetrievalUnavailable as error:
        logger.warning("nothing can be quoted: %s", error)
        trouble = Degraded.RETRIEVAL_UNAVAILABLE
        return {"draft": Draft(text="", generator="extractive", degraded=trouble)}


def _deadline(state: Journey) -> float | None:
    deadline, whole_s = state.get("deadline"), state["question"].timeout_s
    if deadline is None or whole_s is None:
        return None
    return deadline - min(_QUOTING_S, _QUOTING_SHARE * whole_s)
