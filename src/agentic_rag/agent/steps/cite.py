"""Cite: ties each sentence to the passage that carries it and drops what none carries."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Brief, Deps
from agentic_rag.agent.planning.tongue import ENGLISH
from agentic_rag.agent.replies import declined, noted
from agentic_rag.agent.state import Journey
from agentic_rag.domain import Answer, Citation, Degraded, Draft, Dropped, Outcome, Passage
from agentic_rag.errors import CheckerUnavailable, RetrievalUnavailable
from agentic_rag.injection import talks_to_models
from agentic_rag.language import is_light, stem, terms, topic_words
from agentic_rag.safety.drafts import MOST_CLAIMS, Claim, claims
from agentic_rag.safety.support import NOTHING, Support, find_support
from agentic_rag.safety.wording import Dictionary, dictionary, groups_of

logger = logging.getLogger(__name__)

_NAMED = 0.1  # what the draft's own marker is worth against a better match elsewhere


@dataclass(frozen=True, slots=True)
class Proven:
    """A sentence without its markers, and where it stands."""

    sentence: str
    passage: Passage
    support: Support

    @property
    def quote(self) -> str:
        """The words of the passage that carry it."""
        return self.passage.text[self.support.start : self.support.end]


async def cite(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write the answer out of proven sentences; where too little is left, quote the documents."""
    deps, draft, passages = runtime.context, state["draft"], state["evidence"]
    words = dictionary(groups_of(deps.profile.synonyms))
    proven, dropped = judge_all(draft.text, passages, words)
    if draft.generator != "extractive":  # the documents' own words need no second opinion
        held, opposed = await _opposed(proven, deps)
        proven, dropped = held, [*dropped, *opposed]
        if not speaks_to(state["wants"], proven):
            dropped += [
                Dropped(sentence=each.sentence, why="beside_the_question") for each in proven
            ]
            draft = await _quoted(state, deps)
            proven = prove_all(draft.text, passages, words)
    written: Journey = {"dropped": tuple(dropped)}
    if not proven:
        return {**written, "answer": declined(deps.profile, draft.degraded, _language(state))}
    answer = noted(
        assembled(draft, proven), deps.profile, state.get("unheld", ()), _language(state)
    )
    return {**written, "answer": answer}


async def _opposed(proven: Sequence[Proven], deps: Deps) -> tuple[list[Proven], list[Dropped]]:
    """Return what the stronger checker leaves, and what it takes away."""
    held = await unopposed(proven, deps)
    return held, [
        Dropped(sentence=each.sentence, why="checker") for each in proven if each not in held
    ]


def _language(state: Journey) -> str:
    return state.get("language", ENGLISH)


async def _quoted(state: Journey, deps: Deps) -> Draft:
    """Return the documents' own words in place of a draft that did not hold."""
    draft = state["draft"]
    try:
        quoted = await deps.quoter.write(_quoter_brief(state))
    except RetrievalUnavailable:
        return replace(draft, text="", degraded=Degraded.RETRIEVAL_UNAVAILABLE)
    return replace(quoted, usage=draft.usage, degraded=draft.degraded or Degraded.LLM_REJECTED)


async def unopposed(proven: Sequence[Proven], deps: Deps) -> list[Proven]:
    """Drop what the stronger checker, where there is one, does not find in the quote.

    It can only take away. Where it fails nothing could be judged, so nothing is left.
    """
    if not deps.checker or not proven:
        return list(proven)
    pairs = [(f"{each.passage.heading}\n{each.quote}".strip(), each.sentence) for each in proven]
    try:
        carried = await deps.checker.carries(pairs)
    except CheckerUnavailable as error:
        logger.warning("no sentence could be checked: %s", error)
        return []
    return [each for each, is_carried in zip(proven, carried, strict=True) if is_carried]


