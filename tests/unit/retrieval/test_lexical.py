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


@pytest.mark.parametrize("query", ["", "of and the", "zirconium", "?!", "\x00"])
def test_a_query_that_shares_no_word_scores_nothing(index, query):
    assert index.scores(query).tolist() == [0.0] * len(TEXTS)


def test_words_that_stand_together_score_more_than_the_same_words_apart():
    index = LexicalIndex.build(["a socket that is dry", "a dry socket that is"])

    scores = index.scores("dry socket")

    assert scores[1] > scores[0] > 0


@pytest.mark.parametrize("slip", ["periodontits", "peridontitis", "periodontitus", "PERIODONITTIS"])
def test_a_misspelt_word_is_taken_for_the_nearest_one_there_is(slip):
    index = LexicalIndex.build(["Periodontitis is a disease", "Periods of rest"])

    assert best(index, slip) == 0
    assert index.scores(slip)[0] > 0


@pytest.mark.parametrize("other", ["car", "crow", "3rown", "zrown"])
def test_a_short_or_another_word_is_not_taken_for_a_slip(index, other):
    assert index.scores(other).tolist() == [0.0] * len(TEXTS)


def test_of_two_words_as_near_the_commoner_is_meant():
    index = LexicalIndex.build(["scaling teeth", "scaling gums", "sealing fissures"])

    assert best(index, "scxling") in {0, 1}


def test_a_query_of_a_hundred_thousand_words_is_scored(index):
    assert index.scores("crown " * 100_000)[1] > 0


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


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        (TEXTS, [0, 1, 2, 3]),
        (TEXTS[::-1], [3, 2, 1, 0]),
        (["A new bridge", TEXTS[1], "of the scaling bridges"], [-1, 1, -1]),
        (["A new bridge", TEXTS[1]], []),
        ([TEXTS[2], TEXTS[2]], [2, 2]),
        ([], []),
    ],
)
def test_an_index_is_the_same_whether_or_not_another_one_knew_its_texts(texts, rows, tmp_path):
    LexicalIndex.build(TEXTS).save(tmp_path / "before")
    before = LexicalIndex.load(tmp_path / "before")

    LexicalIndex.build(texts, before, rows).save(tmp_path / "one")

    LexicalIndex.build(texts).save(tmp_path / "other")
    one, other = (
        {p.name: p.read_bytes() for p in (tmp_path / d).iterdir()} for d in ("one", "other")
    )
    assert one == other
