"""Prose: words that are never taken back, and where a stop sequence ends them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import ScriptedLlm
from tests.unit.agent.parts import Pen, Shelf, make_passage

from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Answer, Citation, Degraded, Outcome, Question
from agentic_rag.inference.guard import GuardedRung
from agentic_rag.inference.ladder import Ladder
from agentic_rag.serving.prose import TakenBack, spoken, stopped

HOW_LONG = Question(text="How long does scaling take?")
SWOLLEN = Question(text="My face is badly swollen and I cannot breathe")
SHELF = Shelf([make_passage("Scaling takes 40 minutes.\nScaling needs no anaesthetic.")])
SAID = "Scaling takes 40 minutes. [1] It is free. [1] Scaling needs no anaesthetic. [1]"


def cited(number: int, label: str) -> Citation:
    return Citation(
        number=number,
        label=label,
        doc_id=label,
        section="",
        quote="x",
        start=0,
        end=1,
        digest="",
        support=1.0,
    )


LINES = ("Take one tablet. [1]", "Take none when pregnant. [2]", "Rest. [1]", "That is all I have.")
ANSWER = Answer(
    text="\n".join([*LINES, "Source: a.md; b.md"]),
    outcome=Outcome.ANSWERED,
    citations=(cited(1, "a.md"), cited(2, "b.md")),
    sources=("a.md", "b.md"),
    notes=LINES[3:],
    is_cut=True,
)


async def said(question, deps, *stops) -> list:
    return [part async for part in spoken(question, deps, stops)]


def agent(make_deps, house, quoted=None):
    """Make an agent before a house's model, whose quoter embeds nothing."""
    quoter = Pen(quoted, generator="extractive")
    (model,) = house.models.models
    ladder = Ladder([GuardedRung(model, wake=house.models.wake)], floor=quoter)
    return make_deps(ladder=ladder, quoter=quoter, sleeper=house.models.wake, retriever=SHELF)


async def test_the_pieces_are_the_answer(make_deps, settings):
    with ScriptedLlm(reply=SAID, token_s=0.02) as llm:
        house = build_house(settings(llm_base_url=llm.base_url))
        *pieces, answer = await said(HOW_LONG, agent(make_deps, house))
        await house.close()

    assert "".join(pieces) == answer.text
    assert len([piece for piece in pieces if piece]) == 3  # two sentences, and the sources
    assert "free" not in answer.text


async def test_a_model_that_sleeps_leaves_the_last_word_to_the_documents(make_deps, settings):
    house = build_house(settings(llm_base_url="http://127.0.0.1:9/v1"))

    *pieces, answer = await said(HOW_LONG, agent(make_deps, house))
    await house.close()

    assert (answer.generator, answer.degraded) == ("extractive", Degraded.LLM_COLD)
    assert "".join(pieces) == answer.text


async def test_words_that_turn_out_void_are_not_followed_by_others(make_deps, settings):
    with ScriptedLlm(reply=SAID * 5, fault="cut", token_s=0.01) as llm:
        house = build_house(settings(llm_base_url=llm.base_url))
        told = []
        with pytest.raises(TakenBack):
            deps = agent(make_deps, house, "Scaling needs no anaesthetic. [1]")
            async for part in spoken(HOW_LONG, deps, ()):
                told.append(part)
        await house.close()

    assert "".join(told).startswith("Scaling takes 40 minutes. [1]")


async def test_a_stop_in_a_stream_ends_it_before_its_sentence(make_deps, settings):
    with ScriptedLlm(reply=SAID, token_s=0.02) as llm:
        house = build_house(settings(llm_base_url=llm.base_url))
        *pieces, answer = await said(HOW_LONG, agent(make_deps, house), "anaesthetic")
        await house.close()

    assert answer.text == "Scaling takes 40 minutes. [1]\nSource: faq.md#scaling"
    assert "".join(pieces) == answer.text


async def test_an_emergency_is_told_whole_whatever_stops(make_deps):
    *pieces, answer = await said(SWOLLEN, make_deps(), "Call", "\n", " ")

    assert answer.outcome is Outcome.EMERGENCY
    assert "".join(pieces) == answer.text
    assert answer.text.startswith("Call")


@pytest.mark.parametrize(
    ("stop", "lines"),
    [
        ("pregnant", [LINES[0], "Source: a.md"]),
        ("one", []),
        ("\n", [LINES[0]]),
        ("[2]", [LINES[0], "Source: a.md"]),
        ("Source:", list(LINES)),
        ("; b.md", list(LINES)),
        ("That is all", [*LINES[:3], "Source: a.md; b.md"]),
        ("[1]\nTake none", [LINES[0], "Source: a.md"]),
        ("nowhere", [*LINES, "Source: a.md; b.md"]),
    ],
)
def test_what_is_left_of_an_answer_is_whole_sentences_with_their_sources(stop, lines):
    left = stopped(ANSWER, [stop])

    assert left.text.splitlines() == lines
    numbers = {number for number in (1, 2) if f"[{number}]" in left.text}
    assert {each.number for each in left.citations} == numbers
    assert left.sources == tuple(dict.fromkeys(each.label for each in left.citations))
    assert left.is_cut is (stop == "nowhere")


@given(st.lists(st.text(alphabet="Take oneblt.[1]2\nSource: prgna", min_size=1), max_size=4))
def test_no_stop_is_ever_in_what_is_left_and_no_sentence_is_halved(stops):
    left = stopped(ANSWER, stops)

    assert not any(stop in left.text for stop in stops)
    body = [line for line in left.text.split("\n") if not line.startswith("Source: ")]
    assert tuple(body) == LINES[: len(body)] or left.text == ""


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.EMERGENCY])
def test_what_rules_say_is_not_cut(outcome):
    told = Answer(text="Please call us.", outcome=outcome)

    assert stopped(told, ["call"]) is told
