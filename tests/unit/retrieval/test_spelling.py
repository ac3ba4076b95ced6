"""Spelling: slips are mended, and what is no slip is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.retrieval.spelling import Speller

DOCUMENTS = """
    crown denture implant appointment saliva chair house sterilise price parking staff copies dry
""".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(DOCUMENTS)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("wat is teh prise of an implnt", "what is the price of an implant"),
        ("hw do u sterlise", "how do you sterilise"),
        ("whqt doez a crown cozt", "what does a crown cost"),
        ("is there parkin", "is there parking"),  # a rare word of English, too
        ("copys for the staf", "copies for the staff"),
        ("dri mouth", "dry mouth"),
        ("parking at nite", "parking at night"),
        ("my dentchure hurts", "my denture hurts"),
        ("is ther parkng?", "is there parking?"),
        ("can i move my apointment of tommorow", "can i move my appointment of tomorrow"),
    ],
)
def test_a_slip_is_mended(speller, typed, meant):
    assert speller.mend(typed) == meant


@pytest.mark.parametrize(
    "text",
    [
        "What is the salary of a dentist?",  # no slip of "saliva"
        "a crown for my horse",  # no slip of "house"
        "may I drink chai",  # no slip of "chair"
        "Is Dr Mehta here, and is GST added?",
        "scaling mein dard hota hai kya",
        "RCT चा खर्च किती येतो?",
        "price of TX-CROWN-01 ₹1,200",
        "don't",
        "",
    ],
)
def test_what_is_no_slip_is_left_alone(speller, text):
    assert speller.mend(text) == text


def test_what_is_unknown_and_near_to_nothing_is_left_alone(speller):
    assert speller.mend("xqzzvk blorptang") == "xqzzvk blorptang"


def test_a_text_of_a_million_unknown_words_is_not_looked_up_word_by_word(speller):
    text = " ".join(f"zq{chr(97 + n % 26)}x{chr(97 + n // 26 % 26)}v" for n in range(200_000))

    assert len(speller.mend(text)) > 0


@given(st.text(max_size=60))
def test_no_text_breaks_it_and_mending_twice_changes_nothing_more(text):
    speller = Speller(DOCUMENTS)

    once = speller.mend(text)

    assert speller.mend(once).count(" ") == once.count(" ") == text.count(" ")
