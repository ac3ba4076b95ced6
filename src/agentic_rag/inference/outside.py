"""Outside: what a model beyond the cluster is told, and how its reply comes home. Pure."""

from collections.abc import Callable, Sequence

from agentic_rag.inference.ladder import Messages
from agentic_rag.personal import HOME, Veil, values_in


def veiled(
    messages: Messages, documents: Sequence[str], *, region: str = HOME
) -> tuple[Messages, Callable[[str], str]]:
    """Return the messages without patients' personal data, and what puts it back into a reply.

    The system prompt and the documents are the clinic's own words: the numbers in them stay.
    """
    own = [text for role, text in messages if role == "system"]
    keep = frozenset().union(*(values_in(text, region) for text in (*own, *documents)))
    veil = Veil(keep, region)
    told = [(role, text) for role, text in messages if role != "system"]
    hidden = iter(veil.hide([text for _, text in told]))
    left = [(r, text) if r == "system" else (r, next(hidden)) for r, text in messages]
    return left, veil.lift
