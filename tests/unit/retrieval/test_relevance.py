"""Relevance: what fits passes, what only sounds alike does not."""

import pytest

from agentic_rag.clinic.profile import read_clinic
from agentic_rag.domain import Passage
from agentic_rag.retrieval.relevance import ENOUGH, RelevanceJudge


def passage(text: str, heading: str = "") -> Passage:
    return Passage(
        label="a.md", doc_id="a.md", section="", heading=heading, text=text, start=0, end=len(text)
    )


CROWN = passage(
    "Code: TX-CROWN-01\nName: Dental crown\nDuration: 60 minutes\nPrice band: INR 5,000 to 12,000",
    "Dental crown",
)
SUNDAY = passage(
    "The clinic is closed on Sundays except for emergency slots on call.",
    "Frequently asked questions > Are you open on Sundays?",
)
RCT = passage("Name: Root canal treatment\nPrice band: INR 6,000 to 9,500", "Root canal treatment")


@pytest.fixture(scope="module")
def judge(embedder):
    return RelevanceJudge(embedder, read_clinic().profile.synonyms)


async def score(judge: RelevanceJudge, question: str, on: Passage) -> float:
    return (await judge.judge(question, [on]))[0].score


@pytest.mark.parametrize(
    ("question", "on"),
    [
        ("What does a crown cost?", CROWN),
        ("how much is a dental cap", CROWN),
        ("Are you open on Sundays?", SUNDAY),
        ("RCT price", RCT),
        ("Whats the price range for Root Canal Therapy?", RCT),
    ],
)
async def test_what_answers_is_enough(judge, question, on):
    assert await score(judge, question, on) >= ENOUGH


@pytest.mark.parametrize(
    ("question", "on"),
    [
        ("What is a crown for my car worth?", CROWN),
        ("What is the capital of France?", SUNDAY),
        ("Do you treat dogs?", CROWN),
        ("What does a crown cost?", SUNDAY),
    ],
)
async def test_what_only_sounds_alike_is_not(judge, question, on):
    assert await score(judge, question, on) < ENOUGH


async def test_the_missing_words_are_named(judge):
    found = (await judge.judge("What is a crown for my car worth?", [CROWN]))[0]

    assert "car" in found.missing
    assert "crown" not in found.missing


async def test_a_synonym_stands_for_the_word(judge):
    found = (await judge.judge("RCT price", [RCT]))[0]

    assert found.missing == ()


async def test_judgements_come_in_the_order_of_the_passages(judge):
    question = "Are you open on Sundays?"

    together = await judge.judge(question, [CROWN, SUNDAY, RCT])

    for found, on in zip(together, [CROWN, SUNDAY, RCT], strict=True):
        assert found.score == pytest.approx(await score(judge, question, on), abs=1e-5)


@pytest.mark.parametrize("question", ["", "?", "What should I do?", "and", "x" * 3000, "दाँत"])
async def test_any_question_has_a_score_from_none_to_one(judge, question):
    for found in await judge.judge(question, [CROWN, passage("?"), passage("# Title")]):
        assert 0 <= found.score <= 1


async def test_no_passage_has_no_judgement(judge):
    assert await judge.judge("What does a crown cost?", []) == []


async def test_warming_changes_no_judgement(embedder):
    judge = RelevanceJudge(embedder, {})
    cold = await score(judge, "What does a crown cost?", CROWN)

    await judge.warm([CROWN, SUNDAY])

    assert await score(judge, "What does a crown cost?", CROWN) == pytest.approx(cold, abs=1e-5)
