"""Plan: makes searches out of the question."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.planning.aspects import heavy
from agentic_rag.agent.planning.follow_up import Context, context_of, leaning_on, looser
from agentic_rag.agent.planning.parts import Part, parts_of, points, question_alone
from agentic_rag.agent.planning.small_talk import small_talk
from agentic_rag.agent.planning.tongue import ENGLISH, in_english, language_of
from agentic_rag.agent.state import Journey
from agentic_rag.clinic.synonyms import in_their_words
from agentic_rag.domain import Turn
from agentic_rag.injection import talks_to_models
from agentic_rag.language import sentences, topic_words, words

_CITED = 2  # sections of the last answer that a question may lean on


async def plan(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `wants` and `searches`, and count the attempt; small talk wants nothing.

    On a second visit the words that no passage spoke of are searched for alone, and left out of
    the rest. What is wanted stays the same, but for a follow-up: it may have changed the subject.
    Where only numbers are in doubt, all is planned already: what is said of them is searched for.
    """
    if _is_only_doubtful(state):
        searches = tuple(dict.fromkeys([*state["doubtful"], *state["searches"]]))
        return {"searches": searches, "attempts": state["attempts"] + 1}
    asked, deps = state["question"].text, runtime.context
    talk = small_talk(asked)
    parts = [] if talk else await _parts(state, deps)
    synonyms, again = deps.profile.synonyms, state.get("attempts", 0) > 0
    wants = {in_their_words(part.asked, synonyms): part for part in parts}
    return {
        "small_talk": talk,
        "language": language_of(asked),
        "wants": tuple(wants),
        "readings": {
            want: others
            for want, part in wants.items()
            if (others := _readings(part, synonyms, again=again))
        },
        "loose": tuple(want for want, part in wants.items() if part.loose),
        "searches": () if talk else _searches(asked, wants, state),
        "attempts": state.get("attempts", 0) + 1,
    }


def _is_only_doubtful(state: Journey) -> bool:
    """Tell whether something speaks of all that was asked, and only its numbers may be others."""
    spoken = state.get("relevant") and not state.get("unheld") and not state.get("missing")
    return bool(spoken and state.get("doubtful"))


def _readings(part: Part, synonyms: Mapping[str, Sequence[str]], *, again: bool) -> tuple[str, ...]:
    """Return what a part may mean, too; documents may use an abbreviation as the patient does.

    What was told around it may be what it is about, and so may what the last answer cited. On a
    second visit, also without what was told before it.
    """
    said = re.findall(r"\w+", part.asked.upper())
    is_short = any(term.isupper() and term in said for term in synonyms)
    alone = in_their_words(question_alone(part.asked), synonyms) if again else ""
    told = in_their_words(f"{part.told} {part.asked}", synonyms) if part.told else ""
    leaning = (in_their_words(each, synonyms) for each in part.leaning)
    return tuple(filter(None, (part.asked if is_short else "", alone, told, *leaning)))


async def _parts(state: Journey, deps: Deps) -> list[Part]:
    """Return what is asked, in full: as a model that is awake has it, else by rule."""
    question, again = state["question"], state.get("attempts", 0) > 0
    context = context_of([replace(turn, text=_read(turn)) for turn in question.history])
    asked = await deps.retriever.mend(_in_english(_to_the_clinic(question.text)))
    cited = await deps.retriever.headings(context.labels[:_CITED])
    parts = [_leaning(part, cited, context) for part in parts_of(asked, context)]
    if deps.planner and (context.topic or again or _is_guessed(parts)):
        planned = await deps.planner.plan(question.text, question.history)
        if planned:
            return [Part(each, each) for each in planned]
    if not again:
        return parts
    return [
        part
        if _is_held(part, state, deps)
        else replace(part, asked=looser(part.asked, part.bare, context))
        for part in parts
    ]


def _leaning(part: Part, cited: Sequence[str], context: Context) -> Part:
    if part.asked == part.bare:
        return part
    others = leaning_on(part.bare, cited, context)
    return replace(part, leaning=tuple(each for each in others if each != part.asked))


def _is_guessed(parts: Sequence[Part]) -> bool:
    """Tell whether several things are asked of which a rule is not sure."""
    return len(parts) > 1 and any(each.loose or points(each.asked) for each in parts)


def _is_held(part: Part, state: Journey, deps: Deps) -> bool:
    synonyms = deps.profile.synonyms
    mine = {in_their_words(part.asked, synonyms), *_readings(part, synonyms, again=True)}
    return bool(mine & set(state.get("held", ())))


def _searches(asked: str, wants: Mapping[str, Part], state: Journey) -> tuple[str, ...]:
    """Search for the parts, and for the words as they were said unless they say no topic.

    On a second visit for what was missing, and for what is said in numbers, by other documents.
    """
    in_full = [part.asked for part in wants.values()]
    first = [*in_full, asked] if heavy(asked) else in_full
    if len(wants) > 1:
        first = [asked, *in_full]
    missing, doubtful = state.get("missing", ()), state.get("doubtful", ())
    if missing:
        return tuple(dict.fromkeys([*_again(first, missing), *doubtful]))
    return tuple(dict.fromkeys([*doubtful, *first, *wants]))


def _again(searches: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Search for what was missing alone, and for the rest without it."""
    rests = (" ".join(word for word in words(search) if word not in missing) for search in searches)
    return [" ".join(missing), *(rest for rest in rests if topic_words(rest))]


def _to_the_clinic(text: str) -> str:
    """Leave out what gives orders to a model, where a question is left beside it."""
    said = sentences(text)
    return " ".join(each for each in said if not talks_to_models(each)) or text


def _read(turn: Turn) -> str:
    return _in_english(turn.text) if turn.role == "user" else turn.text


def _in_english(text: str) -> str:
    return text if language_of(text) == ENGLISH else in_english(text) or text
