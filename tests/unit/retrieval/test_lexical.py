"""The lexical half: BM25 over stems."""

import pytest

from agentic_rag.retrieval.lexical import LexicalIndex

TEXTS = ["The scaling of teeth", "A crown for a tooth", "The and of", "क्राउन शुल्क"]


@pytest.fixture
def index():
    return LexicalIndex.build(TEXTS)


def best(index: LexicalIndex, query: str) -> int:
    return int(index.scores(query).argmax())


def test_a_shared_word_scores_and_a_missing_one_does_not(index):
    scores = index.scores("scaling")

    assert scores[0] > 0
    assert scores[1:].tolist() == [0.0, 0.0, 0.0]


def test_words_are_found_by_their_stem_and_in_any_case(index):
    assert best(index, "CROWNS") == 1
    assert index.scores("crowned")[1] > 0


def test_words_of_other_scripts_are_found(index):
    assert best(index, "क्राउन") == 3


@pytest.mark.parametrize("query", ["", "the and of", "zirconium", "?!", "\x00"])
def test_a_query_that_shares_no_word_scores_nothing(index, query):
    assert index.scores(query).tolist() == [0.0] * len(TEXTS)


def test_an_index_that_was_saved_scores_the_same(index, tmp_path):
    index.save(tmp_path / "lexical")

    loaded = LexicalIndex.load(tmp_path / "lexical")

    for query in ("scaling teeth", "crown", "unknown"):
        assert loaded.scores(query).tolist() == index.scores(query).tolist()


@pytest.mark.parametrize("texts", [[], [""], ["the"], ["tooth"]])
def test_the_smallest_indexes_can_be_searched(texts, tmp_path):
    LexicalIndex.build(texts).save(tmp_path / "lexical")

    scores = LexicalIndex.load(tmp_path / "lexical").scores("tooth")

    assert (scores[: len(texts)] > 0).tolist() == [text == "tooth" for text in texts]
