"""What is said without documents: in the patient's language, in the clinic's words."""

import pytest

from agentic_rag.agent.planning.small_talk import SmallTalk
from agentic_rag.agent.replies import chatted, declined, noted
from agentic_rag.clinic.profile import Texts
from agentic_rag.domain import Answer, Degraded, Outcome

LANGUAGES = ["en", "hi", "mr", "hi-Latn", "mr-Latn"]
ANSWER = Answer(
    text="Scaling takes 40 minutes. [1]\nSource: faq.md#scaling",
    outcome=Outcome.ANSWERED,
    sources=("faq.md#scaling",),
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(SmallTalk))
def test_small_talk_is_answered_in_one_line_that_cites_nothing(profile, kind, language):
    answer = chatted(profile, kind, language)

    assert answer.outcome is Outcome.ANSWERED
    assert (answer.citations, answer.sources, answer.generator) == ((), (), "rules")
    assert "\n" not in answer.text
    assert profile.name in answer.text
    assert "{" not in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("degraded", [None, Degraded.RETRIEVAL_UNAVAILABLE])
def test_who_is_declined_is_told_whom_to_call(profile, language, degraded):
    answer = declined(profile, degraded, language)

    assert profile.phones.front_desk in answer.text
    assert "{" not in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_lacking_is_said_above_the_source_line(profile, language):
    answer = noted(ANSWER, profile, ["dogs"], language)

    *_, last = answer.text.splitlines()
    assert last == "Source: faq.md#scaling"
    assert "dogs" in answer.notes[0]
    assert set(answer.notes) <= set(answer.text.splitlines())
    assert len(answer.notes) == (1 if language == "en" else 2)


def test_an_answer_that_lacks_nothing_stays_as_it_is(profile):
    assert noted(ANSWER, profile, [], "en") is ANSWER


def test_a_packs_own_words_are_said_and_the_shipped_ones_for_the_rest(profile):
    own = profile.model_copy(update={"texts": {"en": Texts(thanks="Any time, says {clinic}.")}})

    assert chatted(own, SmallTalk.THANKS, "en").text == f"Any time, says {profile.name}."
    assert chatted(own, SmallTalk.GOODBYE, "en") == chatted(profile, SmallTalk.GOODBYE, "en")


def test_the_patients_words_fill_no_mark(profile):
    answer = noted(ANSWER, profile, ["{emergency}"], "en")

    assert "{emergency}" in answer.notes[0]
