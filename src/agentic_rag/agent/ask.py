"""The one way in: a question goes through the graph and comes out as an answer."""

import time
from dataclasses import replace

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.graph import build_graph
from agentic_rag.domain import Answer, Question
from agentic_rag.telemetry import request_id


async def ask(question: Question, *, deps: Deps) -> Answer:
    """Answer one question, from one version of the index.

    Raises:
        LlmUnavailable, RetrievalUnavailable: never; they end in `Answer.degraded`.
    """
    start = time.perf_counter()
    async with deps.retriever.pinned() as pinned:
        journey = await build_graph().ainvoke(
            {"question": question, "timings": {}, "trace": ()},
            {"recursion_limit": deps.limits.max_steps},
            context=replace(deps, retriever=pinned),
        )
    answer: Answer = journey["answer"]
    return replace(
        answer,
        timings={**journey["timings"], "total": time.perf_counter() - start},
        request_id=request_id.get(),
        trace=journey["trace"] if question.debug else None,
    )
