"""Relevance: what fits passes, what only sounds alike does not."""

import time
from dataclasses import replace

import pytest
from tests.fakes import WordEmbedder

from agentic_rag.clinic.profile import read_clinic
from agentic_rag.domain import Likeness, Passage
from agentic_rag.retrieval.everyday import everyday_words
from agentic_rag.retrieval.relevance import ENOUGH, RelevanceJudge, asked_for
from agentic_rag.safety.wording import groups_of, paraphrases


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
FILLING = passage(
    "Wait until the numbness has gone before you eat after a filling.\n"
    "Children may bite their lip or cheek.",
    "After a filling",
)
BRACES = passage(
    "Name: Metal braces\nPrice band: INR 35,000 to 60,000\nSteps: A retainer holds the result.",
    "Metal braces",
)
LIFT = passage("The clinic has a step-free entrance and a lift.", "Getting into the clinic")


@pytest.fixture(scope="module")
def judge(embedder):
    profile = read_clinic().profile
    alike = [*groups_of(profile.synonyms), *paraphrases(), *everyday_words()]
    return RelevanceJudge(embedder, alike, profile.elsewhere)


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
        ("please sir, how much would the root canal normally cost in total", RCT),
        ("What do braces cost?", BRACES),
        ("is there an elevator", LIFT),
        ("elevators", LIFT),
        ("braces", BRACES),
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
        ("How much does a root canal for a horse cost?", RCT),
        ("Do you do lip fillers?", FILLING),
        ("What should I do?", CROWN),
        ("botox", CROWN),
        ("What is the salary of a dentist?", CROWN),
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
    judge = RelevanceJudge(embedder, [])
    cold = await score(judge, "What does a crown cost?", CROWN)

    await judge.warm([CROWN, SUNDAY])

    assert await score(judge, "What does a crown cost?", CROWN) == pytest.approx(cold, abs=1e-5)


async def test_a_word_that_nobody_misses_is_not_missing(judge):
    found = (await judge.judge("Actually, what is the usual price of a new crown, sir?", [CROWN]))[
        0
    ]

    assert found.missing == ()
    assert found.score >= ENOUGH


async def test_a_question_of_light_words_alone_misses_them(judge):
    found = (await judge.judge("anything new today?", [CROWN]))[0]

    assert found.score < ENOUGH
    assert "new" in found.missing


async def test_many_fitting_words_do_not_outweigh_a_foreign_one(judge):
    asked = "What does a dental crown cost, from lowest to highest, and what is its duration"

    fits = await score(judge, f"{asked}?", CROWN)
    strays = await score(judge, f"{asked}, for a horse?", CROWN)

    assert fits >= ENOUGH > strays


async def test_a_word_beside_the_statement_counts_less_than_one_in_it(judge):
    in_it = passage("Name: Metal braces\nRetainer price: INR 900", "Metal braces")

    asked = "How much does a retainer cost?"

    assert await score(judge, asked, in_it) > await score(judge, asked, BRACES)


async def test_a_question_that_comes_near_to_what_is_elsewhere_has_to_come_nearer(embedder):
    plain = RelevanceJudge(embedder, [])
    warned = RelevanceJudge(embedder, [], ["Cars, machines and repairs"])

    for question in ("Do you repair cars?", "What does a car repair cost?"):
        assert await score(warned, question, CROWN) < await score(plain, question, CROWN)
    for question in ("What does a crown cost?", "Are you open on Sundays?"):
        assert await score(warned, question, CROWN) == await score(plain, question, CROWN)


async def test_the_score_does_not_depend_on_the_company(judge):
    question = "What does a crown cost?"
    crowd = [passage(f"The crown of king number {n} is lost.", "Crowns") for n in range(60)]

    alone, crowded = (
        await judge.judge(question, [CROWN]),
        await judge.judge(question, [*crowd, CROWN]),
    )

    assert crowded[-1].score == pytest.approx(alone[0].score, abs=1e-5)
    assert crowded[-1].missing == alone[0].missing


async def test_a_question_as_long_as_a_book_is_left_a_bounded_number_of_words():
    embedder = WordEmbedder()
    judge = RelevanceJudge(embedder, [])

    await judge.judge(" ".join(f"topic{n}" for n in range(2_000)), [CROWN])

    assert len(embedder.embedded) < 50


@pytest.mark.parametrize("alike", [("and", "or"), ("crown", "the"), ("?", "!"), ("",)])
async def test_synonyms_of_stop_words_stand_for_nothing(embedder, alike):
    judge = RelevanceJudge(embedder, [alike])

    found = (await judge.judge("What does a crown or a tiara cost?", [SUNDAY]))[0]

    assert found.score < ENOUGH
    assert {"crown", "tiara"} <= set(found.missing)


