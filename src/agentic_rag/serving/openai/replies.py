"""Replies of OpenAI's protocol, whole and in chunks. Pure, but for the clock."""

import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

from agentic_rag.domain import Answer
from agentic_rag.serving.openai.faults import fault
from agentic_rag.serving.talk import Asked
from agentic_rag.serving.writing import write_answer

_MARKER = re.compile(r"\[(\d{1,3})\]$", re.MULTILINE)

Values = dict[str, Any]


class ChatForm:
    """`chat.completion`, and its chunks."""

    kind, chunk_kind, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def __init__(self, asked: Asked, model: str, request_id: str) -> None:
        """Reply to a request as a model."""
        self._asked = asked
        self._named = {
            "id": f"{self.prefix}-{request_id}",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, answer: Answer) -> Values:
        """Return the completion."""
        return {
            **self._named,
            "object": self.kind,
            "choices": [{**self._said(answer), **_choice(finish_reason(answer))}],
            "usage": usage(answer),
            "agentic_rag": self._told(answer),
        }

    def opening(self) -> list[Values]:
        """Return the chunk that says who speaks."""
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})]

    def piece(self, text: str) -> Values:
        """Return a chunk with some text."""
        return self._chunk({"content": text})

    def ending(self, answer: Answer) -> Iterator[Values]:
        """Return the chunk that says why it ends and what it rests on, and what it cost."""
        last = self._chunk({"annotations": annotations(answer)}, finish_reason(answer))
        yield last | {"agentic_rag": self._told(answer)}
        if self._asked.include_usage:
            empty = {**self._named, "object": self.chunk_kind, "choices": []}
            yield empty | {"usage": usage(answer)}

    def failure(self, message: str) -> Values:
        """Return an error."""
        return fault(HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _said(self, answer: Answer) -> Values:
        message = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "annotations": annotations(answer),
        }
        return {"message": message}

    def _added(self, delta: Values) -> Values:
        return {"delta": delta}

    def _chunk(self, delta: Values, reason: str | None = None) -> Values:
        cost = {"usage": None} if self._asked.include_usage else {}
        choice = {**self._added(delta), **_choice(reason)}
        return {**self._named, "object": self.chunk_kind, "choices": [choice], **cost}

    def _told(self, answer: Answer) -> Values:
        """Return what OpenAI's protocol has no place for."""
        left = {k: v for k, v in write_answer(answer).items() if k not in {"answer", "usage"}}
        return left | {"unheeded": self._asked.unheeded(answer)}


class TextForm(ChatForm):
    """`text_completion`, whose chunks are the same."""

    kind, chunk_kind, prefix = "text_completion", "text_completion", "cmpl"

    def opening(self) -> list[Values]:
        """Return nothing: nobody is said to speak."""
        return []

    def _said(self, answer: Answer) -> Values:
        return {"text": answer.text}

    def _added(self, delta: Values) -> Values:
        return {"text": delta.get("content", "")}


def finish_reason(answer: Answer) -> Literal["stop", "length"]:
    """Tell why an answer ends."""
    return "length" if answer.is_cut else "stop"


def usage(answer: Answer) -> Values:
    """Return what an LLM counted: nothing, where none was asked."""
    counted: Values = write_answer(answer)["usage"]
    return counted


def annotations(answer: Answer) -> list[Values]:
    """Return for each `[n]` in the text, by its characters, the part of a document it names."""
    labels = {each.number: each.label for each in answer.citations}
    found = ((marker, labels.get(int(marker[1]))) for marker in _MARKER.finditer(answer.text))
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": marker.start(),
                "end_index": marker.end(),
                "title": label,
                "url": f"document:{quote(label, safe='/#')}",
            },
        }
        for marker, label in found
        if label
    ]


def _choice(reason: str | None) -> Values:
    return {"index": 0, "logprobs": None, "finish_reason": reason}
