"""Parts: several questions in one message."""

import time

import pytest

from agentic_rag.agent.planning.follow_up import Context
from agentic_rag.agent.planning.parts import parts_of


def asked(message: str, context: Context | None = None) -> list[str]:
    return [part.asked for part in parts_of(message, context or Context())]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (
            "How much is scaling and do you open on Sunday?",
            ["How much is scaling", "do you open on Sunday"],
        ),
        (
            "cost and duration of a root canal?",
            ["cost of a root canal", "duration of a root canal"],
        ),
        (
            "When must I cancel a surgery, and what should I bring to the first visit?",
            ["When must I cancel a surgery", "what should I bring to the first visit"],
        ),
        (
            "Does scaling hurt, and can I eat afterwards?",
            ["Does scaling hurt", "can I eat after scaling"],
        ),
        (
            "How much is a crown and how many visits does it need?",
            ["How much is a crown", "how many visits does crown need"],
        ),
        ("Do you take cards? Is there parking?", ["Do you take cards", "Is there parking"]),
        ("price of scaling and botox", ["price of scaling", "How much does botox cost?"]),
        (
            "Till what time are you there on Saturday, and where can I leave my scooter?",
            ["Till what time are you there on Saturday", "where can I leave my scooter"],
        ),
        (
            "how long must i wait after it and what is the cost of an implant",
            ["how long must i wait after implant", "what is the cost of an implant"],
        ),
        (
            "how long is a first visit and can i take my own car home",
            ["how long is a first visit", "can i take my own car home"],
        ),
    ],
)
def test_each_part_stands_alone(message, parts):
    assert asked(message) == parts


@pytest.mark.parametrize(
    "message",
    [
        "My tooth broke and I have it here",
        "How much is scaling?",
        "Is it normal to be sore a day after a filling?",
        "and?",
        "",
    ],
)
def test_one_question_stays_one(message):
    assert len(asked(message)) == 1


@pytest.mark.parametrize(
    ("message", "question"),
    [
        ("Is a root canal painful? My wife asks.", "Is a root canal painful?"),
        ("Is there parking? Sunita wants to know", "Is there parking?"),
        ("Do you take cards? Thanks, Ramesh", "Do you take cards?"),
        ("Is there a lift?\nThanks and regards, Sunita Patil", "Is there a lift?"),
        ("Do you take cards? Please reply soon. Thank you!", "Do you take cards?"),
        ("क्या पार्किंग है? धन्यवाद", "क्या पार्किंग है?"),
    ],
)
def test_what_a_message_closes_with_is_no_question(message, question):
    assert asked(message) == [question]


@pytest.mark.parametrize(
    ("message", "question", "told"),
    [
        ("Can I have an x-ray? I am pregnant", "Can I have an x-ray?", "I am pregnant"),
        ("My son has exams. Are you open on Sunday? We live in Baner.",
         "Are you open on Sunday?", "My son has exams. We live in Baner."),
    ],
)  # fmt: skip
def test_what_is_told_around_a_question_is_no_question(message, question, told):
    [part] = parts_of(message, Context())

    assert (part.asked, part.told) == (question, told)


def test_a_question_that_points_at_what_was_told_keeps_it():
    told = "I take ecosprin. Should I leave it off before you pull my tooth?"

    assert asked(told) == [told]


@pytest.mark.parametrize(
    "message",
    [
        "Can I pay Rs. 500 now and the rest after the treatment?",
        "Is Dr. Rao available on Sunday?",
        "Does Dr. Rao do implants on Sunday?",
        "Are you open at 9 p.m. on Sunday?",
        "What is the charge for crown vs. bridge?",
        "Is scaling for kids (under 5) free?",
    ],
)
def test_a_stop_within_a_question_cuts_nothing(message):
    assert asked(f"{message} Thanks, Asha") == asked(message)


@pytest.mark.parametrize(
    ("told", "question"),
    [
        ("She is 8 months pregnant.", "Can a dentist take an x-ray?"),
        ("He is on warfarin.", "Can a tooth be extracted?"),
        ("Kindly note I am pregnant.", "Can I get an x-ray?"),
        ("I am allergic to penicillin and had a serious reaction to it in the year 2015, when I "
         "was in the hospital for two weeks.", "Which antibiotic do you give?"),
        ("I had a bypass. " * 20, "Can a tooth be extracted?"),
    ],
)  # fmt: skip
def test_a_danger_that_was_told_stays_with_the_question(told, question):
    for said in (f"{told} {question}", f"{question} {told}"):
        parts = parts_of(said, Context())
        read = " ".join(f"{part.told} {part.asked}" for part in parts)

        assert all(word in read for word in told.strip(". ").split())


@pytest.mark.parametrize(
    "request_",
    [
        "Please tell me the address.",
        "Please share the cancellation policy.",
        "Tell me about crowns.",
        "Shall I fast before extraction.",
        "Any offers on whitening.",
        "Reason for bleeding gums.",
    ],
)
def test_a_request_beside_a_question_is_not_left_out(request_):
    said = asked(f"{request_} Do you have parking?")

    assert request_.rstrip(".").split()[-1] in " ".join(said)
    assert any("parking" in each for each in said)


@pytest.mark.parametrize(
    "message",
    [
        "How much is scaling? Thanks, whitening too",
        "IS SCALING SAFE? THANKS. IS WHITENING SAFE",
        "How much is scaling? Thanks. Root Canal Cost",
        "Is there a wheelchair? Mum is 80 and will she be numb",
        "Do you take cards? My denture is broken can you fix it",
        "How much is scaling? I also want whitening.",
        "How much is scaling? Thanks. What is a crown?",
        "Is scaling safe? My wife asks about whitening.",
    ],
)
def test_what_asks_for_more_stays_a_question(message):
    assert len(asked(message)) >= 2


@pytest.mark.parametrize(
    "more", ["Thanks. ", "A", "A. ", "also ", "is it ", "want to ", "1) ", "and "]
)
def test_a_message_of_one_thing_over_and_over_is_read_at_once(more):
    start = time.process_time()

    assert parts_of("Is it safe? Thanks " + more * 1_200, Context())

    assert time.process_time() - start < 1


def test_a_follow_up_with_two_parts_is_completed_in_both():
    talk = Context().after("Tell me about whitening.")

    assert asked("How much is it and does it hurt?", talk) == [
        "How much is whitening",
        "does whitening hurt",
    ]


def test_a_comparison_asks_for_both():
    talk = Context().after("How much are braces?").after("How much are aligners?")

    assert set(asked("which one is cheaper?", talk)) == {
        "How much does aligners cost?",
        "How much does braces cost?",
    }


def test_there_are_never_many_parts():
    assert len(asked("How much is scaling? " + "Is there parking number? " * 500)) <= 4
    assert len(asked("; ".join(f"what is crown {letter}" for letter in "abcdefghij"))) <= 4


@pytest.mark.parametrize(
    "message",
    ["\n" * 4000, " " * 4000, "and " * 1000, ", " * 2000, "it " * 1300, "what is x and " * 280],
    ids=ascii,
)
def test_a_message_that_is_made_to_be_slow_is_read_in_no_time(message):
    parts_of(message, Context().after("What is scaling?"))

    start = time.process_time()
    parts_of(message, Context().after("What is scaling?"))

    assert time.process_time() - start < 0.2
