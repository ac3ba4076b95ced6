"""What a server's replies say. Pure: bytes in, nouns out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import orjson

from agentic_rag.client.errors import Busy, ClientError, Failed, Refused
from agentic_rag.domain import (
    Answer,
    Citation,
    Degraded,
    Event,
    LlmStatus,
    Outcome,
    Provisional,
    Sentence,
    StepBegun,
    Usage,
)

T = TypeVar("T")
Json = Mapping[str, Any]

_OF_ONE = "instances[0]."  # v1 takes many questions, and we ask one
_MOST_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that a search found."""

    score: float
    label: str
    doc_id: str
    section: str
    text: str


def read_json(content: bytes) -> Any:  # noqa: ANN401  # JSON
    """Return the JSON of a reply.

    Raises:
        Failed: it is none.
    """
    try:
        return orjson.loads(content)
    except ValueError:
        raise Failed("the reply is no JSON: is that the server's address?") from None


def read_error(status: int, content: bytes, retry_after: str) -> ClientError:
    """Return what a reply that is no success means."""
    try:
        told = orjson.loads(content)
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    message = str(told.get("error") or f"the server said {status}")[:_MOST_CHARS]
    if status in {429, 503}:
        after = float(retry_after) if retry_after.isdecimal() else None
        return Busy(message, retry_after_s=after)
    if not 400 <= status < 500:  # noqa: PLR2004  # HTTP's
        return Failed(message)
    field = str(told.get("field", ""))
    return Refused(
        message.replace(_OF_ONE, "", 1), status=status, field=field.removeprefix(_OF_ONE)
    )


def read_answer(content: bytes) -> Answer:
    """Return the one answer of a v1 reply.

    Raises:
        Failed: it cannot be read.
    """
    return _read(lambda told: _answer(told["predictions"][0]), read_json(content))


def read_hits(content: bytes) -> list[Hit]:
    """Return what a search found.

    Raises:
        Failed: it cannot be read.
    """
    return _read(lambda told: [_hit(each) for each in told["hits"]], read_json(content))


class EventReader:
    """Reads Server-Sent Events out of the pieces that a stream arrives in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that are whole now; what a later server may tell besides is left out.

        Raises:
            Failed: the server failed, or what it sent cannot be read.
        """
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        for block in blocks:
            told = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
            read = _EVENTS.get(told.get(b"event", b""))
            if read and b"data" in told:
                yield _read(read, read_json(told[b"data"]))


def _read(reader: Callable[[Json], T], told: Json) -> T:
    try:
        return reader(told)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Failed("the reply is not as expected: is the server of another version?") from None


def _answer(told: Json) -> Answer:
    degraded, trace = told["degraded"], told.get("trace")
    counted = told["usage"]
    return Answer(
        text=told["answer"],
        outcome=Outcome(told["outcome"]),
        citations=_citations(told),
        sources=tuple(told["sources"]),
        generator=told["generator"],
        adapter=told.get("adapter"),
        degraded=Degraded(degraded) if degraded else None,
        usage=Usage(
            prompt_tokens=counted["prompt_tokens"], completion_tokens=counted["completion_tokens"]
        ),
        eta_s=told.get("eta_seconds"),
        timings=told["timings"],
        request_id=told["request_id"],
        trace=None if trace is None else tuple(trace),
    )


def _citations(told: Json) -> tuple[Citation, ...]:
    names = [each.name for each in fields(Citation)]
    return tuple(Citation(**{name: each[name] for name in names}) for each in told["citations"])


def _hit(told: Json) -> Hit:
    meta = told["meta"]
    return Hit(
        score=told["score"],
        label=meta["label"],
        doc_id=meta["doc_id"],
        section=meta["section"],
        text=told["text"],
    )


def _sentence(told: Json) -> Sentence:
    return Sentence(text=told["text"], citations=_citations(told), index=told["index"])


def _error(told: Json) -> Event:
    raise Failed(str(told["error"])[:_MOST_CHARS])


_EVENTS: dict[bytes, Callable[[Json], Event]] = {
    b"step": lambda told: StepBegun(step=told["step"]),
    b"status": lambda told: LlmStatus(state=told["state"], eta_s=told["eta_seconds"]),
    b"provisional": lambda told: Provisional(answer=_answer(told)),
    b"sentence": _sentence,
    b"answer": _answer,
    b"error": _error,
}
