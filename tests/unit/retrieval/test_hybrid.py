"""Hybrid search: sections, scopes, repetitions and trust."""

import numpy as np
import pytest
from tests.fakes import WordEmbedder

from agentic_rag.domain import Within
from agentic_rag.retrieval.expected import ExpectedQuestions
from agentic_rag.retrieval.hybrid import OpenIndex, Parts, Taste
from agentic_rag.retrieval.index import Expected
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.passages.chunking import chunk, embedding_texts, section_texts
from agentic_rag.retrieval.passages.documents import Document
from agentic_rag.retrieval.passages.loaders import read_text
from agentic_rag.retrieval.passages.markdown_files import read_markdown


class ExactStore:
    """Every row, nearest first, as a Chroma collection would give them."""

    def __init__(self, vectors):
        self._vectors = vectors
        self.asked = []

    async def query(self, vector, *, k):
        self.asked.append(k)
        cosine = self._vectors @ vector
        order = np.argsort(-cosine, kind="stable")[:k]
        return [(int(row), float(cosine[row])) for row in order]

    async def alive(self):
        return True

    async def close(self):
        pass


def passages_of(doc_id, text):
    content = (read_markdown if doc_id.endswith(".md") else read_text)(text.encode())
    document = Document(doc_id=doc_id, text=content.text, sections=content.sections, digest="0")
    return chunk(document, WordEmbedder())


def index_of(documents, questions=(), **taste):
    passages = [passage for name, text in documents.items() for passage in passages_of(name, text)]
    vectors = WordEmbedder().encode(embedding_texts(passages))
    asked = WordEmbedder().encode([each.question for each in questions])
    parts = Parts(
        name="v1",
        passages=passages,
        ids=[str(row) for row in range(len(passages))],
        vectors=vectors,
        lexical=LexicalIndex.build(section_texts(passages)),
        digests={name: f"digest of {name}" for name in documents},
        expected=ExpectedQuestions(questions, asked),
    )
    return OpenIndex.of(parts, ExactStore(vectors), Taste(**taste))


async def search(index, *queries, k=10, within=None):
    vectors = WordEmbedder().encode(queries)
    return await index.search(queries, vectors, k=k, within=within)


async def test_a_long_section_is_found_once_by_its_nearest_part():
    filler = "Nothing of note happens here at all. " * 40
    index = index_of(
        {
            "long.txt": filler + "Parking is behind the house.",
            "other.txt": "Crowns are made of gold.",
        }
    )

    first, second, *_ = await search(index, "parking behind the house")

    assert first.doc_id == "long.txt"
    assert "Parking is behind the house." in first.text
    assert second.doc_id == "other.txt"


async def test_other_parts_of_a_section_follow_when_sections_run_out():
    filler = "Nothing of note happens here at all. " * 60
    index = index_of({"long.txt": filler})

    found = await search(index, "note", k=2)

    assert [passage.doc_id for passage in found] == ["long.txt", "long.txt"]
    assert found[0].start != found[1].start


async def test_a_passage_that_repeats_a_better_one_stands_behind_all_others():
    said = "Parking is free behind the house for two hours on every day."
    index = index_of({"a.txt": said, "b.txt": said + " ", "c.txt": "Parking on the road."})

    found = await search(index, "free parking behind the house", k=3)

    assert [passage.doc_id for passage in found] == ["a.txt", "c.txt", "b.txt"]


async def test_of_two_that_say_the_same_the_trusted_one_stays():
    said = "Parking is free behind the house for two hours on every day."
    documents = {"faq.md": said, "policies/parking.md": said, "z.md": "Parking on the road."}
    index = index_of(documents, precedence=["policies/*", "faq.md"])

    found = await search(index, "free parking behind the house", k=3)

    assert [p.doc_id for p in found] == ["policies/parking.md", "z.md", "faq.md"]


async def test_noisy_sources_are_never_found():
    documents = {"log.jsonl.txt": "Parking is free.", "a.txt": "Parking behind the house."}
    index = index_of(documents, noisy_sources=["log*"])

    found = await search(index, "parking free")

    assert [passage.doc_id for passage in found] == ["a.txt"]


async def test_many_noisy_passages_do_not_crowd_out_the_others():
    documents = {f"log/{n}.txt": "Parking is free." for n in range(300)}
    index = index_of({**documents, "a.txt": "Parking, perhaps."}, noisy_sources=["log/*"])

    found = await search(index, "parking free")

    assert [passage.doc_id for passage in found] == ["a.txt"]


@pytest.mark.parametrize(
    ("within", "labels"),
    [
        (Within(documents=("faq.md",)), {"faq.md#fees", "faq.md#hours"}),
        (Within(sections=("fee*",)), {"faq.md#fees", "policies/money.md#fees"}),
        (Within(documents=("policies/*",), sections=("hours",)), set()),
        (Within(), {"faq.md#fees", "faq.md#hours", "policies/money.md#fees"}),
    ],
)
async def test_a_search_keeps_to_its_scope(within, labels):
    index = index_of(
        {
            "faq.md": "## Fees\n\nTen euro.\n\n## Hours\n\nNine to five.\n",
            "policies/money.md": "## Fees\n\nWe take cards.\n",
        }
    )

    found = await search(index, "fees and hours", within=within)

    assert {passage.label for passage in found} == labels


