"""The last rung: the documents' own sentences, each with its passage."""

from dataclasses import replace

import pytest
from tests.fakes import WordEmbedder
from tests.unit.agent.parts import make_passage

from agentic_rag.agent.deps import Brief
from agentic_rag.domain import Likeness
from agentic_rag.inference.extractive import ExtractiveWriter


async def quote(
    *texts: str,
    wants=("How long does scaling take?",),
    headings=(),
    label="faq.md#scaling",
) -> list[str]:
    headings = headings or ("",) * len(texts)
    passages = tuple(
        make_passage(text, heading=heading, label=label)
        for text, heading in zip(texts, headings, strict=True)
    )
    brief = Brief(messages=(), wants=wants, passages=passages, max_tokens=None, temperature=None)
    draft = await ExtractiveWriter(WordEmbedder().embed).write(brief)
    assert draft.generator == "extractive"
    assert draft.usage.total_tokens == 0
    return draft.text.splitlines()


async def test_the_sentence_that_comes_closest_is_quoted():
    lines = await quote("Parking is free. Scaling takes 40 minutes. We are in Pune.")

    assert lines == ["Scaling takes 40 minutes. [1]"]


async def test_a_quote_carries_the_number_of_its_passage():
    lines = await quote("Parking is free.", "Scaling takes 40 minutes.")

    assert lines[0] == "Scaling takes 40 minutes. [2]"


async def test_a_field_is_quoted_with_what_it_is_about():
    lines = await quote("Code: T-1\nDuration: 40 minutes", headings=("Care > Scaling",))

    assert lines == ["Scaling \u2013 duration: 40 minutes [1]"]


async def test_a_short_section_is_told_whole_and_in_its_order():
    wire = "Put wax on a wire that pokes. Never cut the wire that pokes."

    lines = await quote(wire, "Parking is free.", wants=("May I cut the wire that pokes?",))

    assert [line.split()[0] for line in lines] == ["Put", "Never"]


async def test_who_says_it_is_told_behind_what_it_is():
    visit = "The first visit is at one year. It lasts 20 minutes. Varnish costs INR 500."
    more = " Sealants cost INR 700. Birthmarks are seen, too."

    lines = await quote(visit + more, wants=("How many minutes is the first visit?",))

    assert lines == ["The first visit is at one year. [1]", "It lasts 20 minutes. [1]"]


async def test_of_a_record_each_field_that_tells_what_was_asked_is_told():
    record = "Price: INR 900\nDuration: 40 minutes\nVisits: 4 in 3 months"
    rows = "Lens: daily, INR 110\nLens: monthly, INR 650"

    lines = await quote(record, headings=("Scaling",))
    prices = await quote(rows, wants=("How much is a daily lens?",))

    assert [line.split(" \u2013 ")[1][:6] for line in lines] == ["durati", "visits"]
    assert prices == ["Lens: daily, INR 110 [1]"]


async def test_of_a_section_with_the_price_that_was_asked_for_no_more_is_told():
    fees = "A crown costs INR 900. The crown is made in Pune."

    assert await quote(fees, wants=("How much does a crown cost?",)) == [
        "A crown costs INR 900. [1]"
    ]


async def test_every_part_of_the_question_gets_its_sentence():
    wants = ("How long does scaling take?", "Is parking free?")

    lines = await quote("Scaling takes 40 minutes. Parking is free.", wants=wants)

    assert set(lines) == {"Scaling takes 40 minutes. [1]", "Parking is free. [1]"}


async def test_what_is_said_twice_is_quoted_once():
    lines = await quote("Scaling takes 40 minutes.", "Scaling takes 40 minutes.")

    assert lines == ["Scaling takes 40 minutes. [1]"]


@pytest.mark.parametrize(
    "text", ["How long does scaling take?", "## Scaling", "Scaling\n\n", "To do:"]
)
async def test_what_says_nothing_is_not_quoted(text):
    assert await quote(text) == []


async def test_no_passage_is_nothing_to_quote():
    assert await quote() == []


async def test_a_quote_is_never_long():
    wants = tuple(f"scaling {n}" for n in range(9))

    lines = await quote(*(f"Scaling number {n} takes {n} minutes." for n in range(9)), wants=wants)

    assert len(lines) <= 4


@pytest.mark.parametrize(
    ("want", "line"),
    [
        ("How long does scaling take?", "Scaling \u2013 duration: 40 minutes [1]"),
        ("How much does scaling cost?", "Scaling \u2013 price band: INR 1,200 to 1,800 [1]"),
        ("From which age is scaling done?", "Scaling is done from the age of 12. [1]"),
    ],
)
async def test_a_question_for_a_number_gets_one_of_its_kind(want, line):
    text = (
        "Category: Prevention\nDuration: 40 minutes\nPrice band: INR 1,200 to 1,800\n\n"
        "Scaling is done from the age of 12.\n\nScaling is a good thing for scaling."
    )

    lines = await quote(text, headings=("Care > Scaling",), wants=(want,))

    assert lines[0] == line


async def test_a_field_of_a_record_that_is_a_sentence_is_quoted_without_its_name():
    text, wants = "Aftercare: Do not eat for an hour.", ("When may I eat?",)

    lines = await quote(text, wants=wants, label="treatments.json#TX-1")

    assert lines == ["Do not eat for an hour. [1]"]


async def test_a_sentence_with_a_colon_is_quoted_whole():
    text = "Do not smoke for 72 hours: the socket may turn dry."

    lines = await quote(text, wants=("How long must I not smoke?",), headings=("Extraction",))

    assert lines == [f"{text} [1]"]


async def test_an_item_of_a_list_is_quoted_with_what_denies_it():
    lines = await quote("Do not:\n\n- smoke\n- eat nuts", wants=("May I eat nuts?",))

    assert lines[0] == "Do not: eat nuts [1]"


async def test_what_announces_a_document_is_not_quoted():
    passage = make_passage("How scaling is done. Scaling takes 40 minutes.", label="scaling.md")
    brief = Brief(
        messages=(), wants=("scaling",), passages=(passage,), max_tokens=None, temperature=None
    )

    draft = await ExtractiveWriter(WordEmbedder().embed).write(brief)

    assert draft.text == "Scaling takes 40 minutes. [1]"


async def test_the_section_that_such_a_question_was_expected_of_leads():
    want = "How long does scaling take?"
    one = make_passage("Scaling may take a while.", label="a.md")
    other = make_passage("Scaling may take an hour.", label="b.md")
    brief = Brief(
        messages=(), wants=(want,), passages=(one, other), max_tokens=None, temperature=None
    )
    like = Likeness(answered={"a.md": 0.6, "b.md": 0.9})
    write = ExtractiveWriter(WordEmbedder().embed).write

    without, led = await write(brief), await write(replace(brief, expected={want: like}))

    assert without.text.splitlines()[0] == "Scaling may take a while. [1]"
    assert led.text.splitlines()[0] == "Scaling may take an hour. [2]"
