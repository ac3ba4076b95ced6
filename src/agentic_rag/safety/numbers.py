"""Reads the quantities of a text, so that none can change on its way into an answer. Pure."""

from functools import lru_cache

from agentic_rag.safety.bounds import in_context
from agentic_rag.safety.clocks import blank, pieces
from agentic_rag.safety.measures import measures
from agentic_rag.safety.quantity import Quantity


@lru_cache(maxsize=8192)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of a text, in order; expects plain hyphens.

    >>> [(q.kind, str(q.low), str(q.high)) for q in quantities("INR 1.5 lakh, half an hour")]
    [('money:inr', '150000', '150000'), ('time', '30', '30')]
    """
    found = [
        Quantity(kind=p.kind, low=p.low, high=p.high, start=p.start, end=p.end)
        for p in pieces(text)
    ]
    left = text
    for each in found:
        left = blank(left, each.start, each.end)
    found += measures(left)
    return tuple(sorted((in_context(each, text) for each in found), key=lambda q: q.start))