async def test_the_best_of_several_queries_counts():
    index = index_of({"a.txt": "Crowns are made of gold.", "b.txt": "Parking is free."})

    found = await search(index, "caps", "gold crowns")

    assert found[0].doc_id == "a.txt"


async def test_scores_fall_and_lie_between_nothing_and_one():
    index = index_of({f"{n}.txt": f"Parking place number {n} is free." for n in range(30)})

    found = await search(index, "parking place 7", k=20)

    scores = [passage.score for passage in found]
    assert len(found) == 20
    assert all(0 <= score <= 1 for score in scores)
    assert found[0].doc_id == "7.txt"


async def test_an_index_without_passages_finds_nothing():
    assert await search(index_of({}), "anything") == []


async def test_what_is_found_has_the_digest_of_its_document():
    index = index_of({"a.txt": "Parking is behind the house.", "b.txt": "Crowns are of gold."})

    found = await search(index, "parking")

    assert {p.doc_id: p.digest for p in found} == {
        "a.txt": "digest of a.txt",
        "b.txt": "digest of b.txt",
    }


async def test_what_stands_beside_a_found_part_is_its_own_section_only():
    filler = "Nothing of note happens here at all. " * 40
    index = index_of({"long.txt": f"{filler}Parking is behind the house.", "other.txt": "Crowns."})
    [found, *_] = await search(index, "parking behind the house", k=1)

    beside = index.beside([found])

    assert [(each.doc_id, each.part) for each in beside] == [("long.txt", found.part - 1)]
    assert index.beside([*beside, found])[-1:] != [found]
    assert index.beside([]) == []


async def test_a_section_that_such_a_question_was_expected_of_has_the_last_place():
    documents = {f"{n}.txt": f"Plastic card number {n} of the money." for n in range(6)}
    documents["bill.txt"] = "UPI is welcome."
    written = [Expected("bill.txt", True, "do you take plastic money")]

    found = await search(index_of(documents, written), "do you take plastic money", k=3)
    without = await search(index_of(documents), "do you take plastic money", k=3)

    assert [each.doc_id for each in found][-1] == "bill.txt"
    assert len(found) == len(without) == 3
    assert "bill.txt" not in [each.doc_id for each in without]


async def test_what_may_not_be_found_is_not_for_a_question_either():
    documents = {"log.txt": "We boil needles.", "bill.txt": "UPI is welcome."}
    written = [Expected("log.txt", True, "are needles boiled")]

    index = index_of(documents, written, noisy_sources=["log.txt"])

    assert [each.doc_id for each in await search(index, "are needles boiled")] == ["bill.txt"]
    within = await search(index_of(documents, written), "boiled", within=Within(documents=("b*",)))
    assert [each.doc_id for each in within] == ["bill.txt"]


async def test_what_was_expected_takes_half_of_the_places_at_most_and_none_of_one():
    documents = {f"{n}.txt": f"Plastic money number {n}." for n in range(4)}
    documents |= {f"bill{n}.txt": "UPI is welcome." for n in range(4)}
    written = [Expected(f"bill{n}.txt", True, "is plastic money taken") for n in range(4)]
    index = index_of(documents, written)

    four, one = [await search(index, "is plastic money taken", k=k) for k in (4, 1)]

    assert [each.doc_id[0] == "b" for each in four] == [False, False, True, True]
    assert [each.doc_id[0] == "b" for each in one] == [False]


async def test_a_section_that_is_found_anyway_is_not_found_twice():
    filler = "Nothing of note happens here at all. " * 40
    documents = {"long.txt": filler + "Parking is behind the house.", "other.txt": "Crowns."}
    written = [Expected("long.txt", True, "parking behind the house")]

    found = await search(index_of(documents, written), "parking behind the house", k=2)

    assert [each.doc_id for each in found] == ["long.txt", "other.txt"]


async def test_a_long_section_is_expected_with_its_nearest_part():
    filler = "Nothing of note happens here at all. " * 40
    documents = {f"{n}.txt": f"Two wheelers number {n} are nice." for n in range(6)}
    documents["long.txt"] = filler + "A scooter stands in the basement."
    written = [Expected("long.txt", True, "may my scooter stand there, two wheelers are nice")]

    found = await search(index_of(documents, written), "may my scooter two wheelers nice", k=3)

    assert "basement" in found[-1].text


async def test_a_question_that_was_expected_of_none_adds_nothing():
    documents = {"bread.txt": "Bread is baked.", "bill.txt": "UPI is welcome.", "a.txt": "Bread."}
    written = [Expected("bill.txt", True, "do you take plastic money")]

    found = await search(index_of(documents, written), "how is bread baked", k=2)

    assert "bill.txt" not in [each.doc_id for each in found]


async def test_what_was_expected_and_is_found_anyway_gives_way_to_nothing():
    documents = {f"{n}.txt": f"Plastic money number {n}." for n in range(3)}
    documents |= {"money.txt": "Plastic money of course.", "bill.txt": "UPI is welcome."}
    written = [
        Expected("bill.txt", True, "is plastic money taken"),
        Expected("money.txt", True, "is plastic money taken here"),
    ]

    found = await search(index_of(documents, written), "is plastic money taken", k=4)

    assert {"bill.txt", "money.txt"} <= {each.doc_id for each in found}
