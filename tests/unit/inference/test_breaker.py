"""The breaker: closed, open, half open, and what teaches it."""

import asyncio

import pytest

from agentic_rag.errors import LlmAsleep, LlmPromptRefused, LlmTooSlow, LlmUnavailable
from agentic_rag.inference.breaker import Breaker


@pytest.fixture
def breaker(clock) -> Breaker:
    return Breaker(failures=3, rest_s=5, longest_s=15, clock=clock)


def fail(breaker: Breaker, error: BaseException | None = None) -> None:
    error = error or LlmUnavailable("sick")
    with pytest.raises(type(error)), breaker.trying():
        raise error


def succeed(breaker: Breaker) -> None:
    with breaker.trying():
        pass


def is_open(breaker: Breaker) -> bool:
    try:
        succeed(breaker)
    except LlmUnavailable as error:
        assert "left alone" in str(error)
        return True
    return False


def test_failures_in_a_row_open_it(breaker):
    for _ in range(3):
        fail(breaker)

    assert is_open(breaker)
    assert breaker.left_s == 5


def test_one_success_between_them_keeps_it_closed(breaker):
    for _ in range(5):
        fail(breaker)
        fail(breaker)
        succeed(breaker)

    assert not is_open(breaker)


@pytest.mark.parametrize(
    "error",
    [LlmAsleep("a"), LlmPromptRefused("b"), LlmTooSlow("c"), asyncio.CancelledError(), KeyError()],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_sickness_does_not_open_it(breaker, error):
    for _ in range(10):
        fail(breaker, error)

    assert not is_open(breaker)


def test_after_a_rest_one_call_at_a_time_is_let_in(breaker, clock):
    for _ in range(3):
        fail(breaker)
    clock.now += 5

    with breaker.trying():
        assert is_open(breaker)

    assert not is_open(breaker)


def test_a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_limit(breaker, clock):
    for _ in range(3):
        fail(breaker)
    rests = []
    for _ in range(4):
        rests.append(breaker.left_s)
        clock.now += breaker.left_s
        fail(breaker)

    assert rests == [5, 10, 15, 15]


def test_a_trial_whose_caller_goes_away_leaves_the_place_to_another(breaker, clock):
    for _ in range(3):
        fail(breaker)
    clock.now += 5
    fail(breaker, asyncio.CancelledError())

    assert not is_open(breaker)


def test_after_it_closed_it_takes_as_many_failures_as_before(breaker, clock):
    for _ in range(3):
        fail(breaker)
    clock.now += 5
    succeed(breaker)
    fail(breaker)
    fail(breaker)

    assert not is_open(breaker)


def test_failures_of_calls_that_began_before_it_opened_keep_it_open_no_longer(breaker, clock):
    for _ in range(2):
        fail(breaker)
    with pytest.raises(LlmUnavailable), breaker.trying():
        fail(breaker)
        clock.now += 4
        raise LlmUnavailable("late")

    assert breaker.left_s == 1
