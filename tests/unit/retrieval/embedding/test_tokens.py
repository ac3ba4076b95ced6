"""Tokens: the model's own, in any text that can come."""

from pathlib import Path

import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.tokens import Tokens
from agentic_rag.retrieval.embedding.weights import find_weights

CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    folder = Path(find_weights("all-MiniLM-L6-v2"))
    return Tokens.parse((folder / "tokenizer.json").read_text("utf-8"), 256)


def test_what_the_model_reads_is_less_its_special_tokens(tokens):
    assert tokens.max_tokens == 254


def test_tokens_end_where_their_words_do(tokens):
    (ends,) = tokens.ends(["Scaling hurts, a bit."])

    assert list(ends) == [7, 13, 14, 16, 20, 21]


def test_offsets_count_characters_and_not_bytes(tokens):
    text = "🦷 दाँत café ½"

    (ends,) = tokens.ends([text])

    assert ends[0] == 1
    assert ends[-1] == len(text)
    assert list(ends) == sorted(ends)


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00\x00"])
def test_a_text_of_nothing_has_no_tokens(tokens, text):
    assert [list(ends) for ends in tokens.ends([text])] == [[]]
    assert tokens.ids(text) == [CLS, SEP]


def test_half_a_character_moves_nothing(tokens):
    (ends,) = tokens.ends(["teeth \ud83d hurt"])

    assert list(ends) == [5, 12]


def test_nothing_is_cut_off_where_tokens_are_counted(tokens):
    (ends,) = tokens.ends(["tooth " * 5000])

    assert len(ends) == 5000


def test_more_texts_than_fit_in_one_batch_stay_in_order(tokens):
    texts = ["tooth " * (row % 7) for row in range(700)]

    assert [len(ends) for ends in tokens.ends(texts)] == [row % 7 for row in range(700)]


def test_the_model_reads_no_more_than_it_can(tokens):
    ids = tokens.ids("tooth " * 5000)

    assert len(ids) == 256
    assert (ids[0], ids[-1]) == (CLS, SEP)


@pytest.mark.parametrize(
    "text",
    [
        "word " * 5000,
        "x" * 100_000 + " end",
        " " * 100_000 + "teeth",
        "teeth " + "\n" * 100_000 + "hurt",
        "antidisestablishmentarianism" * 3000,
        "歯" * 5000,
    ],
    ids=["words", "one long word", "space before", "space between", "no spaces", "ideographs"],
)
def test_a_long_text_is_read_as_if_all_of_it_had_been_looked_at(tokens, text):
    from tokenizers import Tokenizer

    plain = Tokenizer.from_str(tokens.text())
    plain.enable_truncation(256)

    assert tokens.ids(text) == plain.encode(text).ids


def test_what_is_no_tokenizer_is_named():
    with pytest.raises(RetrievalUnavailable, match=r"tokenizer\.json"):
        Tokens.parse("{]", 256)
