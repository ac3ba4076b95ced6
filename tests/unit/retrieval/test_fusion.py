"""Fusion: one ranking out of two."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.retrieval.fusion import fuse

COSINES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20)


def scores(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_best_of_both_halves_has_the_whole_score():
    assert fuse(scores(1.0, 0.2), scores(7.0, 1.0))[0] == 1.0


def test_words_decide_between_the_equally_close():
    fused = fuse(scores(0.5, 0.5), scores(0.0, 3.0))

    assert fused[1] > fused[0]


def test_meaning_alone_ranks_where_no_word_is_shared():
    fused = fuse(scores(0.5, 0.25), scores(0.0, 0.0))

    assert fused.tolist() == [0.5, 0.25]


def test_nothing_fuses_to_nothing():
    assert fuse(scores(), scores()).tolist() == []


def test_words_outweigh_a_small_step_in_meaning_but_not_a_large_one():
    bm25 = scores(0, 5, 0, 0)

    assert fuse(scores(0.41, 0.40, 0.2, 0.1), bm25).argmax() == 1
    assert fuse(scores(0.9, 0.40, 0.2, 0.1), bm25).argmax() == 0


def test_a_weight_at_either_end_leaves_one_half_alone():
    cosine, bm25 = scores(0.5, 0.25, 0.125), scores(0.0, 2.0, 4.0)

    assert fuse(cosine, bm25, dense_weight=1.0).tolist() == [0.5, 0.25, 0.125]
    assert fuse(cosine, bm25, dense_weight=0.0).tolist() == [0.0, 0.5, 1.0]


def test_meaning_ranks_where_no_word_is_shared_even_with_no_weight():
    fused = fuse(scores(0.5, 0.25), scores(0.0, 0.0), dense_weight=0.0)

    assert fused.tolist() == [0.5, 0.25]


@given(COSINES)
def test_a_score_lies_between_nothing_and_one(cosines):
    fused = fuse(scores(*cosines), np.linspace(0, 5, len(cosines), dtype=np.float32))

    assert ((fused >= 0) & (fused <= 1.000001)).all()


@given(COSINES, st.floats(0.5, 100))
def test_how_large_bm25_grows_does_not_matter(cosines, factor):
    cosine = scores(*cosines)
    bm25 = np.linspace(0, 5, len(cosines), dtype=np.float32)

    np.testing.assert_allclose(fuse(cosine, bm25), fuse(cosine, bm25 * factor), atol=1e-5)
