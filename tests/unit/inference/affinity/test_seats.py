"""Seats: who is left out, who has too much to do."""

import pytest

from agentic_rag.inference.affinity.replicas import Replica
from agentic_rag.inference.affinity.seats import BOUND, FREE, REST_S, Seats

FOUR = [Replica(f"10.0.0.{at}", 8080) for at in range(1, 5)]


@pytest.fixture
def seats(clock) -> Seats:
    return Seats(clock=clock)


def test_the_first_of_a_ranking_is_picked(seats):
    assert seats.pick(FOUR) == FOUR[0]
    assert seats.pick([]) is None


def test_one_that_is_left_out_is_back_after_its_rest(seats, clock):
    seats.leave_out(FOUR[0])

    assert seats.pick(FOUR) == FOUR[1]
    clock.now = REST_S - 0.1
    assert seats.pick(FOUR) == FOUR[1]
    clock.now = REST_S
    assert seats.pick(FOUR) == FOUR[0]


def test_after_a_rest_one_call_tries_and_the_others_wait_how_it_goes(seats, clock):
    seats.leave_out(FOUR[0])
    clock.now = REST_S

    assert [seats.pick(FOUR) for _ in range(3)] == [FOUR[0], FOUR[1], FOUR[1]]
    seats.let_in(FOUR[0])
    assert seats.pick(FOUR) == FOUR[0]


def test_where_all_are_left_out_none_is_picked(seats):
    for each in FOUR:
        seats.leave_out(each)

    assert seats.pick(FOUR) is None


def test_a_hot_session_spills_over_to_its_next_and_drowns_nobody(seats):
    picked = []
    for _ in range(400):
        picked.append(seats.pick(FOUR))
        seats.take(picked[-1])

    in_flight = [picked.count(each) for each in FOUR]
    assert picked[:FREE] == [FOUR[0]] * FREE
    assert max(in_flight) <= BOUND * 400 / 4 + 1
    assert in_flight[0] == max(in_flight)


def test_few_calls_stay_together_however_uneven(seats):
    for _ in range(FREE - 1):
        seats.take(FOUR[0])

    assert seats.pick(FOUR) == FOUR[0]


def test_a_hot_session_comes_home_when_its_calls_have_ended(seats):
    leave = [seats.take(FOUR[0]) for _ in range(50)]
    assert seats.pick(FOUR) == FOUR[1]

    for each in leave:
        each()
        each()  # however often: a call ends once

    assert seats.pick(FOUR) == FOUR[0]
    seats.take(FOUR[0])
    assert seats.pick(FOUR) == FOUR[0]


def test_the_bound_counts_only_those_that_can_be_used(seats):
    for each in FOUR[1:]:
        seats.leave_out(each)
    for _ in range(100):
        seats.take(FOUR[0])

    assert seats.pick(FOUR) == FOUR[0]
