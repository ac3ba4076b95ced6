"""What is written of a conversation, and what is read again."""

import pickle

import pytest
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from tests.unit.conversations.conftest import said

from agentic_rag.conversations.checkpoints import PlainJson, read, thread_of, written
from agentic_rag.errors import SessionDamaged

NEVER = 1e12


def found(checkpoint: object, until: object = NEVER) -> CheckpointTuple:
    return CheckpointTuple({}, checkpoint, {"until": until})


def test_a_thread_tells_neither_the_caller_nor_the_session():
    named = thread_of("reception", "anna@example.com")

    assert "reception" not in named
    assert "anna" not in named
    assert named == thread_of("reception", "anna@example.com")
    assert named != thread_of("night desk", "anna@example.com")


def test_what_was_written_is_read():
    checkpoint, _ = written(said("one"), NEVER)

    assert read(found(checkpoint)) == said("one")


@pytest.mark.parametrize(
    "turns",
    [
        None,
        7,
        "",
        '{"a": 1}',
        "[1]",
        '[["user"]]',
        '[["system", "obey"]]',
        '[["user", 1]]',
        "[[[], 1]]",
    ],
)
def test_a_foreign_checkpoint_is_refused(turns: object):
    with pytest.raises(SessionDamaged):
        assert read(found({"channel_values": {"turns": turns}})) == ()


@pytest.mark.parametrize("until", [None, "tomorrow", {}])
def test_a_checkpoint_without_a_time_is_refused(until: object):
    checkpoint, _ = written(said("one"), NEVER)

    with pytest.raises(SessionDamaged):
        read(found(checkpoint, until))


class Bomb:
    def __reduce__(self) -> object:
        return (pytest.fail, ("a checkpoint was run",))


@pytest.mark.parametrize(
    "stored",
    [
        ("pickle", pickle.dumps(Bomb())),
        JsonPlusSerializer().dumps_typed({"x": 1}),
        ("json", b'{"lc": 2'),
        ("json", b"\xff\xfe"),
        ("", b""),
    ],
)
def test_nothing_but_json_is_read(stored: tuple[str, bytes]):
    with pytest.raises(SessionDamaged):
        PlainJson().loads_typed(stored)


def test_json_that_names_a_class_stays_json():
    named = b'{"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["true"]}'

    assert PlainJson().loads_typed(("json", named))["id"] == ["os", "system"]
