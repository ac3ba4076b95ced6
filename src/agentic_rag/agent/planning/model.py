"""A model that plans: what it says is data, bounded and held against the conversation."""

from collections.abc import Sequence
from typing import Protocol

import orjson

from agentic_rag.agent.deps import Message
from agentic_rag.agent.planning.aspects import heavy
from agentic_rag.agent.planning.parts import MOST_PARTS
from agentic_rag.agent.prompts import plan_prompt
from agentic_rag.domain import Turn
from agentic_rag.language import stem, terms, topic_words

_TURNS, _TURN_CHARS = 6, 400
_MOST_CHARS = 200
_MOST_TOKENS = 120
_GROUNDED = 0.5  # share of a search's own words that the conversation must have


class Awake(Protocol):
    """Models, of which only one that is awake is asked."""

    async def ask_awake(
        self, messages: tuple[Message, ...], *, max_tokens: int, timeout_s: float
    ) -> str | None:
        """Return what a model that answered lately writes; None where none does in time."""
        ...


class ModelPlanner:
    """Has a model put a question in full; where it cannot, nobody waits for it."""

    def __init__(self, models: Awake, *, timeout_s: float) -> None:
        self._models = models
        self._timeout_s = timeout_s

    async def plan(self, question: str, history: Sequence[Turn]) -> tuple[str, ...] | None:
        """Return the question in full, part by part; None: plan without a model."""
        talk = tuple((turn.role, turn.text[:_TURN_CHARS]) for turn in history[-_TURNS:])
        messages: tuple[Message, ...] = (
            ("system", plan_prompt(MOST_PARTS)),
            ("user", _laid_out(talk, question)),
        )
        said = await self._models.ask_awake(
            messages, max_tokens=_MOST_TOKENS, timeout_s=self._timeout_s
        )
        known = {term for text in (question, *(text for _, text in talk)) for term in terms(text)}
        return read_plan(said or "", known)


def read_plan(said: str, known: set[str]) -> tuple[str, ...] | None:
    """Read a JSON list of questions; None where it is none, or strays from the conversation.

    Args:
        said: what the model wrote.
        known: the stems of the conversation's words.

    >>> read_plan('["How long does scaling take?"]', {"scale", "long"})
    ('How long does scaling take?',)
    >>> read_plan('["Where can I buy a car?"]', {"scale"}) is None
    True
    """
    start, end = said.find("["), said.rfind("]")
    try:
        read = orjson.loads(said[start : end + 1]) if start >= 0 else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(read, list) or not 0 < len(read) <= MOST_PARTS:
        return None
    planned = tuple(" ".join(each.split()) for each in read if isinstance(each, str))
    usable = len(planned) == len(read) and all(_is_usable(each, known) for each in planned)
    return planned if usable else None


def _is_usable(planned: str, known: set[str]) -> bool:
    if not topic_words(planned) or len(planned) > _MOST_CHARS:
        return False
    own = [stem(word) for word in heavy(planned)]
    return sum(each in known for each in own) >= _GROUNDED * len(own)


def _laid_out(talk: Sequence[Message], question: str) -> str:
    return orjson.dumps(
        {
            "conversation": [{"role": role, "text": text} for role, text in talk],
            "question": question,
        }
    ).decode()
