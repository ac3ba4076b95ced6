"""Cite: ties each sentence to the passage that carries it and drops what none carries."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Brief, Deps
from agentic_rag.agent.replies import declined
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Answer, Citation, Degraded, Draft, Outcome, Passage
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.injection import talks_to_models
from agentic_rag.language import sentences
from agentic_rag.safety.support import NOTHING, Support, find_support

_MARKER = re.compile(r"\s*\[(\d{1,3})\]")
_FORGED = re.compile(
    r"^(?:[\W_]*(?:\d+[.)])?[\W_]*(?:sources?|references?|citations?)[\W_]*[:\uff1a]|\s*#{1,6}\s).*$",
    re.IGNORECASE | re.MULTILINE,
)

_NAMED = 0.1  # what the draft's own marker is worth against a better match elsewhere


@dataclass(frozen=True, slots=True)
class _Proven:
    """A sentence without its markers, and where it stands."""

    sentence: str
    passage: Passage
    support: Support


async def cite(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer out of proven sentences; where none is left, quote the documents instead."""
    deps, draft, passages = runtime.context, state["draft"], state["evidence"]
    proven = prove(draft.text, passages)
    if not proven:
        draft = await _quoted(state, deps)
        proven = prove(draft.text, passages)
    if not proven:
        return {"answer": declined(deps.profile, draft.degraded)}
    return {"answer": _answer(draft, proven)}


async def _quoted(state: Journey, deps: Deps) -> Draft:
    """Return the documents' own words in place of a draft that did not hold."""
    draft = state["draft"]
    try:
        quoted = await deps.quoter.write(_quoter_brief(state))
    except RetrievalUnavailable:
        return replace(draft, text="", degraded=Degraded.RETRIEVAL_UNAVAILABLE)
    rejected = None if draft.generator == quoted.generator else Degraded.LLM_REJECTED
    return replace(quoted, usage=draft.usage, degraded=draft.degraded or rejected)


def prove(text: str, passages: Sequence[Passage]) -> list[_Proven]:
    """Return the sentences of a draft that a passage carries, each once, in order."""
    proven: dict[str, _Proven] = {}
    for raw in sentences(_FORGED.sub("", text)):
        sentence = _MARKER.sub("", raw).strip().lstrip("-*• ").strip()
        if not _states(sentence):
            continue
        named = [int(number) - 1 for number in _MARKER.findall(raw)]
        found = _carrier(sentence, passages, named)
        if found:
            proven.setdefault(sentence, found)
    return list(proven.values())


def _states(sentence: str) -> bool:
    """Tell whether a sentence says something to a patient: a question does not, nor an order."""
    return not sentence.endswith("?") and not talks_to_models(sentence)


def _carrier(sentence: str, passages: Sequence[Passage], named: Sequence[int]) -> _Proven | None:
    """Find the passage that carries a sentence best; in doubt the one that the draft named.

    Where several carry it whole, the first wins: the evidence stands in order of trust.
    """
    best, best_rank = None, 0.0
    for at, passage in enumerate(passages):
        support = find_support(sentence, passage.text, passage.heading)
        rank = min(1.0, support.score + (_NAMED if at in named else 0.0))
        if support is not NOTHING and rank > best_rank:
            best, best_rank = _Proven(sentence, passage, support), rank
    return best


def _answer(draft: Draft, proven: Sequence[_Proven]) -> Answer:
    numbers: dict[tuple[str, str], int] = {}
    citations: list[Citation] = []
    lines: list[str] = []
    for each in proven:
        quote = each.passage.text[each.support.start : each.support.end]
        key = (each.passage.label, quote)
        if key not in numbers:
            numbers[key] = len(numbers) + 1
            citations.append(_citation(numbers[key], each, quote))
        lines.append(f"{each.sentence} [{numbers[key]}]")
    sources = tuple(dict.fromkeys(citation.label for citation in citations))
    return Answer(
        text="\n".join([*lines, f"Source: {'; '.join(sources)}"]),
        outcome=Outcome.ANSWERED,
        citations=tuple(citations),
        sources=sources,
        generator=draft.generator,
        degraded=draft.degraded,
        usage=draft.usage,
    )


def _citation(number: int, proven: _Proven, quote: str) -> Citation:
    return Citation(
        number=number,
        label=proven.passage.label,
        doc_id=proven.passage.doc_id,
        section=proven.passage.section,
        quote=quote,
        support=round(proven.support.score, 3),
    )


def _quoter_brief(state: Journey) -> Brief:
    return Brief(
        messages=(),
        wants=state["wants"],
        passages=state["evidence"],
        max_tokens=None,
        temperature=None,
    )
