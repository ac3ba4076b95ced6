"""Rendezvous: whose replica is whose, and who moves when one goes or comes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.inference.affinity.rendezvous import ranked
from agentic_rag.inference.affinity.replicas import Replica

FOUR = [Replica(f"10.0.0.{at}", 8080) for at in range(1, 5)]
SESSIONS = [f"session-{at}" for at in range(1000)]


def own(session: str, replicas: list[Replica]) -> Replica:
    return ranked(session, replicas)[0]


def test_a_session_has_the_same_replica_in_whatever_order_they_are_listed():
    homes = {session: own(session, FOUR) for session in SESSIONS}

    assert all(own(each, FOUR[::-1]) == homes[each] for each in SESSIONS)
    assert all(own(each, FOUR + FOUR[:2]) == homes[each] for each in SESSIONS)


def test_a_thousand_sessions_are_shared_out_evenly():
    count = Counter(own(session, FOUR) for session in SESSIONS)

    assert set(count) == set(FOUR)
    assert all(200 < each < 300 for each in count.values())


@pytest.mark.parametrize("lost", FOUR, ids=str)
def test_one_that_is_lost_moves_its_own_sessions_alone_each_to_its_second_choice(lost):
    left = [each for each in FOUR if each != lost]

    for session in SESSIONS:
        first, second, *_ = ranked(session, FOUR)
        assert own(session, left) == (second if first == lost else first)


def test_the_sessions_of_one_that_is_lost_are_shared_out_among_all_that_are_left():
    orphans = [session for session in SESSIONS if own(session, FOUR) == FOUR[0]]

    count = Counter(own(session, FOUR[1:]) for session in orphans)

    assert all(len(orphans) / 5 < count[each] < len(orphans) / 2 for each in FOUR[1:])


def test_one_that_is_added_takes_a_fifth_and_nobody_else_moves():
    new = Replica("10.0.0.5", 8080)

    moved = [each for each in SESSIONS if own(each, [*FOUR, new]) != own(each, FOUR)]

    assert all(own(session, [*FOUR, new]) == new for session in moved)
    assert 150 < len(moved) < 250


def test_two_at_one_address_are_told_apart_by_their_ports():
    pair = [Replica("::1", 8001), Replica("::1", 8002)]

    count = Counter(own(session, pair) for session in SESSIONS)

    assert all(400 < count[each] < 600 for each in pair)


def test_of_no_replicas_none_is_anybodys():
    assert ranked("anyone", []) == []


@given(st.text(max_size=300))
def test_any_name_has_its_place_half_characters_too(name):
    assert sorted(ranked(name, FOUR)) == FOUR
