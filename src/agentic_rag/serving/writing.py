"""Writing: answers, and what is told on the way to them, as JSON values. Pure."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from agentic_rag.domain import (
    Answer,
    Citation,
    Degraded,
    Event,
    LlmStatus,
    Passage,
    Provisional,
    Sentence,
    StepBegun,
)


def write_answer(answer: Answer) -> dict[str, Any]:
    """Return the answer as JSON values: design's nouns, with "answer" for its text."""
    body: dict[str, Any] = {
        "answer": answer.text,
        "outcome": answer.outcome.value,
        "citations": [write_citation(citation) for citation in answer.citations],
        "sources": list(answer.sources),
        "generator": answer.generator,
        "degraded": answer.degraded.value if answer.degraded else None,
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "total_tokens": answer.usage.total_tokens,
        },
        "timings": {step: round(seconds, 6) for step, seconds in answer.timings.items()},
        "latency_seconds": round(answer.timings.get("total", 0.0), 6),
        "request_id": answer.request_id,
    }
    if answer.adapter:
        body["adapter"] = answer.adapter
    if answer.eta_s is not None:
        body["eta_seconds"] = round(answer.eta_s, 1)
    if answer.trace is not None:
        body["trace"] = [dict(each) for each in answer.trace]
    return body


def write_chat(answer: Answer, session_id: str | None) -> dict[str, Any]:
    """Return the answer as the clinic chat API has it: citations are labels."""
    body = write_answer(answer)
    trace = body.pop("trace", None)
    del body["sources"], body["timings"]
    body |= {"citations": list(answer.sources), "session_id": session_id}
    if answer.prompt:
        prompt = answer.prompt
        told = {"messages": write_messages(prompt.messages), "seen_by": prompt.seen_by}
        body["debug"] = told | {"trace": trace}
    return body


def write_messages(messages: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return messages for a model as JSON values."""
    return [{"role": role, "content": text} for role, text in messages]


def retry_after(answers: Sequence[Answer]) -> dict[str, str]:
    """Return the header that tells when better answers may be had, where a model slept."""
    cold = (each.eta_s for each in answers if each.degraded is Degraded.LLM_COLD)
    etas = [math.ceil(eta_s) for eta_s in cold if eta_s is not None]
    return {"retry-after": str(max(1, *etas))} if etas else {}


def write_event(event: Event) -> tuple[str, dict[str, Any]]:
    """Return the name and the JSON values of what is told live."""
    match event:
        case StepBegun():
            return "step", {"step": event.step}
        case LlmStatus():
            eta_s = event.eta_s
            told = {"eta_seconds": None if eta_s is None else round(eta_s, 1)}
            return "status", {"state": str(event.state), **told}
        case Provisional():
            return "provisional", write_answer(event.answer)
        case Sentence():
            cited = [write_citation(citation) for citation in event.citations]
            return "sentence", {"index": event.index, "text": event.text, "citations": cited}
    return "answer", write_answer(event)


def write_citation(citation: Citation) -> dict[str, Any]:
    """Return a citation as JSON values."""
    return {
        "number": citation.number,
        "label": citation.label,
        "doc_id": citation.doc_id,
        "section": citation.section,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
        "digest": citation.digest,
        "support": citation.support,
    }


def write_hit(passage: Passage) -> dict[str, Any]:
    """Return a found passage as JSON values."""
    meta = {"doc_id": passage.doc_id, "section": passage.section, "label": passage.label}
    return {"score": round(passage.score, 6), "meta": meta, "text": passage.text}
