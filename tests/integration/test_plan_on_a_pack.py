"""The whole way on a small pack: an old leaflet, two parts, follow-ups, other languages."""

import asyncio

import pytest

from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap.house import build_house
from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.domain import Answer, Outcome, Question, Turn

LEAFLET = """\
# Welcome (leaflet of 2017)

## Fees

A first assessment costs EUR 45.

## Opening hours

The practice is open Monday to Friday from 10:00 to 16:00.

## Dry needling

Dry needling is done from the age of 14.

## Shockwave therapy

Avoid running for 5 days after shockwave therapy.

## The building

The practice has a lift on the left of the entrance.
"""
POLICY = """\
# Our practice

## Fees

A first assessment costs EUR 70.

## Opening hours

The practice is open Monday to Saturday from 8:00 to 19:00.

## Dry needling

Dry needling is done from the age of 18.

## Shockwave therapy

Avoid running for 2 weeks after shockwave therapy.
"""


@pytest.fixture
def talk(pack, settings):
    """Have a talk with the small clinic; returns its answers."""
    pack.write("policies/practice.md", POLICY)
    pack.write("leaflets/old.md", LEAFLET)
    pack.edit(precedence=["urgent.md", "policies/**", "services.json", "faq.md", "leaflets/**"])
    chosen = settings(clinic_pack=pack.folder)
    ingest_folder(chosen, None, None)

    def run(*said: str) -> list[Answer]:
        async def go() -> list[Answer]:
            house = build_house(chosen)
            await house.library.open()
            try:
                answers, history = [], ()
                for text in said:
                    answers.append(await ask(Question(text=text, history=history), deps=house.deps))
                    told = Turn(role="assistant", text=answers[-1].text)
                    history = (*history, Turn(role="user", text=text), told)
                return answers
            finally:
                await house.close()

        return asyncio.run(go())

    return run


def test_where_documents_disagree_the_trusted_ones_number_is_told_alone(talk):
    cases = {
        "How much is a first assessment?": ("70", "45"),
        "What are your opening hours?": ("19:00", "16:00"),
        "From what age can I have dry needling?": ("18", "14"),
        "How long should I avoid running after shockwave therapy?": ("2 weeks", "5 days"),
    }

    answers = [talk(question)[0] for question in cases]

    for answer, (current, old) in zip(answers, cases.values(), strict=True):
        assert current in answer.text
        assert old not in answer.text
        assert "leaflets/old.md" not in " ".join(answer.sources)


def test_what_only_the_old_leaflet_tells_is_still_told(talk):
    [answer] = talk("Is there a lift?")

    assert answer.sources == ("leaflets/old.md#the-building",)


def test_both_parts_are_answered_and_a_part_that_is_absent_is_named(talk):
    [both] = talk("How much is a first assessment and is there parking?")
    [half] = talk("Is there parking and do you sell bicycles?")

    assert "70" in both.text
    assert "harbour office" in both.text
    assert "harbour office" in half.text
    assert "bicycles" in half.notes[0]
    assert half.outcome is Outcome.ANSWERED


def test_a_follow_up_and_small_talk_on_the_way(talk):
    hello, price, thanks, long = talk(
        "hello", "What does knee rehabilitation cost?", "thank you", "and how long does it take?"
    )

    assert (hello.outcome, hello.sources) == (Outcome.ANSWERED, ())
    assert "55" in price.text
    assert thanks.citations == ()
    assert "45 minutes" in long.text


def test_a_question_in_another_language_is_answered_or_declined_in_it(talk):
    held, absent = talk("parking hai kya?")[0], talk("scuba diving sikhate hain kya?")[0]

    assert "harbour office" in held.text
    assert held.notes
    assert absent.outcome is Outcome.DECLINED
    assert "English mein" in absent.text
