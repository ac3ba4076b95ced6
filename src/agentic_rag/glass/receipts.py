"""Receipts: what anybody needs to prove an answer again, from the documents alone. Pure."""

from collections.abc import Mapping
from typing import Any

from agentic_rag.domain import Answer
from agentic_rag.glass.records import told_of

FORM = 1
_PLACE = ("number", "label", "doc_id", "digest", "start", "end", "quote")


def receipt_for(answer: Answer, *, at: float) -> dict[str, Any]:
    """Return the receipt of an answer that was given `at` so many seconds since 1970."""
    return receipt_of(told_of(answer, at))


def receipt_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the receipt of an answer from its record; nobody's question is in it."""
    cited = {each["number"]: {name: each[name] for name in _PLACE} for each in record["citations"]}
    told = ("request_id", "at", "index", "outcome", "generator")
    adapter = record.get("adapter")  # which older records do not know of
    return {
        "receipt": FORM,
        **{name: record[name] for name in told},
        **({"adapter": adapter} if adapter else {}),
        "sentences": [
            {"text": each["text"], "citations": [cited[n] for n in each["cites"] if n in cited]}
            for each in record["sentences"]
        ],
    }
