"""Drafts: taken apart into sentences that are safe to show, within a bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.safety.drafts import MOST_CLAIMS, Claim, claims


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        ("", []),
        ("[1] [2]", []),
        ("- Rest. [1]\n* Call us. [2]", ["Rest.", "Call us."]),
        ("1. Rest.\n2) Call us.", ["Rest.", "Call us."]),
        ("Rest. Rest.\nRest.", ["Rest."]),
        ("**Rest** at `home`.", ["Rest at home."]),
        ("Rest<br>at <b>home</b>.", ["Rest at home."]),
        ("<style>p{}</style>Rest.", ["Rest."]),
        ("Rest. <script>while(1);", ["Rest."]),
        ("Rest [see](http://x.y) now.", ["Rest see now."]),
        ("Re\u200bst.", ["Rest."]),
        ("Source: me\nRest.\n## Label", ["Rest."]),
        ("Rest [source: me].", ["Rest."]),
        ("Visit http://e.vil to pay. Rest.", ["Rest."]),
        ("Write to me@e.vil. Rest.", ["Rest."]),
        ("Look at www.e.vil/x, please. Rest.", ["Rest."]),
        ("Rest. Sleep. A crown is fit", ["Rest.", "Sleep."]),
        ("A crown without a stop", ["A crown without a stop"]),
        ('{"name": "book", "arguments": {}}\nRest.', ["Rest."]),
    ],
)
def test_what_is_no_plain_sentence_is_taken_away(draft, said):
    assert [claim.text for claim in claims(draft)] == said


def test_the_numbers_that_a_sentence_names_are_kept_beside_it():
    assert claims("Rest at home [2][99].") == [Claim("Rest at home.", (2, 99))]


def test_an_address_that_the_documents_have_is_kept():
    said = claims("Write to care@clinic.test. See http://clinic.test.", "care@clinic.test")

    assert [claim.text for claim in said] == ["Write to care@clinic.test."]


def test_of_a_draft_without_end_the_first_sentences_are_taken():
    draft = " ".join(f"Sentence {n} stands here." for n in range(10_000))

    assert len(claims(draft)) == MOST_CLAIMS


@given(st.text(alphabet="ab <>[](){}!#`*_:/.\n&;1-\u200b", max_size=300))
def test_no_draft_leaves_markup_behind(draft):
    for claim in claims(draft):
        assert not set("<>`{}") & set(claim.text)
        assert "\n" not in claim.text


def test_what_ends_with_its_number_breaks_off_nowhere():
    said = claims("Wear aligners all day. [1]\nClear aligners - price: INR 90,000 [1]")

    assert [claim.text for claim in said] == [
        "Wear aligners all day.",
        "Clear aligners - price: INR 90,000",
    ]
