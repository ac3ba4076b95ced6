"""Chunking: passages along the document's structure, none too long, and no text lost."""

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import WordTokens

from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.passages.chunking import (
    chunk,
    chunk_all,
    embedding_texts,
    section_texts,
    vector_ids,
)
from agentic_rag.retrieval.passages.documents import Document, Section, label_of
from agentic_rag.retrieval.passages.loaders import find_files, load, read_markdown, read_text

WORDS = st.sampled_from(
    [
        "tooth",
        "gum",
        "INR 6,000.",
        "दाँत।",
        "क",
        "Rest!",
        "e.g.",
        "x" * 40,
        "y" * 1000,
        "歯を磨く。",
        "👩🏽‍⚕️",
    ]
)
LINES = st.lists(WORDS, max_size=60).map(" ".join)
TEXTS = st.lists(
    LINES
    | st.sampled_from(["# One", "## Two", "### Three", "#### Four:", "", "\t", "- item", "\u00a0"]),
    max_size=30,
).map("\n".join)
BUDGETS = st.sampled_from([1, 2, 7, 20, 60, 200])
TOKENS = WordTokens()


def document_of(text: str, read=read_markdown) -> Document:
    content = read(text.encode())
    return Document(doc_id="faq.md", text=content.text, sections=content.sections, digest="0")


def plain(text: str) -> Document:
    section = Section(slug="", heading="", start=0, end=len(text))
    return Document(doc_id="a.txt", text=text, sections=(section,) if text else (), digest="0")


def sizes(passages, tokens) -> list[int]:
    return [len(ends) for ends in tokens.token_ends(embedding_texts(passages))]


def assert_nothing_is_lost(document: Document, tokens: WordTokens = TOKENS) -> None:
    passages = chunk(document, tokens)
    at = 0
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert passage.text.strip() == passage.text != ""
        assert not document.text[at : passage.start].strip(), "text between two passages"
        assert at <= passage.start
        at = passage.end
    assert not document.text[at:].strip()


def assert_all_is_read(document: Document, tokens: WordTokens = TOKENS) -> None:
    assert max(sizes(chunk(document, tokens), tokens), default=0) <= tokens.max_tokens


# --- what must hold of any text -----------------------------------------------------------


@given(TEXTS, BUDGETS)
def test_no_text_is_lost_and_every_span_is_exact(text, budget):
    assert_nothing_is_lost(document_of(text), WordTokens(budget))
    assert_nothing_is_lost(document_of(text, read_text), WordTokens(budget))


@given(st.text(max_size=3000), BUDGETS)
def test_any_text_at_all_is_cut_without_loss(text, budget):
    assert_nothing_is_lost(plain(text), WordTokens(budget))


@given(TEXTS, st.sampled_from([60, 200]))
def test_all_that_is_embedded_is_read(text, budget):
    assert_all_is_read(document_of(text), WordTokens(budget))
    assert_all_is_read(document_of(text, read_text), WordTokens(budget))


@given(TEXTS)
def test_a_passage_has_the_label_and_the_heading_of_its_section(text):
    document = document_of(text)

    for passage in chunk(document, TOKENS):
        at_home = [s for s in document.sections if s.start <= passage.start < s.end]
        assert [s.slug for s in at_home] == [passage.section]
        assert passage.end <= at_home[0].end
        assert passage.label == label_of("faq.md", passage.section)
        assert passage.heading == at_home[0].heading


@given(TEXTS)
def test_the_parts_of_a_section_are_counted_from_nought(text):
    passages = chunk(document_of(text), TOKENS)

    for before, passage in pairwise([None, *passages]):
        same = before and (before.section, before.heading) == (passage.section, passage.heading)
        assert passage.part == 0 or (same and passage.part == before.part + 1)


@given(st.lists(TEXTS, max_size=5), BUDGETS)
def test_documents_are_cut_alike_together_and_alone(texts, budget):
    documents = [document_of(text) for text in texts]

    together = list(chunk_all(documents, WordTokens(budget)))

    assert together == [chunk(document, WordTokens(budget)) for document in documents]


def test_the_shipped_clinic_loses_nothing():
    documents = SHIPPED_PACK / "documents"

    for path in find_files(documents):
        assert_nothing_is_lost(load(path, documents))
        assert_all_is_read(load(path, documents))


def test_the_shipped_clinic_is_read_whole_by_the_embedder_that_is_shipped(embedder):
    documents = SHIPPED_PACK / "documents"

    for path in find_files(documents):
        assert_nothing_is_lost(load(path, documents), embedder)
        assert_all_is_read(load(path, documents), embedder)


