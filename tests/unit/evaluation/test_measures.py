"""Figures and their intervals, held against what is known of them."""

import pytest

from agentic_rag.evaluation.measures import by, mean, mean_of_shares, ratio, share, times


def test_a_share_has_wilsons_interval():
    [found] = share("suite.right", [True] * 81 + [False] * 19)

    # Wilson 1927, as tabulated for 81 of 100
    assert (found.value, found.count) == (0.81, 100)
    assert (found.low, found.high) == pytest.approx((0.722, 0.875), abs=0.001)


def test_all_right_is_not_certainly_all_right():
    [found] = share("suite.right", [True] * 10)

    assert found.value == 1.0
    assert found.low == pytest.approx(0.722, abs=0.001)
    assert found.high == pytest.approx(1.0)


def test_nothing_asked_is_nothing_measured():
    assert share("suite.right", []) == []
    assert ratio("suite.right", []) == []
    assert ratio("suite.right", [(0, 0)]) == []
    assert mean("suite.right", []) == []
    assert mean_of_shares("suite.right", [True], []) == []
    assert times("suite.ms", []) == []


def test_a_share_is_split_by_what_tells_cases_apart():
    words = ["one", "two", "six", "seven"]

    found = by(
        "suite.long", words, lambda w: len(w) > 3, {"first": lambda w: None if w == "one" else w[0]}
    )

    assert [(each.name, each.value, each.count) for each in found] == [
        ("suite.long", 0.25, 4),
        ("suite.long (first: s)", 0.5, 2),
        ("suite.long (first: t)", 0.0, 1),
    ]


def test_a_ratio_counts_parts_and_resamples_cases():
    together = ratio("suite.kept", [(10, 10)] * 5 + [(0, 10)] * 5)
    apart = ratio("suite.kept", [(1, 1)] * 50 + [(0, 1)] * 50)

    assert together[0].value == apart[0].value == 0.5
    assert together[0].count == apart[0].count == 100
    assert together[0].high - together[0].low > 2 * (apart[0].high - apart[0].low)


@pytest.mark.parametrize("so", [0, 10])
def test_cases_that_are_all_alike_promise_no_certainty(so):
    [found] = ratio("suite.kept", [(so, 10)] * 10)
    [alike] = share("suite.kept", [bool(so)] * 10)

    assert (found.value, found.count) == (so / 10, 100)
    assert (found.low, found.high) == (alike.low, alike.high)


def test_one_case_has_no_interval():
    [found] = ratio("suite.kept", [(1, 2)])

    assert (found.value, found.low, found.high) == (0.5, None, None)


def test_an_interval_is_the_same_on_every_run():
    parts = [(1, 2), (3, 3), (0, 1), (2, 5)]

    assert ratio("suite.kept", parts) == ratio("suite.kept", parts)


def test_balanced_accuracy_does_not_mind_which_class_is_larger():
    [found] = mean_of_shares("suite.balanced", [True] * 90, [True] + [False] * 9)

    assert found.value == pytest.approx(0.55)
    assert 0.5 <= found.low < 0.55 < found.high < 0.75


def test_a_mean_stands_in_its_interval():
    [found] = mean("suite.ndcg", [0.0, 0.5, 1.0, 1.0])

    assert found.low < found.value == 0.625 < found.high


def test_times_are_told_in_milliseconds():
    found = times("suite.step_ms", [at / 1000 for at in range(101)], "step: plan")

    assert [(each.metric, each.value, each.unit) for each in found] == [
        ("suite.step_ms_p50", pytest.approx(50), "ms"),
        ("suite.step_ms_p95", pytest.approx(95), "ms"),
        ("suite.step_ms_p99", pytest.approx(99), "ms"),
    ]
