"""Words, sentences and statements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.language import (
    field_name,
    sentence_spans,
    sentences,
    statement_spans,
    stem,
    terms,
    topic_words,
    words,
)

TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["Dr. Rao", "9.30 a.m.", "[1]", "- Rest.", "## Fees", "Fee: INR 6", "।"]),
        st.text("aB. \n!?#-:", max_size=12),
    ),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("Rest", ["Rest"]),
        ("Rest. Then call us!", ["Rest.", "Then call us!"]),
        ("Is it open? Yes.", ["Is it open?", "Yes."]),
        ("Dr. Rao and Mrs. Shah are in.", ["Dr. Rao and Mrs. Shah are in."]),
        ("It costs Rs. 300 at most.", ["It costs Rs. 300 at most."]),
        ("A. Kulkarni is in.", ["A. Kulkarni is in."]),
        ("A fever of 38.5 °C is high.", ["A fever of 38.5 °C is high."]),
        ("Call +91-20-4000-0000. Then wait.", ["Call +91-20-4000-0000.", "Then wait."]),
        ("Bite on gauze, e.g. for an hour.", ["Bite on gauze, e.g. for an hour."]),
        ("1. Rinse.\n2. Rest.", ["1. Rinse.", "2. Rest."]),
        ("Rest. [1] Call. [2]", ["Rest. [1]", "Call. [2]"]),
        ("Rest [1]. Call [2].", ["Rest [1].", "Call [2]."]),
        ("One line\nanother line", ["One line", "another line"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("दाँत साफ करें। फिर आएँ।", ["दाँत साफ करें।", "फिर आएँ।"]),
    ],
)
def test_a_text_falls_into_its_sentences(text, expected):
    assert sentences(text) == expected


@given(TEXTS)
def test_sentences_lose_nothing_but_white_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(TEXTS)
def test_sentences_and_statements_stand_in_order_and_do_not_overlap(text):
    for spans in (list(sentence_spans(text)), list(statement_spans(text))):
        ends = [0, *(end for _, end in spans)]
        assert all(before <= start for before, (start, _) in zip(ends, spans, strict=False))
        assert all(text[a:b] and text[a:b] == text[a:b].strip() for a, b in spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Price band: INR 6 to 9\nVisits: 2", ["Price band: INR 6 to 9", "Visits: 2"]),
        ("Aftercare: Rinse gently. Rest.", ["Aftercare: Rinse gently. Rest."]),
        ("## Fees\nA visit is free.", ["A visit is free."]),
        ("Fees\n\nA visit is free.", ["A visit is free."]),
        ("Fees\n====\nA visit is free.", ["A visit is free."]),
        ("Day | Open\nSunday | shut\n\nCall us.", ["Day | Open", "Sunday | shut", "Call us."]),
        ("- Rinse.\n* Rest.\n1. Sleep.\n> Eat.", ["Rinse.", "Rest.", "Sleep.", "Eat."]),
        ("- soft food\n- water\n", ["soft food", "water"]),
        ("Rest. Then call us.", ["Rest.", "Then call us."]),
        ("", []),
    ],
)
def test_a_statement_can_be_quoted_on_its_own(text, expected):
    assert [text[start:end] for start, end in statement_spans(text)] == expected


def test_a_field_keeps_its_name():
    assert field_name("Price band: INR 6,000") == "Price band"
    assert field_name("Come at 9:30 please") == ""
    assert field_name("lower case: no field") == ""


def test_words_come_in_lower_case_with_their_numbers():
    said = words("Don\u2019t eat at 9:30, Asha!")

    assert list(said) == ["don't", "eat", "at", "9", "30", "asha"]


def test_words_of_one_stem_are_the_same_term():
    assert list(terms("cleaning cleaned cleans")) == ["clean"] * 3
    assert stem("Fillings") == stem("filling")


def test_words_without_a_topic_are_no_topic_words():
    asked = "Hi, could you please tell me what a filling costs?"

    assert list(topic_words(asked)) == ["filling", "costs"]
    assert list(topic_words("What should I do?")) == []


def test_a_topic_word_is_told_once():
    assert list(topic_words("crown, Crown or CROWN")) == ["crown"]
