"""Synonyms: puts what patients say in the words of the clinic's documents. Pure."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache


def in_their_words(text: str, synonyms: Mapping[str, Sequence[str]]) -> str:
    """Put the documents' own word where the patient used another; longer phrases first.

    An abbreviation is put in words instead, by its first synonym. What already is the documents'
    word stays, whole: "deep cleaning" is no kind of cleaning.

    >>> in_their_words("cost of a cap, and RCT?", {"crown": ["cap"], "RCT": ["root canal"]})
    'cost of a crown, and root canal?'
    """
    if not synonyms:
        return text
    pattern, swaps = _swaps(tuple((term, tuple(others)) for term, others in synonyms.items()))
    return pattern.sub(lambda found: swaps[found[1].lower()], text)


@lru_cache(maxsize=8)  # one a clinic
def _swaps(
    synonyms: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """Return what finds any phrase, and what to put in its place."""
    swaps = {
        form.lower(): (others[0] if term.isupper() and others else term)
        for term, others in synonyms
        for form in ((term, *others[1:]) if term.isupper() else others)
    }
    swaps |= {term.lower(): term for term, _ in synonyms if not term.isupper()}
    longest_first = "|".join(map(re.escape, sorted(swaps, key=len, reverse=True)))
    # of one drill, or of many; a vowel sign of Devanagari is within its word, too
    within = r"[\w\u0900-\u0963]"
    return re.compile(rf"(?<!{within})({longest_first})s?(?!{within})", re.IGNORECASE), swaps
