"""Asking: whatever is broken, a question ends in an honest answer."""

import asyncio
import time
from dataclasses import replace

import pytest
from tests.fakes import ScriptedLlm
from tests.unit.agent.parts import Pen, Scores, Shelf, make_passage

from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Degraded, Outcome, Question, Turn, WhenCold
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.telemetry import request_id

RCT = Question(text="Whats the price range for Root Canal Therapy?")


async def test_the_shipped_clinic_answers_from_its_documents(house):
    answer = await ask(RCT, deps=house.deps)

    assert answer.outcome is Outcome.ANSWERED
    assert "INR 6,000 to 9,500" in answer.text
    assert answer.sources[0] == "treatments.json#TX-RCT-01"
    assert answer.text.splitlines()[-1] == f"Source: {'; '.join(answer.sources)}"
    assert (answer.generator, answer.degraded, answer.usage.total_tokens) == ("extractive", None, 0)


async def test_a_citation_quotes_the_very_words_of_the_document(house):
    answer = await ask(RCT, deps=house.deps)

    found = await house.library.search([RCT.text], k=20)
    for citation in answer.citations:
        assert any(citation.quote in p.text for p in found if p.label == citation.label)


async def test_what_the_documents_do_not_hold_is_declined(house):
    answer = await ask(Question(text="What is the capital of France?"), deps=house.deps)

    assert (answer.outcome, answer.citations, answer.sources) == (Outcome.DECLINED, (), ())
    assert "I don't have that" in answer.text
    assert house.clinic.profile.phones.front_desk in answer.text


async def test_an_emergency_is_told_to_call_first(house):
    answer = await ask(Question(text="My gums are bleeding and won't stop"), deps=house.deps)

    assert answer.outcome is Outcome.EMERGENCY
    assert answer.text.startswith(f"Call {house.clinic.profile.phones.emergency} now")
    assert answer.sources == ("policies/emergency.md#red-flags",)
    assert answer.text.endswith("Source: policies/emergency.md#red-flags")
    assert answer.generator == "rules"


async def test_an_emergency_is_answered_before_anything_is_open(settings, pack):
    house = build_house(settings(clinic_pack=pack.folder))

    answer = await ask(Question(text="I can't breathe"), deps=house.deps)
    await house.close()

    assert answer.outcome is Outcome.EMERGENCY
    assert "+353-87-900-0000" in answer.text
    assert "Call us at once if you lose feeling in both legs. [1]" in answer.text


async def test_a_rule_of_the_pack_is_an_emergency_too(settings, pack):
    rule = {"category": "legs", "reason": "nerves may be hurt", "patterns": ["legs are numb"]}
    pack.edit(triage=[rule])
    house = build_house(settings(clinic_pack=pack.folder))

    answer = await ask(Question(text="Both my LEGS are numb!"), deps=house.deps)
    await house.close()

    assert answer.outcome is Outcome.EMERGENCY
    assert "nerves may be hurt" in answer.text


async def test_an_emergency_earlier_in_the_talk_still_counts(make_deps):
    history = (
        Turn(role="user", text="I can't breathe properly"),
        Turn(role="assistant", text="Call the clinic."),
    )

    answer = await ask(Question(text="What does scaling cost?", history=history), deps=make_deps())

    assert answer.outcome is Outcome.EMERGENCY


async def test_what_the_assistant_said_is_no_emergency(make_deps):
    history = (Turn(role="assistant", text="Call us if you can't breathe."),)

    answer = await ask(
        Question(text="How long does scaling take?", history=history), deps=make_deps()
    )

    assert answer.outcome is Outcome.ANSWERED


async def test_an_index_that_is_not_open_is_said_to_be_so(settings):
    house = build_house(settings())

    answer = await ask(RCT, deps=house.deps)
    await house.close()

    assert (answer.outcome, answer.degraded) == (
        Outcome.DECLINED,
        Degraded.RETRIEVAL_UNAVAILABLE,
    )
    assert house.clinic.profile.phones.front_desk in answer.text


@pytest.mark.parametrize(
    "parts",
    [
        {"retriever": Shelf(error=RetrievalUnavailable("away"))},
        {"judge": Scores(error=RetrievalUnavailable("away"))},
        {
            "ladder": Pen(error=RetrievalUnavailable("away")),
            "quoter": Pen(error=RetrievalUnavailable("away")),
        },
        {
            "ladder": Pen("The moon is made of cheese."),
            "quoter": Pen(error=RetrievalUnavailable("away")),
        },
    ],
    ids=["the index", "the judge", "the ladder's floor", "the quoter"],
)
async def test_no_part_that_is_away_raises_through_an_answer(make_deps, parts):
    answer = await ask(Question(text="How long does scaling take?"), deps=make_deps(**parts))

    assert answer.outcome is Outcome.DECLINED
    assert answer.degraded is Degraded.RETRIEVAL_UNAVAILABLE


