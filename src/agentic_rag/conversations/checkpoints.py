"""One checkpoint of LangGraph's for each session: its turns as plain JSON, and nothing else.

A checkpoint has the same id for as long as its session lives, so that the next takes its place: a
session is one row, however long it is talked in.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    empty_checkpoint,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from agentic_rag.domain import MOST_TURN_CHARS, MOST_TURNS, Turn
from agentic_rag.errors import SessionDamaged

_MOST_TOGETHER = 200_000

PREFIX = "session:"
"""What the threads of sessions begin with, for there may be others beside them."""

CHANNEL = "turns"
_ONLY = "00000000-0000-0000-0000-000000000000"


def thread_of(caller: str, session_id: str) -> str:
    """Name a caller's session so that neither can be read off it.

    >>> thread_of("a", "b:c") == thread_of("a:b", "c")
    False
    """
    named = hashlib.sha256()
    for each in (caller, session_id):
        encoded = each.encode("utf-8", "surrogatepass")
        named.update(b"%d:%s" % (len(encoded), encoded))
    return PREFIX + named.hexdigest()


class PlainJson(SerializerProtocol):
    """Writes JSON and reads nothing else: no checkpoint can name a class that is then made."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:  # noqa: ANN401  # LangGraph's own
        """Return the value as JSON."""
        return "json", orjson.dumps(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:  # noqa: ANN401
        """Return what JSON says.

        Raises:
            SessionDamaged: it is no JSON.
        """
        kind, written = data
        if kind != "json":
            raise SessionDamaged(f"a checkpoint is written as {kind[:32]}, not as json")
        try:
            return orjson.loads(written)
        except orjson.JSONDecodeError:
            raise SessionDamaged("a checkpoint cannot be read") from None


def config_of(thread: str) -> RunnableConfig:
    """Return where LangGraph finds a session."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}


def written(turns: Sequence[Turn], until: float) -> tuple[Checkpoint, CheckpointMetadata]:
    """Return the checkpoint of the last turns, to be kept until a time of the clock."""
    text = orjson.dumps([[turn.role, turn.text] for turn in _last(turns)]).decode()
    checkpoint = empty_checkpoint() | {
        "id": _ONLY,
        "channel_values": {CHANNEL: text},  # a string: Postgres keeps it in the row itself
        "channel_versions": {CHANNEL: "1"},
    }
    return checkpoint, {"until": until}  # type: ignore[typeddict-unknown-key]


def read(found: CheckpointTuple | None) -> tuple[Turn, ...]:
    """Return the turns of a checkpoint; of none, or of one whose time is up, there are none.

    Raises:
        SessionDamaged: it is none of ours.
    """
    if found is None:
        return ()
    try:
        if found.metadata["until"] < time.time():  # type: ignore[typeddict-item]
            return ()
        turns = orjson.loads(found.checkpoint["channel_values"][CHANNEL])
        return tuple(_turn(*each) for each in turns)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SessionDamaged("a checkpoint holds no conversation") from None


def _turn(role: object, text: object) -> Turn:
    if role not in {"user", "assistant"} or not isinstance(text, str):
        raise SessionDamaged("a checkpoint holds no conversation")
    return Turn(role="user" if role == "user" else "assistant", text=text)


def _last(turns: Sequence[Turn]) -> list[Turn]:
    """Return the last turns, as many as are kept; what was asked goes with what was answered."""
    kept = [Turn(role=turn.role, text=turn.text[:MOST_TURN_CHARS]) for turn in turns[-MOST_TURNS:]]
    while sum(len(turn.text) for turn in kept) > _MOST_TOGETHER:
        del kept[:2]
    return kept
