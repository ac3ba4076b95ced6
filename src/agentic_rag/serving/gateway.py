"""The gateway's door: a chat with every sampling parameter that the model's server knows."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response

from agentic_rag.bootstrap.house import House
from agentic_rag.domain import Answer
from agentic_rag.serving.errors import UnknownModel
from agentic_rag.serving.openai.replies import finish_reason
from agentic_rag.serving.openapi import ASKING, describe, or_streams
from agentic_rag.serving.shapes import GatewayReply
from agentic_rag.serving.talk import Asked, TalkBody, read_asked, read_talk
from agentic_rag.serving.telling import Teller
from agentic_rag.serving.writing import write_answer

_NEUTRAL = {"n": (1,), "best_of": (1,), "logprobs": (False,), "top_logprobs": (0,)}
"""Fields that are refused, but for a value that asks for nothing; and so is what is not here.

Of logprobs there are none to give: the answer is what is left of the model's words, in lines of
ours.
"""

Values = dict[str, Any]


class GatewayBody(TalkBody):
    """A conversation; `wire` reads what has the type Any."""

    messages: Any = None
    k: Any = None
    session_id: Any = None
    when_cold: Any = None
    timeout_seconds: Any = None

    def wishes(self) -> dict[str, tuple[str, Any]]:
        """Return what `wire` reads."""
        names = ("k", "session_id", "when_cold", "timeout_seconds", "max_tokens", "temperature")
        return {name: (name, getattr(self, name)) for name in names}


class GatewayForm:
    """A message, with all that there is to know of the answer when it is done."""

    def __init__(self, asked: Asked, model: str) -> None:
        """Reply to a request as a model."""
        self._asked = asked
        self._model = model

    def whole(self, answer: Answer) -> Values:
        """Return the reply."""
        return self._message(answer.text) | self._told(answer)

    def opening(self) -> list[Values]:
        """Return nothing."""
        return []

    def piece(self, text: str) -> Values:
        """Return a message with some text."""
        return self._message(text) | {"done": False}

    def ending(self, answer: Answer) -> Iterator[Values]:
        """Return the last message, which adds no text."""
        yield self._message("") | self._told(answer)

    def failure(self, message: str) -> Values:
        """Return an error."""
        return {"error": message}

    def _message(self, text: str) -> Values:
        return {"model": self._model, "message": {"role": "assistant", "content": text}}

    def _told(self, answer: Answer) -> Values:
        return {
            "done": True,
            "finish_reason": finish_reason(answer),
            **write_answer(answer),
            "unheeded": self._asked.unheeded(answer),
        }


def router(house: House, model: str) -> APIRouter:
    """Return the route of one house."""
    routes = APIRouter()
    teller = Teller(house.deps, model)

    def read(payload: bytes) -> tuple[Asked, GatewayForm]:
        body = read_talk(payload, GatewayBody, _NEUTRAL)
        if body.model not in (None, model):
            raise UnknownModel(body.model)
        asked = read_asked(body, body.messages, body.wishes(), house.settings)
        return asked, GatewayForm(asked, model)

    taken = describe(GatewayReply, takes=GatewayBody, errors=(404, *ASKING))

    @routes.post("/api/chat", response_model=None, **or_streams(taken))
    async def chat(request: Request) -> Response:
        """Answer a conversation's last question; with `stream` sentence by sentence."""
        return await teller.reply(request, read)

    return routes
