"""Plan: makes searches out of the question."""

import re
from collections.abc import Sequence

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.state import Journey
from agentic_rag.clinic.synonyms import in_their_words
from agentic_rag.domain import Question
from agentic_rag.language import stem, topic_words, words

_PARTS = re.compile(r"\?\s+|\b(?:and also|and|as well as)\b|;", re.IGNORECASE)
_POINTS_BACK = {"it", "that", "this", "they", "them", "those", "these", "there", "one", "ones"}
_ASPECTS = frozenset(
    stem(word)
    for word in words(
        "aftercare charge cost duration expensive fee hour hurt minute month pain painful pay "
        "price risk session sitting step time visit week year"
    )
)
"""What can be asked about a thing: a follow-up asks another, so these are not lent to it."""

_FEWEST_TOPICS = 2  # a part with fewer topic words leans on the rest of the question


async def plan(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `wants` and `searches`, and count the attempt.

    On a second visit the words that no passage spoke of are searched for alone, and left out of
    the rest: what is wanted stays the same.
    """
    question = await runtime.context.retriever.mend(_resolved(state["question"]))
    synonyms = runtime.context.profile.synonyms
    wants = [in_their_words(want, synonyms) for want in _parts(question) or [question]]
    searches = list(dict.fromkeys([question, *wants]))
    missing = state.get("missing", ())
    if missing:
        rest = " ".join(word for word in words(question) if word not in missing)
        searches = [" ".join(missing), *([rest] if topic_words(rest) else [])]
    return {
        "wants": tuple(wants),
        "searches": tuple(searches),
        "attempts": state.get("attempts", 0) + 1,
    }


def _resolved(question: Question) -> str:
    """Lend a follow-up the topic of the patient's question before it."""
    earlier = [turn.text for turn in question.history if turn.role == "user"]
    told = topic_words(question.text)
    leans = len(told) < _FEWEST_TOPICS or _POINTS_BACK & set(words(question.text))
    if not earlier or not leans:
        return question.text
    lent = [w for w in topic_words(earlier[-1]) if w not in told and stem(w) not in _ASPECTS]
    return f"{question.text} ({' '.join(lent)})" if lent else question.text


def _parts(question: str) -> list[str]:
    """Split a question with two parts; a later part with few topic words borrows the first's."""
    parts = [part.strip(" ?.,") for part in _PARTS.split(question)]
    parts = [part for part in parts if topic_words(part)]
    if len(parts) < 2:  # noqa: PLR2004
        return []
    first, *later = parts
    return [first, *(_lent(part, topic_words(first)) for part in later)]


def _lent(part: str, first: Sequence[str]) -> str:
    own = topic_words(part)
    if len(own) >= _FEWEST_TOPICS:
        return part
    return f"{part} ({' '.join(word for word in first if word not in own)})"
