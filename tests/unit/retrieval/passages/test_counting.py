"""Counting: by words, and never less than the embedder counts."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import WordTokens

from agentic_rag.retrieval.passages.counting import WordCounter

TEXTS = st.lists(
    st.sampled_from(["gum", "\n", "tooth,", "x" * 30, "", "दाँत", "y" * 90]), max_size=30
)


@given(st.lists(TEXTS.map(" ".join), max_size=4), st.sampled_from([1, 20, 200]))
def test_a_text_has_as_many_tokens_as_the_embedder_counts(texts, budget):
    tokens = WordTokens(budget)

    counted = WordCounter(tokens).count(texts)

    assert [each.size for each in counted] == [len(ends) for ends in tokens.token_ends(texts)]
    for each, text in zip(counted, texts, strict=True):
        assert list(each.ends) == sorted(each.ends)
        assert each.ends[-1] == len(text)


def test_it_knows_how_many_tokens_stand_where():
    (counted,) = WordCounter(WordTokens()).count(["one two, three"])

    assert [counted.up_to(at) for at in (0, 2, 3, 8, 14)] == [0, 0, 1, 3, 4]
    assert [counted.place_of(token) for token in (0, 1, 2, 3, 4, 9)] == [3, 3, 3, 8, 14, 14]
    assert counted.between(0, 5) == 3, "a word that is cut in two counts"


@pytest.mark.parametrize("text", ["x" * 5000, "歯" * 700], ids=ascii)
def test_a_word_that_is_long_is_known_token_by_token(text):
    (counted,) = WordCounter(WordTokens()).count([f"a {text} b"])

    assert len(counted.ends) > 80


def test_several_threads_count_alike():
    counter = WordCounter(WordTokens())
    texts = [" ".join(f"word{n}-{m}" for m in range(300)) for n in range(20)]
    expected = WordCounter(WordTokens()).count(texts)
    found = []

    def count() -> None:
        found.extend(
            counter.count([text])[0] == one for text, one in zip(texts, expected, strict=True)
        )

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 160
    assert all(found)