@pytest.mark.parametrize("text", ["What does it cost?", "## Fees", "Fees\n\nWhat is due?"])
async def test_passages_that_say_nothing_are_declined_and_not_cited(make_deps, text):
    deps = make_deps(
        retriever=Shelf([make_passage(text)]), ladder=Pen(""), quoter=Pen("", "extractive")
    )

    answer = await ask(Question(text="What does it cost?"), deps=deps)

    assert (answer.outcome, answer.sources) == (Outcome.DECLINED, ())
    assert "Source:" not in answer.text


async def test_what_is_left_of_a_questions_time_reaches_the_ladder(make_deps):
    pen = Pen("Scaling takes 40 minutes. [1]")
    start = time.monotonic()

    await ask(Question(text="How long?", timeout_s=20.0), deps=make_deps(ladder=pen))

    assert start + 19 < pen.briefs[0].deadline < time.monotonic() + 20


async def test_a_question_without_a_time_has_no_deadline(make_deps):
    pen = Pen("Scaling takes 40 minutes. [1]")

    await ask(Question(text="How long?"), deps=make_deps(ladder=pen))

    assert pen.briefs[0].deadline is None


@pytest.mark.parametrize("when_cold", WhenCold)
async def test_what_is_wanted_of_a_sleeping_model_reaches_the_ladder(make_deps, when_cold):
    pen = Pen("Scaling takes 40 minutes. [1]")

    await ask(Question(text="How long?", when_cold=when_cold), deps=make_deps(ladder=pen))

    assert pen.briefs[0].when_cold is when_cold


async def test_the_timings_name_every_step_that_was_taken(make_deps):
    answer = await ask(Question(text="How long does scaling take?"), deps=make_deps())

    steps = ["triage", "plan", "retrieve", "grade", "compose", "generate", "cite", "total"]
    assert list(answer.timings) == steps
    assert all(seconds >= 0 for seconds in answer.timings.values())


async def test_a_trace_comes_to_who_asks_for_it(make_deps):
    quiet = await ask(Question(text="How long does scaling take?"), deps=make_deps())
    told = await ask(Question(text="How long does scaling take?", debug=True), deps=make_deps())

    assert quiet.trace is None
    assert [step["step"] for step in told.trace][:3] == ["triage", "plan", "retrieve"]


async def test_an_answer_carries_the_request_id(make_deps):
    token = request_id.set("req-7")

    answer = await ask(Question(text="How long does scaling take?"), deps=make_deps())

    request_id.reset(token)
    assert answer.request_id == "req-7"


@pytest.mark.parametrize(("k", "expected"), [(None, 8), (1, 1), (100, 100)])
async def test_k_is_the_callers_or_the_setting(make_deps, k, expected):
    shelf = Shelf([make_passage("Scaling takes 40 minutes.")])

    await ask(Question(text="How long?", k=k), deps=make_deps(retriever=shelf))

    assert {asked for _, asked in shelf.asked} == {expected}


async def test_many_are_answered_at_once_each_its_own(house):
    questions = ["What does a simple extraction cost?", "Does scaling hurt?", "I can't breathe"] * 4

    answers = await asyncio.gather(*(ask(Question(text=q), deps=house.deps) for q in questions))

    alone = [await ask(Question(text=q), deps=house.deps) for q in questions[:3]]
    assert [answer.text for answer in answers] == [answer.text for answer in alone] * 4


async def test_an_llm_writes_and_what_nothing_carries_is_dropped(house, settings):
    reply = (
        "Root canal treatment costs INR 6,000 to 9,500. [1]\n"
        "It costs INR 2,000 on Mondays. [1]\n"
        "Source: my-own-head.md#x"
    )
    with ScriptedLlm(reply=reply, usage=(321, 45)) as llm:
        other = build_house(settings(llm_base_url=llm.base_url))
        answer = await ask(RCT, deps=replace(house.deps, ladder=other.deps.ladder))
        await other.close()

    assert answer.generator == "vllm/llm-server"
    assert answer.degraded is None
    assert "INR 6,000 to 9,500" in answer.text
    assert "2,000" not in answer.text
    assert "my-own-head" not in answer.text
    assert answer.usage.total_tokens == 366
    assert len(llm.asked) == 1


async def test_an_llm_that_makes_everything_up_is_replaced_by_the_documents(house, settings):
    with ScriptedLlm(reply="It costs INR 50. Trust me.", usage=(100, 9)) as llm:
        other = build_house(settings(llm_base_url=llm.base_url))
        answer = await ask(RCT, deps=replace(house.deps, ladder=other.deps.ladder))
        await other.close()

    assert (answer.generator, answer.degraded) == ("extractive", Degraded.LLM_REJECTED)
    assert "INR 6,000 to 9,500" in answer.text
    assert answer.usage.prompt_tokens == 100
