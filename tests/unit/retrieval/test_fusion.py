"""Fusion: one ranking out of two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.retrieval.fusion import DENSE_WEIGHT, fuse

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

    assert fused.tolist() == pytest.approx([DENSE_WEIGHT * 0.5, DENSE_WEIGHT * 0.25])


def test_nothing_fuses_to_nothing():
    assert fuse(scores(), scores()).tolist() == []


@given(COSINES, st.floats(0.5, 100))
def test_how_large_bm25_grows_does_not_matter(cosines, factor):
    cosine = scores(*cosines)
    bm25 = np.linspace(0, 5, len(cosines), dtype=np.float32)

    np.testing.assert_allclose(fuse(cosine, bm25), fuse(cosine, bm25 * factor), atol=1e-5)
