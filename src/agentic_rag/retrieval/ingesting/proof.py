"""Proof: asks a new index version questions whose answers are known, before it goes live."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from agentic_rag.errors import IndexUnproven
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.opening import open_version

_AMONG = 10  # hits that the right one has to be among
_ENOUGH = 0.9  # of the questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A question, in the ways in which it is searched for, and the label of what answers it."""

    queries: Sequence[str]
    label: str


def ask_known(
    version: IndexVersion, shop: Workshop, taste: Taste, questions: Sequence[Known]
) -> None:
    """Ask a version what is known; it may be called where an event loop runs.

    Raises:
        IndexUnproven: too few of the right passages are among the first hits.
        RetrievalUnavailable: it cannot be asked.
    """
    if not questions:
        return
    with ThreadPoolExecutor(1, "proof") as aside:
        missed = aside.submit(asyncio.run, _missed(version, shop, taste, questions)).result()
    if len(missed) > (1 - _ENOUGH) * len(questions) + 1e-9:
        found = len(questions) - len(missed)
        raise IndexUnproven(
            f"the new index version finds the answers to {found} of {len(questions)} known"
            f" questions, and {_ENOUGH:.0%} are wanted; the live one stays. Missed, see the pack's"
            " probes.jsonl: " + "; ".join(missed),
            missed,
        )


async def _missed(
    version: IndexVersion, shop: Workshop, taste: Taste, questions: Sequence[Known]
) -> list[str]:
    index = await open_version(version, shop, taste)
    try:
        missed = []
        for known in questions:
            vectors = shop.embedder.encode(known.queries)
            hits = await index.search(known.queries, vectors, k=_AMONG)
            if known.label not in {hit.label for hit in hits}:
                missed.append(f"{known.queries[0]} ({known.label})")
        return missed
    finally:
        await index.store.close()
        if shop.server:  # its connections belong to this event loop
            await shop.server.close()
