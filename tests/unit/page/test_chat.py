"""A conversation as the page sees it."""

from dataclasses import replace

import pytest

from agentic_rag.domain import (
    Answer,
    Citation,
    LlmStatus,
    Outcome,
    Provisional,
    Sentence,
    StepBegun,
)
from agentic_rag.page.chat import Chat, Exchange

CITED = Citation(
    number=1, label="a.md", doc_id="a.md", section="", quote="It is.", start=0, end=6, digest="",
    support=1.0,
)  # fmt: skip
FIRST = Answer(text="It is. [1]\nSource: a.md", outcome=Outcome.ANSWERED, citations=(CITED,))
BETTER = replace(FIRST, text="It is so. [1]\nSource: a.md")
ASKED = Exchange(question="Is it?")


def sentence(index: int, text: str) -> Sentence:
    return Sentence(text=text, citations=(CITED,), index=index)


def heard(*events: object) -> Exchange:
    exchange = ASKED
    for event in events:
        exchange = exchange.heard(event, now=100.0)
    return exchange


def test_the_documents_answer_stands_until_the_first_better_sentence():
    exchange = heard(Provisional(answer=FIRST), StepBegun(step="generate"))

    begun = exchange.heard(sentence(0, "It is so. [1]"), 100.0)

    assert (exchange.shown, exchange.is_provisional, exchange.earlier) == (FIRST, True, None)
    assert (begun.shown.text, begun.shown.citations) == ("It is so. [1]", (CITED,))
    assert (begun.is_provisional, begun.earlier) == (False, FIRST)


def test_another_draft_takes_the_place_of_sentences_that_were_told():
    exchange = heard(sentence(0, "One. [1]"), sentence(1, "Two. [1]"), sentence(0, "Anew. [1]"))

    assert exchange.shown.text == "Anew. [1]"


def test_an_answer_that_is_the_first_once_more_is_no_better_one():
    exchange = heard(Provisional(answer=FIRST), replace(FIRST, eta_s=9.0))

    assert (exchange.earlier, exchange.is_open) == (None, False)


def test_a_model_that_wakes_is_waited_for_until_then():
    waking = heard(LlmStatus(state="waking", eta_s=30.0))
    awake = waking.heard(LlmStatus(state="awake", eta_s=0.0), 101.0)

    assert (waking.waits, waking.wakes_at) == (True, 130.0)
    assert not awake.waits
    assert heard(LlmStatus(state="waking", eta_s=None)).wakes_at is None


def test_what_comes_after_the_end_is_not_heard():
    ended = heard(Provisional(answer=FIRST)).ended()

    assert ended.heard(BETTER, 1.0) is ended
    assert ended.answer == FIRST


def test_who_asks_again_waits_no_longer_for_the_first_answer():
    chat = Chat()
    chat.take("Is it?")
    listened_to = chat.exchanges

    chat.take("My face is swollen")

    assert [each.is_open for each in listened_to] == [False, True]


def test_a_new_conversation_has_another_session_and_leaves_nothing_open():
    chat = Chat()
    chat.take("Is it?")
    before, session = chat.exchanges, chat.session

    over = chat.renew()
    chat.take("And this?")

    assert over == session != chat.session
    assert not before[0].is_open
    assert [each.question for each in chat.exchanges] == ["And this?"]


@pytest.mark.parametrize("count", [1, 3, 30])
def test_what_was_answered_is_the_history_of_the_next_question(count: int):
    chat = Chat()
    for _ in range(count):
        chat.take("Is it?")
        chat.exchanges[-1] = chat.exchanges[-1].heard(FIRST, 0.0)
    chat.take("And then?")

    told = [turn.role for turn in chat.history()]

    assert told == ["user", "assistant"] * min(count, 10)
