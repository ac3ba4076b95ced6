"""The wire: what a caller may say of time and of sleep, and what it is told."""

import pytest

from agentic_rag.domain import Answer, Outcome, Question, WhenCold
from agentic_rag.errors import BadQuestion
from agentic_rag.serving.wire import hurry, in_session, read_v1
from agentic_rag.serving.writing import write_answer


def read(settings, wishes=None, **fields) -> Question:
    body = {"instances": [{"question": "Why?"} | (wishes or {})]}
    return read_v1(body, settings=settings(**fields))[0]


def test_without_a_word_of_it_the_settings_hold(settings):
    question = read(settings, llm_when_cold="wait", request_timeout_s=7)

    assert (question.when_cold, question.timeout_s) == (WhenCold.WAIT, 7)


def test_what_the_caller_says_goes_before_the_settings(settings):
    question = read(settings, {"when_cold": "fallback", "timeout_seconds": 2.5})

    assert (question.when_cold, question.timeout_s) == (WhenCold.FALLBACK, 2.5)


@pytest.mark.parametrize(
    "wishes",
    [
        {"when_cold": "sometimes"},
        {"when_cold": 1},
        {"timeout_seconds": 0},
        {"timeout_seconds": -1},
        {"timeout_seconds": 3601},
        {"timeout_seconds": "10"},
        {"timeout_seconds": True},
        {"timeout_seconds": float("nan")},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_by_name(settings, wishes):
    (name,) = wishes

    with pytest.raises(BadQuestion, match=rf"instances\[0\]\.{name}"):
        read(settings, wishes)


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("0.25", 0.25), (" 30 ", 20), ("", 20)])
def test_the_header_shortens_the_time_and_never_lengthens_it(told, expected):
    (question,) = hurry([Question(text="Why?", timeout_s=20)], {"x-request-timeout": told})

    assert question.timeout_s == expected


@pytest.mark.parametrize(
    "told", ["soon", "0", "-1", "1e3", "nan", "inf", "3601", "5s", "٣", "1" * 99]
)
def test_a_header_that_is_no_number_of_seconds_is_refused_by_name(told):
    with pytest.raises(BadQuestion, match="X-Request-Timeout"):
        hurry([Question(text="Why?")], {"x-request-timeout": told})


@pytest.mark.parametrize(
    ("own", "told", "expected"),
    [
        (None, "visit-9", "visit-9"),
        (None, " two words ", "two words"),
        ("mine", "visit-9", "mine"),
        ("mine", "", "mine"),
        (None, "", None),
        (None, "x" * 256, "x" * 256),
    ],
)
def test_a_question_is_of_its_own_session_else_of_the_headers(own, told, expected):
    (question,) = in_session([Question(text="Why?", session_id=own)], {"x-session-id": told})

    assert question.session_id == expected


@pytest.mark.parametrize("told", ["x" * 257, "caf\u00e9", "a\tb", "a\x00b", "\u0661"])
def test_a_header_that_is_no_name_is_refused_by_name_and_not_repeated(told):
    with pytest.raises(BadQuestion, match="X-Session-ID") as caught:
        in_session([Question(text="Why?")], {"x-session-id": told})

    assert told not in str(caught.value)


def test_how_long_a_sleeping_model_takes_is_told_where_it_sleeps_and_nowhere_else():
    answer = Answer(text="Because.", outcome=Outcome.ANSWERED)
    cold = Answer(text="Because.", outcome=Outcome.ANSWERED, eta_s=83.25)

    assert "eta_seconds" not in write_answer(answer)
    assert write_answer(cold)["eta_seconds"] == 83.2