def speaks_to(wants: Sequence[str], proven: Sequence[Proven]) -> bool:
    """Tell whether what is left of a draft says anything about what was asked.

    Something has to be left; and where the question has topics, a sentence that is left, or the
    heading or quote that it rests on, has to have one of them.
    """
    topics = {stem(word) for want in wants for word in topic_words(want) if not is_light(word)}
    spoken = (f"{each.sentence} {each.passage.heading} {each.quote}" for each in proven)
    return bool(proven) and (
        not topics or any(not topics.isdisjoint(terms(each)) for each in spoken)
    )


def prove_all(
    text: str, passages: Sequence[Passage], words: Dictionary | None = None
) -> list[Proven]:
    """Return the claims of a draft that a passage carries, each once, in order."""
    return judge_all(text, passages, words)[0]


def judge_all(
    text: str, passages: Sequence[Passage], words: Dictionary | None = None
) -> tuple[list[Proven], list[Dropped]]:
    """Return the claims of a draft that a passage carries, and those that none does."""
    said = claims(text, "\n".join(passage.text for passage in passages))
    if len(said) == MOST_CLAIMS:
        logger.info("a long draft was cut: its first %d sentences are judged", MOST_CLAIMS)
    judged = [(claim, prove(claim, passages, words)) for claim in said]
    dropped = [
        Dropped(sentence=claim.text, why="not_carried" if _states(claim.text) else "no_statement")
        for claim, proven in judged
        if not proven
    ]
    return [proven for _, proven in judged if proven], dropped


def prove(
    claim: Claim, passages: Sequence[Passage], words: Dictionary | None = None
) -> Proven | None:
    """Find the passage that carries a claim best; in doubt the one that the draft named.

    Where several carry it whole, the first wins: the evidence stands in order of trust.
    """
    if not _states(claim.text):
        return None
    best, best_rank = None, 0.0
    for number, passage in enumerate(passages, start=1):
        support = find_support(claim.text, passage.text, passage.heading, words)
        rank = min(1.0, support.score + (_NAMED if number in claim.named else 0.0))
        if support is not NOTHING and rank > best_rank:
            best, best_rank = Proven(claim.text, passage, support), rank
    return best


def _states(sentence: str) -> bool:
    """Tell whether a sentence says something to a patient: a question does not, nor an order."""
    return not sentence.endswith("?") and not talks_to_models(sentence)


def assembled(draft: Draft, proven: Sequence[Proven]) -> Answer:
    """Lay proven sentences out as an answer, each with the number of its citation."""
    numbers: dict[tuple[str, int, int], int] = {}
    citations: list[Citation] = []
    lines: list[str] = []
    for each in proven:
        key = (each.passage.label, each.support.start, each.support.end)
        if key not in numbers:
            numbers[key] = len(numbers) + 1
            citations.append(_citation(numbers[key], each))
        lines.append(f"{each.sentence} [{numbers[key]}]")
    sources = tuple(dict.fromkeys(citation.label for citation in citations))
    return Answer(
        text="\n".join([*lines, f"Source: {'; '.join(sources)}"]),
        outcome=Outcome.ANSWERED,
        citations=tuple(citations),
        sources=sources,
        generator=draft.generator,
        adapter=draft.adapter,
        degraded=draft.degraded,
        usage=draft.usage,
        is_cut=draft.is_cut,
    )


def _citation(number: int, proven: Proven) -> Citation:
    passage, support = proven.passage, proven.support
    return Citation(
        number=number,
        label=passage.label,
        doc_id=passage.doc_id,
        section=passage.section,
        quote=proven.quote,
        start=passage.start + support.start,
        end=passage.start + support.end,
        digest=passage.digest,
        support=round(support.score, 3),
    )


def _quoter_brief(state: Journey) -> Brief:
    return Brief(
        messages=(),
        wants=state.get("held") or state["wants"],
        passages=state["evidence"],
        expected=state.get("expected", {}),
        max_tokens=None,
        temperature=None,
    )