async def test_a_pack_without_synonyms_is_asked_in_everyday_words_too(embedder):
    question, rule = (
        "Whom do I ring if I was charged twice?",
        passage("Call the front desk if an amount on your bill is not right.", "Bills"),
    )

    bare = await score(RelevanceJudge(embedder, []), question, rule)
    told = await score(RelevanceJudge(embedder, paraphrases()), question, rule)

    assert told > bare


@pytest.mark.parametrize(
    ("alike", "question", "told"),
    [
        (("cancel", "call off"), "May I cancel?", "Call the front desk."),
        (("excluded", "not covered"), "Is it excluded?", "It is covered."),
        (("fasting", "without eating"), "Is fasting needed?", "Eating is allowed."),
    ],
)
async def test_half_of_a_phrase_stands_for_nothing(embedder, alike, question, told):
    judged = await RelevanceJudge(embedder, [alike]).judge(question, [passage(told)])

    assert alike[0] in judged[0].missing


async def test_a_passage_without_a_heading_or_of_one_letter_is_judged(judge):
    for odd in (passage("a"), passage("", "Crown"), passage("\U0001f9b7"), passage("दाँत का मुकुट")):
        assert 0 <= await score(judge, "What does a crown cost?", odd) <= 1


@pytest.mark.parametrize(
    ("question", "on"),
    [
        ("Do you have an app for braces?", BRACES),
        ("What is the success rate of a root canal treatment?", RCT),
        ("How much is a diamond on a crown?", CROWN),
    ],
)
async def test_the_very_thing_that_is_asked_for_has_to_be_near(judge, question, on):
    assert await score(judge, question, on) < ENOUGH


async def test_for_whom_it_is_asked_is_not_missed(judge):
    [found] = await judge.judge("is there an elevator for my mother", [LIFT])

    assert found.score >= ENOUGH
    assert found.missing == ()


@pytest.mark.parametrize("question", ["what is" * 800, "do you " * 800, "?" * 4000, "how many "])
def test_a_question_that_is_made_to_be_slow_is_read_in_no_time(question):
    start = time.process_time()

    asked_for(question)

    assert time.process_time() - start < 0.2


async def test_the_name_of_a_file_tells_what_it_is_about(judge):
    text, heading = "Do not smoke for 72 hours: the socket may turn dry.", "When you are home"
    nameless = passage(text, heading)
    named = replace(nameless, doc_id="aftercare/extraction.txt", label="aftercare/extraction.txt")

    question = "How long must I not smoke after an extraction?"
    without, with_it = await judge.judge(question, [nameless, named])

    assert with_it.score > without.score
    assert "extraction" in without.missing
    assert "extraction" not in with_it.missing


async def test_words_that_are_all_foreign_pass_where_such_a_question_was_expected(judge):
    question = "do you take plastic money or only notes"
    bill = passage("The clinic accepts UPI, cards and net banking.", "Ways to pay")
    like = Likeness(answered={"a.md": 0.75}, unanswered=0.45)

    [alone] = await judge.judge(question, [bill])
    [expected] = await judge.judge(question, [bill], like)

    assert alone.score < ENOUGH <= expected.score <= 1.0


async def test_what_is_liker_to_a_question_that_nothing_answers_is_declined(judge):
    question = "What does a crown cost?"
    like = Likeness(answered={"a.md": 0.6}, unanswered=0.9)

    [alone] = await judge.judge(question, [CROWN])
    [expected] = await judge.judge(question, [CROWN], like)

    assert expected.score < ENOUGH <= alone.score


async def test_a_passage_of_a_section_without_questions_is_judged_by_its_words_alone(judge):
    question = "What does a crown cost?"
    other = Likeness(answered={"b.md": 0.9}, unanswered=0.9)

    assert await judge.judge(question, [CROWN], other) == await judge.judge(question, [CROWN])


@pytest.mark.parametrize(("answered", "unanswered"), [(0.1, 0.0), (0.1, 0.1), (0.3, 0.0)])
async def test_what_is_far_from_all_that_was_expected_is_no_nearer_for_it(
    judge, answered, unanswered
):
    like = Likeness(answered={"a.md": answered}, unanswered=unanswered)
    [alone] = await judge.judge("how do I bake sourdough bread", [CROWN])

    [expected] = await judge.judge("how do I bake sourdough bread", [CROWN], like)

    assert expected.score <= alone.score < ENOUGH
