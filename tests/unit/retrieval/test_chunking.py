"""Chunking: passages along the document's structure, and no text lost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.chunking import (
    MAX_CHARS,
    chunk,
    embedding_texts,
    section_texts,
    vector_ids,
)
from agentic_rag.retrieval.documents import Document, label_of
from agentic_rag.retrieval.loaders import find_files, load, read_markdown, read_text

WORDS = st.sampled_from(["tooth", "gum", "INR 6,000.", "दाँत।", "क", "Rest!", "x" * 40, "y" * 1000])
LINES = st.lists(WORDS, max_size=40).map(" ".join)
TEXTS = st.lists(
    LINES | st.sampled_from(["# One", "## Two", "### Three", "", "\t", "- item", "\u00a0"]),
    max_size=30,
).map("\n".join)


def document_of(text: str, read=read_markdown) -> Document:
    kept, sections = read(text)
    return Document(doc_id="faq.md", text=kept, sections=sections, digest="0")


def assert_nothing_is_lost(document: Document) -> None:
    passages = chunk(document)
    kept = set()
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert passage.text.strip() == passage.text != ""
        assert len(passage.text) <= MAX_CHARS
        kept.update(range(passage.start, passage.end))
    for section in document.sections:
        for at in range(section.start, section.end):
            assert document.text[at].isspace() or at in kept
    assert [p.start for p in passages] == sorted(p.start for p in passages)
    assert all(a.end <= b.start for a, b in pairwise(passages))


@given(TEXTS)
def test_no_text_is_lost_and_every_span_is_exact(text):
    assert_nothing_is_lost(document_of(text))
    assert_nothing_is_lost(document_of(text, read_text))


@given(st.text(max_size=3000))
def test_any_text_at_all_is_cut_without_loss(text):
    assert_nothing_is_lost(document_of(text, read_text))


@given(TEXTS)
def test_a_passage_has_the_label_and_the_heading_of_its_section(text):
    document = document_of(text)

    for passage in chunk(document):
        at_home = [s for s in document.sections if s.start <= passage.start < s.end]
        assert [s.slug for s in at_home] == [passage.section]
        assert passage.end <= at_home[0].end
        assert passage.label == label_of("faq.md", passage.section)
        assert passage.heading == at_home[0].heading


def test_the_shipped_clinic_loses_nothing():
    documents = SHIPPED_PACK / "documents"

    for path in find_files(documents):
        assert_nothing_is_lost(load(path, documents))


def test_a_short_section_is_one_passage():
    passages = chunk(document_of("# Faq\n\n## Fees\n\n20 euro.\n\nCash only.\n"))

    assert [p.label for p in passages] == ["faq.md", "faq.md#fees"]
    assert passages[1].text == "## Fees\n\n20 euro.\n\nCash only."


@pytest.mark.parametrize("mark", ["\n\n", "\n", ". ", "। "])
def test_a_long_section_is_cut_where_it_pauses(mark):
    text = mark.join(["word " * 29 + "End"] * 20)

    passages = chunk(document_of(text, read_text))

    assert len(passages) > 1
    assert all(p.text.rstrip(".।").endswith("End") for p in passages)


def test_a_word_is_only_cut_where_it_is_too_long_for_a_passage():
    passages = chunk(document_of("word " * 300 + "z" * 2500, read_text))

    broken = [p for p in passages if set(p.text) != {"z"}]
    assert all(set(p.text.split()) <= {"word"} for p in broken[:-1])
    assert "".join(p.text for p in passages).count("z") == 2500


def ids_of(text):
    passages = chunk(document_of(text))
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
    passages = chunk(document_of("## Bridges\n\nA bridge spans a gap. " + "It lasts. " * 200))

    texts = embedding_texts(passages)

    assert len(texts) > 1
    assert all(text.startswith("Bridges\n") for text in texts)
    assert all("A bridge spans a gap." in text for text in texts)


def test_a_section_is_worded_whole_under_its_heading():
    passages = chunk(
        document_of("## Bridges\n\n" + "It lasts. " * 200 + "\n\n## Crowns\n\nFine.\n")
    )

    texts = section_texts(passages)

    assert [text.split("\n")[0] for text in texts] == ["Bridges", "Crowns"]
    assert texts[0].count("It lasts.") == 200
