"""The nouns: values that do not change."""

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from agentic_rag import domain
from agentic_rag.domain import Answer, Degraded, Outcome, Question, Usage

NOUNS = [each for each in vars(domain).values() if isinstance(each, type) and is_dataclass(each)]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_is_frozen_and_made_by_names(noun):
    assert noun.__dataclass_params__.frozen
    assert all(field.kw_only for field in fields(noun))


def test_a_question_cannot_change():
    question = Question(text="How long?")

    with pytest.raises(FrozenInstanceError):
        question.text = "Another"


def test_usage_adds_up():
    assert Usage(prompt_tokens=3, completion_tokens=4).total_tokens == 7
    assert Usage().total_tokens == 0


def test_outcomes_and_reasons_are_the_words_of_the_contract():
    assert {str(each) for each in Outcome} == {"answered", "declined", "emergency"}
    assert {"llm_cold", "llm_unavailable", "llm_rejected", "retrieval_unavailable"} <= {
        str(each) for each in Degraded
    }


def test_two_answers_share_no_timings():
    one, other = (Answer(text="", outcome=Outcome.DECLINED) for _ in range(2))

    assert one.timings is not other.timings
