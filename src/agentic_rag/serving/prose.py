"""Prose: an answer told in words that are never taken back, for protocols that only append."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.live import ask_live, paced
from agentic_rag.domain import Answer, Event, Outcome, Question, Sentence
from agentic_rag.serving.stream import HEARTBEAT_S

_MARKER = re.compile(r"\[(\d{1,3})\]$")


class TakenBack(Exception):  # noqa: N818  # named for what happened
    """What was told is void: the model broke off, and another answer took its place."""


async def spoken(
    question: Question, deps: Deps, stops: Sequence[str]
) -> AsyncGenerator[str | Answer | None, None]:
    """Tell an answer piece by piece; None is a silence, the last is the whole Answer.

    Only proven sentences are told. Where the model sleeps the documents' answer is the last word:
    a better one could not take its place.

    Raises:
        Overloaded: too many ask at once; before anything is told.
        TakenBack: what was told does not hold.
    """
    speech = _Speech(stops)
    alone = replace(deps, sleeper=None)  # so that nobody waits for an answer that comes too late
    async with aclosing(paced(ask_live(question, deps=alone), HEARTBEAT_S)) as events:
        async for event in events:
            if isinstance(event, Answer):
                answer = stopped(event, stops)
                yield speech.more(answer.text)
                yield answer
            else:
                yield None if event is None else speech.hear(event)


class _Speech:
    """What has been said of the draft that is being written."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._lines: list[str] = []
        self._said = ""

    def hear(self, event: Event) -> str:
        """Return what an event adds, which may be nothing."""
        if not isinstance(event, Sentence):
            return ""
        self._lines = [*self._lines[: event.index], event.text]
        told = "\n".join(_before(self._lines, self._stops))
        return "" if self._said.startswith(told) else self.more(told)

    def more(self, text: str) -> str:
        """Return what a text has beyond what was said.

        Raises:
            TakenBack: it begins otherwise.
        """
        if not text.startswith(self._said):
            raise TakenBack
        new, self._said = text[len(self._said) :], text
        return new


def stopped(answer: Answer, stops: Sequence[str]) -> Answer:
    """Return an answer up to the sentence in which a stop sequence stands, with its own proofs.

    A sentence is told whole or not at all: half of one could say another thing. What rules say,
    an emergency before all, is not cut.
    """
    found = any(stop in answer.text for stop in stops)
    if not found or answer.outcome is not Outcome.ANSWERED or not answer.citations:
        return answer
    lines = _before(answer.text.split("\n")[:-1], stops)
    named = {int(marker[1]) for line in lines if (marker := _MARKER.search(line))}
    citations = tuple(each for each in answer.citations if each.number in named)
    sources = tuple(dict.fromkeys(each.label for each in citations))
    sourced = [*lines, f"Source: {'; '.join(sources)}"]
    return replace(
        answer,
        text="\n".join(sourced if sources and _before(sourced, stops) == sourced else lines),
        citations=citations,
        sources=sources,
        notes=tuple(note for note in answer.notes if note in lines),
        is_cut=False,
    )


def _before(lines: Sequence[str], stops: Sequence[str]) -> list[str]:
    """Return the lines before the one that brings a stop sequence."""
    for count in range(1, len(lines) + 1):
        text = "\n".join(lines[:count])
        if any(stop in text for stop in stops):
            return list(lines[: count - 1])
    return list(lines)
