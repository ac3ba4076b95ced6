"""Retrieve: runs the planned searches together."""

import logging

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Degraded
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.injection import withheld

logger = logging.getLogger(__name__)


async def retrieve(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `passages`, what is `beside` them, and their `index`, or the `trouble` that kept us.

    What talks to models is not in them: from here on nobody can follow it, quote it or cite it.
    """
    deps = runtime.context
    k = state["question"].k or deps.limits.top_k
    try:
        found = await deps.retriever.search(state["searches"], k=k)
        around = await deps.retriever.beside(found)
    except RetrievalUnavailable as error:
        logger.warning("retrieval is unavailable: %s", error)
        return {"passages": (), "beside": (), "trouble": Degraded.RETRIEVAL_UNAVAILABLE}
    passages, beside = (tuple(filter(None, map(withheld, each))) for each in (found, around))
    return {
        "passages": passages,
        "beside": beside,
        "index": deps.retriever.version,
        "trouble": None,
    }
