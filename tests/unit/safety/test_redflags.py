"""Red flags: an emergency is found in a patient's own words; a mere question is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.errors import BadPack
from agentic_rag.safety.redflags import read_rules
from agentic_rag.settings import Settings

FLAGS = read_rules()
EXAMPLES = [(rule.category, example) for rule in FLAGS.rules for example in rule.examples]

ALARMS = [
    ("breathing", "i cant breath"),
    ("breathing", "I CAN\u2019T BREATHE!!"),
    ("breathing", "it is getting really hard to breathe"),
    ("breathing", "My throat feels tight and swollen"),
    ("swallowing", "its difficult for me to swallow"),
    ("bleeding", "the bleeding just won't stop"),
    ("bleeding", "I can't stop the bleeding"),
    ("bleeding", "It has been bleeding for hours"),
    ("bleeding", "My gum has not stopped bleeding since morning"),
    ("bleeding", "The bleeding hasn't stopped since yesterday"),
    ("bleeding", "blood everywhere after extraction"),
    ("swelling", "my cheek is swollen"),
    ("swelling", "My daughter's face is swelling up"),
    ("swelling", "there is swelling in my jaw"),
    ("fever", "I have tooth pain and a temperature of 39"),
    ("fever", "fever since my extraction"),
    ("trauma", "my son fell and hit his teeth"),
    ("trauma", "A ball hit me in the face"),
    ("trauma", "the tooth was knocked right out"),
    ("trauma", "I think my jaw is broken"),
    ("trismus", "my mouth won't open"),
    ("pus", "yellow pus around the tooth"),
    ("chest_pain", "toothache and chest pain"),
    ("collapse", "she passed out in the bathroom"),
    ("reaction", "hives all over after the amoxicillin"),
    ("poisoning", "my kid swallowed the mouthwash"),
    ("crisis", "I want to kill myself"),
]

DESPITE = [
    "No pain, but I can't breathe",
    "I have no fever but my face is swollen",
    "No, my face is swollen!",
    "Scaling was fine. Now my gums are bleeding and won't stop.",
    "What does scaling cost? Also my cheek is swollen.",
    "What is happening to me, I can't breathe",
    "What is the best thing to do, my son's tooth was knocked out",
    "What if I can't breathe, I have it right now",
    "Is it normal that my face is swollen and I have a high fever after the extraction?",
    "How do I know if my face is too swollen, it is getting worse",
    "He used to be healthy and now he is unconscious",
    "The pain went away and then my face got swollen",
    "I don't have an appointment and my face is swollen",
    "Not sure if this matters: heavy bleeding since the extraction",
]

NONE = [
    "What counts as an emergency?",
    "what counts as heavy bleeding",
    "Which swelling of the face is an emergency?",
    "What are the signs of a high fever?",
    "Do you treat swelling of the jaw?",
    "Can scaling cause heavy bleeding?",
    "How long does scaling take?",
    "I have no fever",
    "I don't have any swelling of the face",
    "I do not have a high fever or a swollen face",
    "My face isn't swollen",
    "No facial swelling, no fever, no trouble breathing.",
    "The bleeding has stopped",
    "The swelling of my face went away",
    "My jaw was broken ten years ago",
    "I fell on my face as a child",
    "What is your fee?",
    "Can I open a file with you?",
    "Do my gums bleed because of scaling?",
    "Where can I park?",
    "",
    "?!",
]


@pytest.mark.parametrize(("category", "example"), EXAMPLES)
def test_every_rule_finds_its_examples(category, example):
    assert FLAGS.find([example]).category == category


@pytest.mark.parametrize(("category", "said"), ALARMS)
def test_an_emergency_is_found_in_a_patients_own_words(category, said):
    alarm = FLAGS.find([said])

    assert alarm is not None
    assert alarm.category == category
    assert alarm.reason


@pytest.mark.parametrize("said", DESPITE)
def test_an_emergency_is_found_whatever_stands_around_it(said):
    assert FLAGS.find([said]) is not None


@pytest.mark.parametrize("said", NONE)
def test_a_question_or_a_denial_is_no_emergency(said):
    assert FLAGS.find([said]) is None


def test_every_message_is_looked_at_and_the_first_alarm_told():
    found = FLAGS.find(["How long?", "my cheek is swollen", "I can't breathe"])

    assert found.category == "swelling"


def test_no_message_has_no_alarm():
    assert FLAGS.find([]) is None


@pytest.mark.parametrize(
    "filler",
    ["a", "a ", "not ", "no fever ", "bleed ", "can't ", "swollen ", " ", "\n", "!?", "[", "é"],
    ids=ascii,
)
def test_a_message_of_any_length_is_looked_at(filler):
    message = filler * (200_000 // len(filler))

    FLAGS.find([message])


def test_an_emergency_at_the_end_of_the_longest_message_is_found():
    most = next(
        m.le for m in Settings.model_fields["max_question_chars"].metadata if hasattr(m, "le")
    )
    said = "I can't breathe."
    longest = "My story is long. ".ljust(most - len(said)) + said

    alarm = FLAGS.find([longest])

    assert alarm is not None, f"a question may have {most} characters"


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text):
    FLAGS.find([text])


def test_a_pack_adds_rules_in_its_own_language():
    flags = read_rules(
        [("breathing", "the airway may close", ("सांस नहीं आ रही", "no puedo respirar"))]
    )

    assert flags.find(["मुझे सांस नहीं आ रही है"]).category == "breathing"
    assert flags.find(["Ayuda: NO PUEDO RESPIRAR!"]).reason == "the airway may close"
    assert len(flags.rules) == len(FLAGS.rules) + 1


def test_the_words_of_a_pack_are_taken_as_words_and_not_as_patterns():
    flags = read_rules([("odd", "odd", ("level (5.0)",))])

    assert flags.find(["it is level (5.0) now"]).category == "odd"
    assert flags.find(["it is level 5x0 now"]) is None


def test_a_rule_that_cannot_find_its_own_words_is_refused():
    with pytest.raises(BadPack, match="red flag odd"):
        read_rules([("odd", "odd", ("what is a numb leg",))])
