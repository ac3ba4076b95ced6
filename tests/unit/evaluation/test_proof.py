"""An answer is checked against the documents, whatever the agent says of them."""

import pytest

from agentic_rag.domain import Answer, Citation, Outcome
from agentic_rag.evaluation.proof import Shelf, body, numbers, statements


@pytest.fixture
def shelf(pack) -> Shelf:
    """The documents of the clinic by the sea."""
    return Shelf.of(pack.documents)


def citation(label: str, quote: str, number: int = 1) -> Citation:
    doc_id, _, section = label.partition("#")
    known = dict(number=number, label=label, doc_id=doc_id, section=section, quote=quote)
    unknown = {name: 0 for name in Citation.__dataclass_fields__ if name not in known}
    return Citation(**known, **unknown)


def answer(text: str, *citations: Citation) -> Answer:
    return Answer(text=text, outcome=Outcome.ANSWERED, citations=citations)


REFERRAL = "You do not need a referral from a doctor."
FAQ = citation("faq.md#do-i-need-a-referral", REFERRAL)


def test_a_true_citation_is_right(shelf):
    [said] = shelf.examine(answer(f"{REFERRAL} [1]\nSource: {FAQ.label}", FAQ))

    assert (said.text, said.cited, said.right) == (REFERRAL, 1, 1)
    assert said.is_carried
    assert not said.is_misnumbered


def test_a_quote_that_its_document_does_not_have_is_wrong(shelf):
    forged = citation("faq.md#do-i-need-a-referral", "You do need a referral from a doctor.")

    [said] = shelf.examine(answer("You do need a referral from a doctor. [1]", forged))

    assert (said.right, said.is_carried) == (0, False)


def test_a_quote_that_stands_under_another_label_is_wrong(shelf):
    astray = citation("faq.md#is-there-parking", REFERRAL)

    [said] = shelf.examine(answer(f"{REFERRAL} [1]", astray))

    assert (said.right, said.is_carried) == (0, True)


def test_a_quote_that_carries_something_else_is_wrong(shelf):
    parking = citation(
        "faq.md#is-there-parking", "Parking behind the harbour office is free for patients."
    )

    [said] = shelf.examine(answer(f"{REFERRAL} [1]", parking))

    assert (said.cited, said.right, said.is_carried) == (1, 0, True)


def test_every_citation_counts(shelf):
    other = citation("urgent.md#other-pain", "Most back pain settles within six weeks.", 2)

    [said] = shelf.examine(answer(f"{REFERRAL} [1][2] [99]", FAQ, other))

    assert (said.cited, said.right) == (3, 1)


def test_a_sentence_without_a_citation_can_still_be_true(shelf):
    true, false = shelf.examine(answer(f"{REFERRAL}\nParking is on the roof."))

    assert (true.cited, true.right, true.is_carried) == (0, 0, True)
    assert (false.cited, false.is_carried) == (0, False)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("Most back pain settles within six weeks.", False),
        ("Most back pain settles within 6 weeks.", False),
        ("Most back pain settles within 16 weeks.", True),
    ],
)
def test_a_number_has_to_stand_in_what_is_cited(said, wrong, shelf):
    pain = citation("urgent.md#other-pain", "Most back pain settles within six weeks.")

    [found] = shelf.examine(answer(f"{said} [1]", pain))

    assert found.is_misnumbered is wrong


def test_an_empty_quote_proves_nothing(shelf):
    [said] = shelf.examine(answer(f"{REFERRAL} [1]", citation("faq.md#is-there-parking", "  ")))

    assert said.right == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("Source: faq.md", []),
        ("One. [1] Two. [2]\nThree.", [("One.", [1]), ("Two.", [2]), ("Three.", [])]),
        ("[1]", []),
        ("*** \n- One [1] [2]", [("- One", [1, 2])]),
        ("It costs 500 [1], and lasts. [2]", [("It costs 500", [1]), (", and lasts.", [2])]),
    ],
)
def test_statements_are_what_stands_before_markers_or_in_a_line(text, found):
    assert statements(text) == found


def test_a_source_line_in_the_middle_is_a_statement():
    assert statements("Source: nowhere\nTrue. [1]") == [("Source: nowhere", []), ("True.", [1])]


def test_the_body_has_no_sources_and_no_markers():
    assert body("It takes 40 minutes. [1]\nSource: fees-500.md").strip() == "It takes 40 minutes."


def test_numbers_have_one_spelling():
    assert numbers("1,20,000 at 9:30, Twelve") == {"120000", "9.30", "12"}
