"""Expected questions: how like a question is to those that were written for the sections."""

import numpy as np
import pytest
from tests.fakes import WordEmbedder

from agentic_rag.retrieval.expected import ExpectedQuestions
from agentic_rag.retrieval.index import Expected

QUESTIONS = [
    Expected("a.md", True, "what does a crown cost"),
    Expected("a.md", True, "how long does a crown last"),
    Expected("b.md", True, "may I park here"),
    Expected("a.md", False, "which brand is the crown"),
]


def vector(text):
    return WordEmbedder().encode([text])[0]


@pytest.fixture
def expected():
    return ExpectedQuestions(QUESTIONS, WordEmbedder().encode([q.question for q in QUESTIONS]))


def test_the_likest_question_of_a_section_counts(expected):
    like = expected.likeness(vector("how long does a crown last"), {"a.md", "b.md"})

    assert like.answered["a.md"] == pytest.approx(1.0)
    assert like.answered["b.md"] < 0.3
    assert 0 < like.unanswered < 0.7


def test_what_nothing_answers_is_known_whatever_sections_are_looked_at(expected):
    like = expected.likeness(vector("which brand is the crown"), {"b.md"})

    assert like.unanswered == pytest.approx(1.0)
    assert like.answered.keys() == {"b.md"}


def test_a_section_without_questions_has_no_likeness(expected):
    assert "c.md" not in expected.likeness(vector("a crown"), {"c.md"}).answered


def test_sections_come_in_the_order_of_their_likest_question(expected):
    asked = WordEmbedder().encode(["may I park", "park here"])

    assert expected.sections(asked, at_least=0.0) == ["b.md", "a.md"]
    assert expected.sections(asked, at_least=0.7) == ["b.md"]


def test_where_none_were_written_nothing_is_like_them():
    none = ExpectedQuestions([], np.empty((0, 128), dtype=np.float32))

    assert none.sections(WordEmbedder().encode(["a crown"]), at_least=0.0) == []
    assert none.likeness(vector("a crown"), {"a.md"}).unanswered == 0.0


def test_a_section_that_answers_none_of_its_questions_has_only_those():
    only = [Expected("a.md", False, "which brand")]

    like = ExpectedQuestions(only, WordEmbedder().encode(["which brand"])).likeness(
        vector("which brand"), {"a.md"}
    )

    assert (like.answered, like.unanswered) == ({}, pytest.approx(1.0))
