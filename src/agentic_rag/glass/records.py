"""Records: what is kept of an answer, with no name, number or address of a patient's. Pure."""

import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from agentic_rag.domain import Answer, Passage, Question, Turn, Way
from agentic_rag.personal import mask

_MOST_TURNS = 10
_CITED = re.compile(r"^(?P<text>.+) \[(?P<number>\d+)\]$")
_SOURCE = "Source: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A final answer, and under what circumstances it was given.

    Attributes:
        visit: the request's own key, whatever it calls itself.
        caller: who asked, as `hashed` has it; and so is the session.
        at: seconds since 1970.
    """

    question: Question
    answer: Answer
    visit: str
    caller: str
    session: str | None
    door: str
    at: float


def hashed(*names: str) -> str:
    """Return one name for several, from which none of them can be read.

    >>> hashed("a", "bc") == hashed("ab", "c")
    False
    """
    named = sha256()
    for each in names:
        encoded = each.encode("utf-8", "surrogatepass")
        named.update(b"%d:%s" % (len(encoded), encoded))
    return named.hexdigest()


def record_of(seen: Seen) -> dict[str, Any]:
    """Return what is kept, as JSON values. What the patient wrote is masked."""
    return {
        "caller": seen.caller,
        "session": seen.session,
        "door": seen.door,
        "question": mask(seen.question.text),
        "history": [_turn(each) for each in seen.question.history[-_MOST_TURNS:]],
        **told_of(seen.answer, seen.at),
    }


def told_of(answer: Answer, at: float) -> dict[str, Any]:
    """Return what a record holds of the answer alone, given `at` so many seconds since 1970."""
    return {
        "request_id": answer.request_id,
        "at": at,
        "outcome": answer.outcome.value,
        "generator": answer.generator,
        "adapter": answer.adapter,
        "degraded": answer.degraded.value if answer.degraded else None,
        "usage": asdict(answer.usage),
        "timings": {step: round(seconds, 6) for step, seconds in answer.timings.items()},
        **_way(answer.way),
        "sentences": sentences_of(answer),
        "citations": [asdict(each) for each in answer.citations],
    }


def sentences_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the lines of an answer, each with the numbers of its citations; the last is left out.

    A line that was made of the patient's words has none, and is masked.
    """
    lines = [line for line in answer.text.splitlines() if line and not line.startswith(_SOURCE)]
    return [_sentence(line, is_note=line in answer.notes) for line in lines]


def _sentence(line: str, *, is_note: bool) -> dict[str, Any]:
    cited = None if is_note else _CITED.match(line)
    if cited:
        return {"text": cited["text"], "cites": [int(cited["number"])]}
    return {"text": mask(line) if is_note else line, "cites": []}


def _way(way: Way) -> dict[str, Any]:
    relevant = set(way.relevant)
    return {
        "index": way.index,
        "emergency": way.category,
        "reason": way.reason,
        "searches": [mask(each) for each in way.searches],
        "passages": [_passage(each, is_used=each.label in relevant) for each in way.passages],
        "dropped": [{"sentence": mask(each.sentence), "why": each.why} for each in way.dropped],
    }


def _passage(passage: Passage, *, is_used: bool) -> dict[str, Any]:
    return {
        "label": passage.label,
        "score": round(passage.score, 6),
        "digest": passage.digest,
        "start": passage.start,
        "end": passage.end,
        "relevant": is_used,
    }


def _turn(turn: Turn) -> dict[str, str]:
    return {"role": turn.role, "text": mask(turn.text)}
