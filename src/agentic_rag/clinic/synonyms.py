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
    swaps = {
        form.lower(): (others[0] if term.isupper() and others else term)
        for term, others in synonyms.items()
        for form in ((term, *others[1:]) if term.isupper() else others)
    }
    swaps |= {term.lower(): term for term in synonyms if not term.isupper()}
    if not swaps:
        return text
    return _any_of(tuple(swaps)).sub(lambda found: swaps[found[1].lower()], text)


@lru_cache(maxsize=8)  # one a clinic
def _any_of(phrases: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=len, reverse=True)
    # of one drill, or of many; a vowel sign of Devanagari is within its word, too
    within = r"[\w\u0900-\u0963]"
    forms = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<!{within})({forms})s?(?!{within})", re.IGNORECASE)
