"""Talking: a question in its conversation, with what was said before, and what is kept of it."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from agentic_rag.agent.deps import Deps, Talk
from agentic_rag.domain import Answer, Degraded, Question, Turn

Placed = tuple[int, Question]
"""A question with its place in a call."""

_LEAST_S = 0.001  # that a question has left whose time is up: who is next in it refuses it


@dataclass(frozen=True, slots=True)
class InTurn:
    """A question as its conversation has it: with what is remembered, and the time that is left.

    Attributes:
        recalls: whether its history is what is remembered, and not what it brought itself.
    """

    question: Question
    talk: Talk | None = None
    recalls: bool = False

    async def answered(self, answer: Answer) -> Answer:
        """Remember the turn; then the answer may go out, and says so where not all is kept."""
        if self.talk is None:
            return answer
        is_kept = await self.talk.remember(*_turns(self.question, answer))
        if is_kept and (self.talk.is_whole or not self.recalls):
            return answer
        return replace(answer, degraded=Degraded.SESSION_UNAVAILABLE)


@asynccontextmanager
async def talking(question: Question, deps: Deps) -> AsyncIterator[InTurn]:
    """Take a question's turn in its conversation, where it belongs to one.

    Raises:
        Overloaded: others speak there for longer than the question has time.
    """
    session_id = _conversation_of(question)
    if deps.conversations is None or session_id is None:
        yield InTurn(question)
        return
    start, is_new = time.monotonic(), question.session_is_new
    until = _latest(question)
    async with deps.conversations.turn(session_id, is_new=is_new, until=until) as talk:
        left = hastened(question, start)
        if question.history:
            yield InTurn(left, talk)
        else:
            yield InTurn(replace(left, history=talk.history), talk, recalls=True)


async def overheard(question: Question, deps: Deps) -> Question | None:
    """Return a question with what is remembered, before its turn; None where that tells no more.

    So an emergency is known by what was said before, however long another speaks there.
    """
    session_id = _conversation_of(question)
    if deps.conversations is None or session_id is None:
        return None
    if question.history or question.session_is_new:
        return None
    history = await deps.conversations.glance(session_id, until=_latest(question))
    return replace(question, history=history) if history else None


def hastened(question: Question, start: float) -> Question:
    """Take the time since then, as `time.monotonic` has it, off what a question has."""
    if question.timeout_s is None:
        return question
    spent_s = time.monotonic() - start
    return replace(question, timeout_s=max(_LEAST_S, question.timeout_s - spent_s))


def noted(question: Question, answer: Answer, deps: Deps) -> None:
    """Remember soon the turn of one whose answer waits for nobody."""
    session_id = _conversation_of(question)
    if deps.conversations is not None and session_id is not None:
        deps.conversations.note(session_id, *_turns(question, answer))


def by_session(questions: Sequence[Question]) -> list[list[Placed]]:
    """Part questions, with their places, by the sessions they were brought in; others stand alone.

    >>> asked = [Question(text="?", session_id=each) for each in ("a", None, "a")]
    >>> [[at for at, _ in talk] for talk in by_session(asked)]
    [[0, 2], [1]]
    """
    talks: dict[str | int, list[Placed]] = {}
    for at, each in enumerate(questions):
        own = None if each.session_is_new else each.session_id
        talks.setdefault(at if own is None else own, []).append((at, each))
    return list(talks.values())


def _conversation_of(question: Question) -> str | None:
    """Return the session that is talked in: none where a new one brings a history of its own."""
    return None if question.session_is_new and question.history else question.session_id


def _latest(question: Question) -> float | None:
    return None if question.timeout_s is None else time.monotonic() + question.timeout_s


def _turns(question: Question, answer: Answer) -> tuple[Turn, Turn]:
    return Turn(role="user", text=question.text), Turn(role="assistant", text=answer.text)
