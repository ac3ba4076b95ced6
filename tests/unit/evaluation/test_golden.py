"""The golden questions: read, asked, and judged for what they are."""

import pytest

from agentic_rag.domain import Answer, Outcome
from agentic_rag.evaluation.golden import Case, Report, find_fault, read_cases

CASE = Case(question="?", outcome="answered", labels=("faq.md#",), facts=("40 minutes",))
GOOD = Answer(text="It takes 40 Minutes.", outcome=Outcome.ANSWERED, sources=("faq.md#scaling",))


def test_the_shipped_cases_hold_every_outcome():
    cases = read_cases()

    assert {case.outcome for case in cases} == {"answered", "declined", "emergency"}
    assert len({case.question for case in cases}) == len(cases)
    assert all(case.labels for case in cases if case.outcome == "answered")


def test_a_right_answer_has_no_fault():
    assert find_fault(CASE, GOOD) == ""


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(text="No.", outcome=Outcome.DECLINED), "declined, expected answered"),
        (Answer(text="It takes long.", outcome=Outcome.ANSWERED), "lacks 40 minutes"),
        (Answer(text="40 minutes", outcome=Outcome.ANSWERED), "cites nothing"),
        (
            Answer(text="40 minutes", outcome=Outcome.ANSWERED, sources=("fees.md#x",)),
            "cites fees.md#x",
        ),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(answer, fault):
    assert find_fault(CASE, answer) == fault


def test_a_declined_question_may_cite_nothing():
    case = Case(question="?", outcome="declined", labels=(), facts=())

    assert find_fault(case, Answer(text="No.", outcome=Outcome.DECLINED)) == ""
    cites = Answer(text="No.", outcome=Outcome.DECLINED, sources=("faq.md",))
    assert find_fault(case, cites) == "cites faq.md"


def test_a_report_counts_what_was_right():
    report = Report(((CASE, ""), (CASE, "lacks 40 minutes")))

    assert not report.passed
    assert report.as_json()["right"] == 1
    assert list(report.lines())[-1] == "1 of 2 right"
    assert Report(((CASE, ""),)).passed
