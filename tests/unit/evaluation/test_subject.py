"""The doors of an agent, as the suites find them."""

import pytest

from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Passage, Question, Turn
from agentic_rag.evaluation.subject import Subject, carries, says_crisis
from agentic_rag.safety.redflags import Alarm

TEXT = "Scaling takes 40 minutes. It is not painful."
PASSAGE = Passage(
    label="faq.md", doc_id="faq.md", section="", heading="", text=TEXT, start=0, end=len(TEXT)
)
SWOLLEN = "My face is badly swollen and I have a high fever"


@pytest.fixture
def subject(settings) -> Subject:
    return Subject.of(build_house(settings()).deps)


async def test_triage_hears_what_the_patient_said_before(subject):
    before = (Turn(role="user", text=SWOLLEN), Turn(role="assistant", text="Please call."))

    alarm = await subject.alarm(Question(text="what do i do now", history=before))

    assert alarm is not None


async def test_triage_does_not_hear_what_it_said_itself(subject):
    before = (Turn(role="user", text="Hello"), Turn(role="assistant", text=SWOLLEN))

    alarm = await subject.alarm(Question(text="What does a filling cost?", history=before))

    assert alarm is None


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Scaling takes 40 minutes.", True),
        ("Scaling takes 90 minutes.", False),
        ("Scaling takes 40 minutes. It costs nothing on Tuesdays.", False),
        ("", False),
    ],
)
def test_a_sentence_is_carried_where_all_of_it_would_be_shown(sentence, shown):
    assert carries(sentence, PASSAGE) is shown


@pytest.mark.parametrize(("category", "crisis"), [("self_harm", True), ("bleeding", False)])
def test_a_crisis_is_known_by_its_category(category, crisis):
    assert says_crisis(Alarm(category=category, reason="-")) is crisis
