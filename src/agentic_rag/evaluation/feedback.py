"""Turns answers that somebody was not content with into cases for a person to review."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentic_rag.evaluation.cases import GoldenCase

_KINDS = {"emergency": "emergency", "declined": "absent"}


def cases_of(records: Sequence[Mapping[str, Any]]) -> list[GoldenCase]:
    """Return a golden case for each record, which says what was answered as if it were right.

    It is not read as a case before a person has put it right and taken `review` out.
    """
    return [_case(record, at) for at, record in enumerate(records, start=1)]


def _case(record: Mapping[str, Any], at: int) -> GoldenCase:
    outcome = record["outcome"]
    answered = outcome == "answered"
    labels = dict.fromkeys(each["label"] for each in record["citations"]) if answered else {}
    usual = "follow_up" if record["history"] else "plain"
    return GoldenCase.model_validate(
        {
            "id": f"feedback-{at}-{record['request_id']}",
            "question": record["question"],
            "history": tuple(record["history"]),
            "kind": _KINDS.get(outcome, usual),
            "outcome": outcome,
            "labels": tuple((label,) for label in labels),
            "review": _told(record),
        }
    )


def _told(record: Mapping[str, Any]) -> str:
    said = " ".join(each["text"] for each in record["sentences"])
    comment = (record["feedback"] or {}).get("comment")
    return " | ".join(filter(None, ("rated down", comment, f"answered: {said}")))
