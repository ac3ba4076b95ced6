"""Compose: the prompt, the fenced passages and the question, within the budget."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.runtime import Runtime
from tests.unit.agent.parts import make_passage

from agentic_rag.agent.deps import Limits
from agentic_rag.agent.steps.compose import compose, within_budget
from agentic_rag.domain import Question, Turn

LIMITS = Limits(
    top_k=8, max_ctx_snippets=3, max_ctx_chars=2400, max_attempts=2, enough=0.6, max_steps=12
)
PASSAGES = st.lists(
    st.integers(1, 40).map(lambda number: make_passage("It takes 40 minutes in all. " * number)),
    max_size=8,
)


@pytest.fixture
def composed(make_deps):
    async def run(*passages, text="How long does scaling take?", history=(), limits=LIMITS):
        state = {"question": Question(text=text, history=history), "relevant": passages}
        return await compose(state, Runtime(context=make_deps(limits=limits)))

    return run


@given(PASSAGES, st.integers(200, 3000), st.integers(1, 10))
def test_the_budget_is_kept_and_the_best_come_first(passages, chars, snippets):
    limits = replace(LIMITS, max_ctx_chars=chars, max_ctx_snippets=snippets)

    kept = within_budget(passages, limits)

    assert len(kept) <= snippets
    assert sum(len(passage.text) for passage in kept) <= chars
    for whole, laid in zip(passages, kept, strict=False):
        assert whole.text.startswith(laid.text)
        assert (laid.label, laid.start) == (whole.label, whole.start)
        assert laid.end - laid.start == len(laid.text)
    assert bool(kept) == bool(passages)


@pytest.mark.parametrize(("most", "laid"), [(None, 6), (3, 3), (20, 6)])
async def test_a_question_of_two_parts_has_twice_the_places_where_nobody_says_less(
    most, laid, make_deps
):
    limits = replace(LIMITS, most_snippets=most)
    passages = [make_passage("Short.", label=f"faq.md#{at}") for at in range(9)]
    state = {"question": Question(text="Why?"), "relevant": passages, "held": ("a", "b")}

    written = await compose(state, Runtime(context=make_deps(limits=limits)))

    assert len(written["evidence"]) == laid


def test_a_passage_that_fits_is_left_whole():
    passages = (make_passage("a" * 900), make_passage("b" * 900), make_passage("c" * 600))

    assert within_budget(passages, LIMITS) == passages


def test_what_is_left_of_a_passage_is_worth_its_place():
    passages = (make_passage("a" * 2390), make_passage("b" * 900))

    assert within_budget(passages, LIMITS) == passages[:1]


@pytest.mark.parametrize("room", range(700, 760, 7))
def test_a_cut_passage_ends_between_sentences_so_that_no_number_is_cut(room):
    first = make_passage("a" * (2400 - room))
    second = make_passage("A crown costs INR 12,000 and lasts 15 years. " * 40)

    cut = within_budget((first, second), LIMITS)[1]

    assert cut.text.rstrip().endswith("15 years.")


async def test_the_rules_come_first_and_the_question_last(composed):
    made = await composed(make_passage("Scaling takes 40 minutes."))

    roles = [role for role, _ in made["messages"]]
    assert roles == ["system", "user"]
    assert "Atharva Dental Clinic" in made["messages"][0][1]
    assert made["messages"][1][1].endswith("Question: How long does scaling take?")
    assert "Scaling takes 40 minutes." in made["messages"][1][1]


async def test_the_talk_stands_between_in_its_order(composed):
    history = (Turn(role="user", text="Hello"), Turn(role="assistant", text="Good day"))

    made = await composed(make_passage("Scaling takes 40 minutes."), history=history)

    assert made["messages"][1:3] == (("user", "Hello"), ("assistant", "Good day"))
    assert [role for role, _ in made["messages"]] == ["system", "user", "assistant", "user"]


async def test_only_the_evidence_is_laid_before_the_model(composed):
    passages = [make_passage(f"Passage number {n}.", label=f"{n}.md") for n in range(5)]

    made = await composed(*passages)

    assert [passage.label for passage in made["evidence"]] == ["0.md", "1.md", "2.md"]
    assert "Passage number 2." in made["messages"][-1][1]
    assert "Passage number 3." not in made["messages"][-1][1]


async def test_the_same_question_composes_the_same(composed):
    passage = make_passage("Scaling takes 40 minutes.")

    assert await composed(passage) == await composed(passage)
