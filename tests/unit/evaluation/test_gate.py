"""Thresholds: read, refused, met and missed."""

import pytest

from agentic_rag.errors import BadSuite
from agentic_rag.evaluation.examine import SUITES
from agentic_rag.evaluation.gate import SHIPPED_THRESHOLDS, Threshold, judge, read_thresholds
from agentic_rag.evaluation.measures import Measure

RIGHT = Measure(metric="golden.right", value=0.9, low=0.8, high=0.95, count=50)


def knows(metric: str) -> bool:
    return any(suite.knows(metric) for suite in SUITES.values())


@pytest.fixture
def read(tmp_path):
    def from_text(text: str):
        path = tmp_path / "wanted.yaml"
        path.write_text(text, "utf-8")
        return read_thresholds(path, knows)

    return from_text


def wants(**fields: object) -> Threshold:
    return Threshold(metric="golden.right", why="it is the whole", **fields)


def test_the_shipped_thresholds_ask_of_every_suite_and_say_why():
    shipped = read_thresholds(SHIPPED_THRESHOLDS, knows)

    assert {each.metric.partition(".")[0] for each in shipped} == set(SUITES)
    assert all(each.why for each in shipped)


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({"at_least": 0.9}, False),
        ({"at_least": 0.91}, True),
        ({"at_most": 0.9}, False),
        ({"at_most": 0.0}, True),
        ({"at_least": 0.85, "bound": "low"}, True),
        ({"at_least": 0.8, "bound": "low"}, False),
        ({"at_most": 0.9, "bound": "high"}, True),
        ({"at_least": 1.0, "of": "kind: conflict"}, False),
    ],
)
def test_a_threshold_is_met_or_missed(fields, missed):
    [verdict] = judge([RIGHT], [wants(**fields)])

    assert verdict.is_missed is missed


def test_what_nobody_asked_about_is_not_missed():
    [verdict] = judge([], [wants(at_least=1.0)])

    assert (verdict.found, verdict.is_missed) == (None, False)


def test_a_slice_has_its_own_threshold():
    hindi = Measure(metric="golden.right", of="language: hi", value=0.4, count=5)

    [verdict] = judge([RIGHT, hindi], [wants(of="language: hi", at_least=0.5)])

    assert (verdict.measure, verdict.is_missed) == (hindi, True)


def test_an_interval_that_cannot_be_told_is_as_good_as_its_figure():
    one = Measure(metric="golden.right", value=1.0, count=1)

    [verdict] = judge([one], [wants(at_least=0.95, bound="low")])

    assert verdict.found == 1.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a list"),
        ("{}", "expected a list"),
        ("- 7", "entry 1: "),
        ("- {metric: golden.right, at_least: 1}", "entry 1: why: "),
        ("- {metric: golden.right, why: x}", "entry 1: expected either at_least or at_most"),
        ("- {metric: golden.right, at_least: 1, at_most: 2, why: x}", "entry 1: expected either"),
        ("- {metric: golden.right, at_least: .nan, why: x}", "entry 1: at_least: "),
        ("- {metric: golden.right, at_leats: 1, why: x}", "at_leats: "),
        ("- {metric: golden.rihgt, at_least: 1, why: x}", "metric: no suite has golden.rihgt"),
        ("- {metric: golden.right, bound: middle, at_least: 1, why: x}", "entry 1: bound: "),
        ("- [", "cannot be read as YAML"),
    ],
)
def test_bad_thresholds_are_refused_by_file_entry_and_field(text, told, read):
    with pytest.raises(BadSuite) as caught:
        read(text)

    assert told in str(caught.value)
    assert "wanted.yaml" in str(caught.value)


def test_thresholds_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(BadSuite, match="there is no such file"):
        read_thresholds(tmp_path / "none.yaml", knows)


@pytest.mark.parametrize("metric", ["golden.step_ms_p95", "triage.long_message_ms_p99"])
def test_a_time_can_be_asked_of(metric, read):
    [threshold] = read(f"- {{metric: {metric}, at_most: 5, why: patience}}")

    assert threshold.metric == metric
