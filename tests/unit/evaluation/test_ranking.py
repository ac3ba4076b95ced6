"""Judged sets: read, and ranked by a library with any weight of its halves."""

import gzip
import json
from dataclasses import replace

import pytest
from tests.fakes import WordEmbedder
from tests.unit.agent.parts import Scores, Shelf, make_passage

from agentic_rag.bootstrap.house import build_house
from agentic_rag.evaluation.cases import RetrievalCase
from agentic_rag.evaluation.ranking import CORPUS, TOP, JudgedSet, best_relevances, rank, read_beir
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.ingest import ingest
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.library import Library

QUERIES = [
    {"_id": "q1", "text": "Where do I park?\u2028And when?"},
    {"_id": "q2", "text": "दाँत?"},
    {"_id": "not judged", "text": "Never asked."},
]


@pytest.fixture
def beir(tmp_path):
    """A set of two judged questions, one of them with two answers."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in QUERIES)
    (folder / "queries.jsonl").write_text(f"{lines}\n\n", "utf-8")
    told = "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t1\nq2\td3\t0\n"
    (folder / "qrels" / "test.tsv").write_text(told, "utf-8")
    return folder


@pytest.fixture
async def library(tmp_path):
    """A library of twelve documents, one of them about parking, whose embedder knows no stems."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "parking.txt").write_text("Parking is free behind the house.\n", "utf-8")
    for number in range(11):
        (documents / f"{number}.txt").write_text(f"Where do I find {number}?\n", "utf-8")
    shop = Workshop(
        shelf=IndexShelf(tmp_path / "data" / "index"),
        embedder=WordEmbedder(),
        server=None,
        collection="clinic",
    )
    ingest(documents, shop)
    made = Library(shop, taste=Taste(), rephrase=str, make=lambda: None, on_open=lambda _: None)
    await made.open()
    yield made
    await made.close()


def asking(*questions: str) -> JudgedSet:
    return JudgedSet(questions=dict(enumerate(questions)), relevant={})


def test_a_beir_set_has_the_judged_questions_and_the_labels_that_they_will_be_found_by(beir):
    judged = read_beir(beir)

    assert judged.questions == {"q1": QUERIES[0]["text"], "q2": "दाँत?"}
    assert judged.relevant == {
        "q1": {f"{CORPUS}#d 1": 2, f"{CORPUS}#d2": 1},
        "q2": {f"{CORPUS}#d3": 0},
    }


def test_a_set_may_be_packed(beir):
    plain = read_beir(beir)
    packed = gzip.compress((beir / "queries.jsonl").read_bytes())
    (beir / "queries.jsonl.gz").write_bytes(packed)
    (beir / "queries.jsonl").unlink()

    assert read_beir(beir) == plain


@pytest.mark.parametrize("part", ["queries.jsonl", "qrels/test.tsv"])
def test_a_set_that_lacks_a_part_is_refused_by_its_name(beir, part):
    (beir / part).unlink()

    with pytest.raises(FileNotFoundError, match=part):
        read_beir(beir)


def test_only_cases_that_have_an_answer_can_be_ranked():
    held = RetrievalCase(
        id="a", question="Open?", labels=("a.md", "b.md"), kind="plain", held_out=False
    )
    absent = RetrievalCase(id="b", question="Botox?", labels=(), kind="absent", held_out=False)

    judged = JudgedSet.of([held, absent])

    assert judged.questions == {"Open?": "Open?"}
    assert judged.relevant == {"Open?": {"a.md": 1, "b.md": 1}}


async def test_every_question_gets_its_own_ranking(library):
    ranking = await rank(library, asking("free house", "find 7"))

    assert [max(found, key=found.get) for found in ranking.values()] == ["parking.txt", "7.txt"]
    assert {len(found) for found in ranking.values()} == {TOP}


async def test_the_halves_rank_by_themselves(library):
    question = asking("Where do I find the parked?")

    by_words = await rank(library, question, dense_weight=0.0)
    by_meaning = await rank(library, question, dense_weight=1.0)

    assert max(by_words[0], key=by_words[0].get) == "parking.txt"
    assert max(by_meaning[0], key=by_meaning[0].get) != "parking.txt"


async def test_no_question_has_no_ranking(library):
    assert await rank(library, asking()) == {}


@pytest.fixture
def asked() -> list[RetrievalCase]:
    return [
        RetrievalCase(id="a", question="Open?", labels=("a.md",), kind="plain", held_out=False),
        RetrievalCase(id="b", question="Botox?", labels=(), kind="absent", held_out=True),
    ]


async def test_the_passage_that_fits_best_counts_wherever_it_stands(asked, settings):
    shelf = Shelf([make_passage("One.", label="a.md"), make_passage("Two.", label="b.md")])
    judge = Scores({"a.md": 0.2, "b.md": 0.7})
    deps = replace(build_house(settings()).deps, retriever=shelf, judge=judge)

    assert await best_relevances(deps, asked) == [0.7, 0.7]
    assert shelf.asked == [(("Open?",), deps.limits.top_k), (("Botox?",), deps.limits.top_k)]


async def test_where_nothing_is_found_nothing_is_relevant(asked, settings):
    deps = replace(build_house(settings()).deps, retriever=Shelf(), judge=Scores())

    assert await best_relevances(deps, asked) == [0.0, 0.0]
    assert await best_relevances(deps, []) == []
