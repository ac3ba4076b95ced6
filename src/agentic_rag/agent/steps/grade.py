"""Grade: keeps what answers, names what is missing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Degraded, Passage
from agentic_rag.errors import RetrievalUnavailable

_SEARCHED = 0.3  # search knows the whole collection, relevance the question: what it adds to that
_AS_GOOD = 0.15  # passages that rank so near to the best are ordered by the pack's precedence


async def grade(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `relevant`, best first with `score` set to the relevance, and `missing`."""
    deps, passages = runtime.context, state["passages"]
    if not passages:
        return {"relevant": (), "missing": ()}
    try:
        by_want = await asyncio.gather(
            *(deps.judge.judge(want, passages) for want in state["wants"])
        )
    except RetrievalUnavailable:
        trouble = Degraded.RETRIEVAL_UNAVAILABLE
        return {"relevant": (), "missing": (), "trouble": trouble}
    best = [max(each, key=lambda relevance: relevance.score) for each in zip(*by_want, strict=True)]
    kept = [
        (replace(passage, score=relevance.score), relevance.score + _SEARCHED * passage.score)
        for passage, relevance in zip(passages, best, strict=True)
        if relevance.score >= deps.limits.enough
    ]
    nearest = max(best, key=lambda relevance: relevance.score)
    return {
        "relevant": tuple(_in_order(kept, deps.profile.precedence)),
        "missing": () if kept else nearest.missing,
    }


def _in_order(kept: Sequence[tuple[Passage, float]], precedence: Sequence[str]) -> list[Passage]:
    """Put the passages with the best rank first; among the equally good, the most trusted."""

    def trust(passage: Passage) -> int:
        ranks = (at for at, glob in enumerate(precedence) if fnmatch(passage.doc_id, glob))
        return next(ranks, len(precedence))

    top = max((rank for _, rank in kept), default=0.0)
    ordered = sorted(
        kept, key=lambda k: (k[1] < top - _AS_GOOD, trust(k[0]) * (k[1] >= top - _AS_GOOD), -k[1])
    )
    return [passage for passage, _ in ordered]