@pytest.mark.parametrize(
    "text",
    [
        "Rest your gums. " * 3000,
        "歯を磨いてください。" * 800,
        "दाँत निकालने के बाद आराम करें। " * 500,
        "발치 후에는 쉬십시오. " * 500,
        "a" * 20_000,
        "Zahnarztpraxisgemeinschaft" * 300,
        "https://example.org/" + "ab12/" * 2000,
        "👩🏽‍⚕️" * 2000,
        "e\u0301" * 5000,
        "INR 6,000 to 9,500; " * 1000,
        "|".join("0123456789" * 500),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_the_embedder_that_is_shipped_reads_all_of_any_script(text, embedder):
    document = plain(text)

    assert_nothing_is_lost(document, embedder)
    assert_all_is_read(document, embedder)


# --- where it is cut ----------------------------------------------------------------------


def test_a_short_section_is_one_passage():
    passages = chunk(document_of("# Faq\n\n## Fees\n\n20 euro.\n\nCash only.\n"), TOKENS)

    assert [p.label for p in passages] == ["faq.md", "faq.md#fees"]
    assert passages[1].text == "## Fees\n\n20 euro.\n\nCash only."


def test_a_section_that_just_fits_is_one_passage():
    assert len(chunk(plain("word " * 180), TOKENS)) == 1
    assert len(chunk(plain("word " * 181), TOKENS)) == 2


def test_a_passage_stays_short_where_the_embedder_reads_much():
    passages = chunk(plain("word " * 1000), WordTokens(8192))

    assert max(len(passage.text.split()) for passage in passages) <= 180


def test_headings_take_of_what_a_passage_may_have():
    text = "## Fees and prices\n\n" + "word " * 174

    assert len(chunk(document_of(text), TOKENS)) == 2
    assert len(chunk(plain(text), TOKENS)) == 1


@pytest.mark.parametrize("mark", ["\n\n", "\n", ". ", "। ", "! ", "。"])
def test_a_long_section_is_cut_where_it_pauses(mark):
    text = mark.join(["Word " + "word " * 28 + "End"] * 20)

    passages = chunk(plain(text), TOKENS)

    assert len(passages) > 1
    assert all(p.text.rstrip(".।!。").endswith("End") for p in passages)


def test_a_paragraph_is_kept_whole_before_a_sentence_is():
    paragraph = "It is said here. So it is. " * 8

    passages = chunk(plain("\n\n".join([paragraph.strip()] * 12)), TOKENS)

    assert {len(p.text) % (len(paragraph.strip()) + 2) for p in passages} == {len(paragraph) - 1}


def test_a_line_that_goes_on_is_no_place_to_cut():
    sentence = "The first half of a sentence\nand its other half stand on two lines. "

    passages = chunk(plain(sentence * 60), TOKENS)

    assert len(passages) > 1
    assert all(p.text.endswith("two lines.") for p in passages)


@pytest.mark.parametrize("before", ["#### Children", "You may need:"])
def test_what_introduces_something_stays_with_it(before):
    text = f"\n\n{before}\n\n".join(["word " * 118 + "end."] * 9)

    passages = chunk(plain(text), TOKENS)

    assert len(passages) > 3
    assert not any(p.text.endswith(before) for p in passages)


def test_an_abbreviation_is_no_place_to_cut():
    passages = chunk(
        plain("We are open from 9 a.m. Dr. Rao sees you then, e.g. On Monday. " * 60), TOKENS
    )

    assert len(passages) > 1
    assert all(p.text.endswith("On Monday.") for p in passages)


@pytest.mark.parametrize("count", [201, 230, 399, 401, 1000, 1010])
def test_no_part_is_a_small_rest(count):
    found = sizes(chunk(plain("word " * count), TOKENS), TOKENS)

    assert min(found) > 0.5 * max(found)


def test_a_word_is_only_cut_where_it_is_too_long_for_a_passage():
    passages = chunk(plain("word " * 300 + "z" * 4000), TOKENS)

    assert {word for p in passages for word in p.text.split() if "z" not in word} == {"word"}
    assert "".join(p.text for p in passages).count("z") == 4000


@pytest.mark.parametrize("letter", ["e\u0301", "क्षि", "👩🏽‍⚕️"], ids=ascii)
def test_a_letter_keeps_its_accents(letter):
    passages = chunk(plain(letter * 3000), TOKENS)

    assert len(passages) > 1
    for passage in passages:
        assert unicodedata.category(passage.text[0])[0] not in "M"
        assert passage.text[0] != "\u200d" != passage.text[-1]


def test_a_text_of_nothing_but_accents_is_cut_all_the_same():
    assert_nothing_is_lost(plain("\u0301" * 5000))


def test_white_space_makes_no_passage():
    assert chunk(plain(" \n\u00a0\t" * 5000), TOKENS) == []
    assert [p.text for p in chunk(plain("a" + "\n" * 50_000 + "b"), TOKENS)] == ["a", "b"]


def test_a_document_without_sections_has_no_passages():
    nothing = Document(doc_id="a.txt", text="", sections=(), digest="0")

    assert chunk(nothing, TOKENS) == []
    assert list(chunk_all([nothing, plain("Rest."), nothing], TOKENS))[::2] == [[], []]


# --- in reasonable time and memory --------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "\n" * 1_000_000,
        "." * 1_000_000,
        "a\n" * 500_000,
        "a. " * 300_000,
        "a:\n\n" * 250_000,
        "\u0301" * 1_000_000,
        "\U0001f600" * 300_000,
        "[" * 500_000,
        "x" + " " * 1_000_000 + "y",
    ],
    ids=lambda text: ascii(text[:4]),
)
def test_a_megabyte_of_anything_is_cut_in_seconds(text):
    begun = time.thread_time()

    assert_nothing_is_lost(plain(text), WordTokens(250))

    assert time.thread_time() - begun < 20


