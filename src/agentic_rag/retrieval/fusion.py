"""Fuses the dense and the lexical half of search into one score. Pure."""

import numpy as np
from numpy.typing import NDArray

DENSE_WEIGHT = 0.79
"""How much more a standard deviation of the cosine counts than one of BM25, as a share of both.
Set on medquad_oral and xquad_en; from 0.7 to 0.85 each of them is better than either half."""

_USUAL_COSINE, _USUAL_BM25 = 0.11, 0.16
"""Standard deviation among a query's candidates, median over the development sets' queries."""

_DOUBT = 20  # candidates' worth of belief in the usual: two or three of them tell no deviation

Scores = NDArray[np.float32]


def fuse(cosine: Scores, bm25: Scores, *, dense_weight: float = DENSE_WEIGHT) -> Scores:
    """Return a weighted mean of cosine and max-normalised BM25, 0 to 1, all arrays [candidates].

    Both are weighed by how well they tell the candidates of this query apart: a half whose scores
    lie close together has little to say. That ranks as a weighted sum of standard scores does
    (Fox & Shaw 1994 name the family), but stays within 0 to 1 whatever the number of candidates.

    A `dense_weight` of 1 leaves cosine alone; one of 0 leaves BM25, where it has anything to say.

    >>> fuse(np.array([0.5, 0.4]), np.array([0.0, 8.0])).round(2).tolist()
    [0.44, 0.47]
    """
    cosine = np.clip(cosine, 0.0, 1.0)
    highest = float(bm25.max(initial=0.0))
    if highest <= 0:
        return cosine
    lexical = bm25 / highest
    told = dense_weight * _deviation(lexical, _USUAL_BM25)
    share = told / (told + (1 - dense_weight) * _deviation(cosine, _USUAL_COSINE))
    return share * cosine + (1 - share) * lexical


def _deviation(scores: Scores, usual: float) -> float:
    variance = (len(scores) * float(scores.var()) + _DOUBT * usual**2) / (len(scores) + _DOUBT)
    return float(variance**0.5)
