"""Escalate: the number first, an ambulance where one is needed, and people for a crisis."""

import pytest

from agentic_rag.agent.ask import ask
from agentic_rag.clinic.profile import Crisis
from agentic_rag.domain import Outcome, Question, Turn


async def answer_to(text, deps, *history):
    return await ask(Question(text=text, history=history), deps=deps)


async def test_the_number_stands_first_and_both_phones_are_told(make_deps):
    answer = await answer_to("my face is swollen", make_deps())

    assert answer.text.startswith("Call +91-99-9999-9999 now (by day also +91-20-4000-0000)")
    assert answer.sources == ("policies/emergency.md#red-flags",)


async def test_an_ambulance_is_named_for_what_cannot_wait(make_deps):
    answer = await answer_to("chest pain and sweating, left arm hurts", make_deps())

    assert "108 or 112" in answer.text


async def test_no_ambulance_is_named_where_the_pack_has_none(make_deps, profile):
    phones = profile.phones.model_copy(update={"ambulance": None, "all_emergencies": None})
    deps = make_deps(profile=profile.model_copy(update={"phones": phones}))

    answer = await answer_to("chest pain and sweating, left arm hurts", deps)

    assert "mbulance" not in answer.text


async def test_somebody_in_a_crisis_gets_people_and_no_dental_talk(make_deps):
    answer = await answer_to("I want to end my life", make_deps())

    assert answer.outcome is Outcome.EMERGENCY
    assert all(number in answer.text for number in ("14416", "108", "112"))
    assert not any(word in answer.text.lower() for word in ("tooth", "gauze", "dentist", "clinic"))
    assert answer.citations == ()


@pytest.mark.parametrize(
    ("said", "told"),
    [("mujhe ab jeena nahi hai", "बात कीजिए"), ("मला जगायचं नाही", "कोणाशी तरी बोला")],
)
async def test_a_crisis_is_answered_in_the_patients_language(said, told, make_deps):
    answer = await answer_to(said, make_deps())

    assert told in answer.text


async def test_a_pack_without_a_crisis_line_is_kind_all_the_same(make_deps, profile):
    bare = profile.phones.model_copy(update={"ambulance": None, "all_emergencies": None})
    deps = make_deps(profile=profile.model_copy(update={"crisis": Crisis(), "phones": bare}))

    answer = await answer_to("I want to end my life", deps)

    assert "not have to carry this alone" in answer.text
    assert "+91-99-9999-9999" in answer.text


async def test_an_emergency_is_answered_in_the_patients_language_with_the_number_first(make_deps):
    answer = await answer_to("मेरा गाल सूज गया है", make_deps())

    assert answer.text.startswith("+91-99-9999-9999 पर अभी फ़ोन करें")


async def test_what_the_assistant_said_is_no_sign(make_deps):
    said = Turn(role="assistant", text="Call us if your face is swollen or you cannot breathe.")

    answer = await answer_to("What does scaling cost?", make_deps(), said)

    assert answer.outcome is not Outcome.EMERGENCY
