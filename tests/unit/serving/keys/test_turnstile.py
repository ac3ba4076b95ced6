import pytest

from agentic_rag.serving.keys.turnstile import Turnstile


def test_the_rate_is_each_callers_own(settings):
    turnstile = Turnstile(settings(rate_limit="3/minute"))

    faults = []
    for _ in range(5):
        with turnstile.passed("hasty") as fault:
            faults.append(fault and fault.reason)
    with turnstile.passed("patient") as other:
        pass

    assert faults == [None, None, None, "rate", "rate"]
    assert other is None


def test_who_is_refused_is_told_when_to_come_again(settings):
    turnstile = Turnstile(settings(rate_limit="1/minute"))
    with turnstile.passed("hasty"):
        pass

    with turnstile.passed("hasty") as fault:
        pass

    assert 1 <= fault.retry_after_s <= 60


def test_so_many_at_once_and_no_more(settings):
    turnstile = Turnstile(settings(max_concurrency_per_key=1))

    passed = turnstile.passed
    with passed("a") as first, passed("a") as second, passed("b") as other:
        pass
    with turnstile.passed("a") as later:
        pass

    assert (first, other, later) == (None, None, None)
    assert second.reason == "key"


def test_a_request_that_fails_is_counted_out(settings):
    turnstile = Turnstile(settings(max_concurrency_per_key=1))
    with pytest.raises(ZeroDivisionError), turnstile.passed("a"):
        raise ZeroDivisionError

    with turnstile.passed("a") as fault:
        pass

    assert fault is None


def test_names_without_end_take_no_memory_without_end(settings):
    turnstile = Turnstile(settings(rate_limit="2/hour"), most_names=100)

    for at in range(1000):
        with turnstile.passed(f"jwt:{at}"):
            pass

    assert len(turnstile._rate._store._backend.get_client()) <= 100
    assert not turnstile._under_way


def test_without_limits_nobody_is_refused(settings):
    turnstile = Turnstile(settings())

    for _ in range(1000):
        with turnstile.passed("") as fault:
            assert fault is None
