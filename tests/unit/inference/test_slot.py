"""The slot: who speaks, and to whom; the agent follows it."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from agentic_rag.inference.slot import FRESH_S, SLOT, Follower, Slot, Speaker, read_slot

ONE = Speaker(number=1, served_as="clinic-v1", digest="a")
TWO = Speaker(number=2, served_as="clinic-v2", digest="b")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / SLOT


def write(path: Path, slot: Slot) -> None:
    path.write_text(json.dumps({"record": asdict(slot), "seal": ""}))


def test_a_slot_is_read_as_it_was_written(path):
    slot = Slot(live=ONE, candidate=TWO, share=0.25, last="promote")
    write(path, slot)

    assert read_slot(path) == slot


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"record": {}}', '{"record": {"live": 3}}'])
def test_something_else_is_no_slot(path, text):
    path.write_text(text)

    with pytest.raises(ValueError, match="is no slot"):
        read_slot(path)


def test_a_share_of_the_sessions_is_the_candidates_and_each_stays_with_whom_it_has():
    slot = Slot(live=ONE, candidate=TWO, share=0.2)
    sessions = [f"visit-{at}" for at in range(2000)]

    first = [slot.speaks_to(each) for each in sessions]
    again = [slot.speaks_to(each) for each in reversed(sessions)][::-1]

    assert first == again
    assert 0.15 < Counter(first)[TWO] / len(sessions) < 0.25


@pytest.mark.parametrize(("share", "who"), [(0.0, ONE), (1.0, TWO)])
def test_none_and_all_are_shares_too(share, who):
    slot = Slot(live=ONE, candidate=TWO, share=share)

    assert {slot.speaks_to(f"visit-{at}") for at in range(100)} == {who}


def test_a_larger_share_takes_no_session_back():
    small, large = (Slot(live=ONE, candidate=TWO, share=share) for share in (0.1, 0.5))
    sessions = [f"visit-{at}" for at in range(500)]

    theirs = [each for each in sessions if small.speaks_to(each) == TWO]

    assert theirs
    assert all(large.speaks_to(each) == TWO for each in theirs)


async def test_whoever_follows_sees_a_change_soon(path, clock):
    follower = Follower(path, clock=clock)
    write(path, Slot(live=ONE))
    assert await follower.speaker("s") == ONE

    write(path, Slot(live=TWO))

    assert await follower.speaker("s") == ONE
    clock.now += FRESH_S * 2
    assert await follower.speaker("s") == TWO


async def test_where_there_is_no_slot_the_base_model_speaks(path):
    assert await Follower(path).speaker("s") is None


async def test_a_slot_that_is_spoiled_leaves_who_spoke(path, clock):
    follower = Follower(path, clock=clock)
    write(path, Slot(live=ONE))
    await follower.speaker("s")

    path.write_text("{")
    clock.now += FRESH_S * 2

    assert await follower.speaker("s") == ONE