def test_a_hundred_thousand_sections_are_cut_in_seconds():
    text = "word\n\n" * 100_000
    starts = range(0, len(text), 6)
    sections = tuple(Section(slug=f"{s}", heading="A", start=s, end=s + 6) for s in starts)
    begun = time.thread_time()

    passages = chunk(Document(doc_id="a", text=text, sections=sections, digest="0"), TOKENS)

    assert len(passages) == 100_000
    assert time.thread_time() - begun < 20


def test_a_word_is_counted_once_for_all_documents():
    tokens = WordTokens()

    list(chunk_all([plain(f"{n} " + "word " * 300) for n in range(50)], tokens))

    assert tokens.counted.count("word") == 1


def test_short_sections_are_not_counted():
    tokens = WordTokens()

    chunk(document_of("# Faq\n\n## Fees\n\n20 euro.\n"), tokens)

    assert tokens.counted == []


# --- what is embedded, and by what it is known --------------------------------------------


def ids_of(text):
    passages = chunk(document_of(text), TOKENS)
    return vector_ids(passages, embedding_texts(passages))


def test_a_vector_is_known_again_by_what_was_embedded_wherever_it_stands():
    before = ids_of("## Fees\n\n20 euro.\n\n## Hours\n\nNine.\n")
    after = ids_of("## News\n\nWe moved.\n\n## Fees\n\n20 euro.\n\n## Hours\n\nTen.\n")

    assert before[0] == after[1]
    assert len({*before, *after}) == 4


def test_the_same_text_twice_in_a_document_has_two_vectors():
    text = "## Fees\n\n20 euro.\n\n"

    ids = ids_of(text + text)

    assert len(set(ids)) == 2


def test_a_later_part_is_embedded_behind_the_first_sentence_of_its_section():
    passages = chunk(
        document_of("## Bridges\n\nA bridge spans a gap. " + "It lasts. " * 200), TOKENS
    )

    texts = embedding_texts(passages)

    assert len(texts) > 1
    assert all(text.startswith("Bridges\n") for text in texts)
    assert all("A bridge spans a gap." in text for text in texts)


def test_a_section_is_worded_whole_under_its_heading():
    passages = chunk(
        document_of("## Bridges\n\n" + "It lasts. " * 200 + "\n\n## Crowns\n\nFine.\n"), TOKENS
    )

    texts = section_texts(passages)

    assert [text.split("\n")[0] for text in texts] == ["Bridges", "Crowns"]
    assert texts[0].count("It lasts.") == 200


def test_a_heading_that_is_absurdly_long_leaves_room_for_the_text():
    document = document_of(f"## {'Fees ' * 500}\n\n" + "It lasts. " * 300)

    passages = chunk(document, TOKENS)

    assert_nothing_is_lost(document)
    assert_all_is_read(document)
    assert len(passages) <= 12


def test_of_a_long_path_of_headings_the_innermost_is_embedded():
    passages = chunk(document_of(f"# {'Clinic ' * 60}\n\n## Fees\n\nTwo.\n"), TOKENS)

    assert embedding_texts(passages)[-1] == "Fees\n## Fees\n\nTwo."
