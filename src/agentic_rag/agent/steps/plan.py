"""Plan: makes searches out of the question."""

from collections.abc import Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.planning.aspects import heavy
from agentic_rag.agent.planning.follow_up import context_of, looser
from agentic_rag.agent.planning.parts import Part, parts_of
from agentic_rag.agent.planning.small_talk import small_talk
from agentic_rag.agent.planning.tongue import ENGLISH, in_english, language_of
from agentic_rag.agent.state import Journey
from agentic_rag.clinic.synonyms import in_their_words
from agentic_rag.domain import Turn
from agentic_rag.language import topic_words, words


async def plan(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `wants` and `searches`, and count the attempt; small talk wants nothing.

    On a second visit the words that no passage spoke of are searched for alone, and left out of
    the rest. What is wanted stays the same, but for a follow-up: it may have changed the subject.
    """
    asked, deps = state["question"].text, runtime.context
    talk = small_talk(asked)
    parts = [] if talk else await _parts(state, deps)
    synonyms = deps.profile.synonyms
    wants = [in_their_words(part.asked, synonyms) for part in parts]
    loose = [want for want, part in zip(wants, parts, strict=True) if part.loose]
    missing = state.get("missing", ())
    first = _searches(asked, parts)
    return {
        "small_talk": talk,
        "language": language_of(asked),
        "wants": tuple(dict.fromkeys(wants)),
        "loose": tuple(loose),
        "searches": tuple(dict.fromkeys(_again(first, missing) if missing else [*first, *wants])),
        "attempts": state.get("attempts", 0) + 1,
    }


async def _parts(state: Journey, deps: Deps) -> list[Part]:
    """Return what is asked, in full: as a model that is awake has it, else by rule."""
    question, again = state["question"], state.get("attempts", 0) > 0
    context = context_of([replace(turn, text=_read(turn)) for turn in question.history])
    parts = parts_of(_in_english(question.text), context)
    if deps.planner and (context.topic or again or len(parts) > 1):
        planned = await deps.planner.plan(question.text, question.history)
        if planned:
            return [Part(each, each) for each in planned]
    if not again:
        return parts
    held = state.get("held", ())
    synonyms = deps.profile.synonyms
    return [
        part
        if in_their_words(part.asked, synonyms) in held
        else replace(part, asked=looser(part.asked, part.bare, context))
        for part in parts
    ]


def _searches(asked: str, parts: Sequence[Part]) -> list[str]:
    """Search for the parts, and for the words as they were said unless they say no topic."""
    in_full = [part.asked for part in parts]
    if len(parts) > 1:
        return [asked, *in_full]
    return [*in_full, asked] if heavy(asked) else in_full


def _again(searches: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Search for what was missing alone, and for the rest without it."""
    rests = (" ".join(word for word in words(search) if word not in missing) for search in searches)
    return [" ".join(missing), *(rest for rest in rests if topic_words(rest))]


def _read(turn: Turn) -> str:
    return _in_english(turn.text) if turn.role == "user" else turn.text


def _in_english(text: str) -> str:
    return text if language_of(text) == ENGLISH else in_english(text) or text
