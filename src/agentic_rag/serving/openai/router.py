"""The door for OpenAI's clients: chats, completions and models."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from kserve.errors import ModelNotReady

from agentic_rag.bootstrap.house import House
from agentic_rag.serving.errors import NoSuchModel, UnknownModel
from agentic_rag.serving.openai.replies import ChatForm, TextForm
from agentic_rag.serving.openai.requests import read_chat, read_completion
from agentic_rag.serving.talk import Asked
from agentic_rag.serving.telling import Form, Teller
from agentic_rag.settings import Settings
from agentic_rag.telemetry import request_id

OPENAI, KSERVE = "/openai/v1", "/v1"

Door = Callable[[Request], Awaitable[Response]]
Read = Callable[[bytes, Settings], tuple[str, Asked]]


class Served(Protocol):
    """The model that is served."""

    name: str

    async def healthy(self) -> bool:
        """Tell whether questions would be answered from the documents."""
        ...


class Models:
    """The one model, as both kinds of client that ask for it know models."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._created = int(time.time())

    def described(self, name: str) -> dict[str, Any]:
        """Return a model as OpenAI's clients know it.

        Raises:
            UnknownModel: it is another than is served.
        """
        if name != self._served.name:
            raise UnknownModel(name)
        about = {"created": self._created, "owned_by": "agentic-rag"}
        return {"id": name, "object": "model", **about}

    async def openai(self) -> dict[str, Any]:
        """List it for OpenAI's clients."""
        return {"object": "list", "data": [self.described(self._served.name)]}

    async def openai_one(self, model_name: str) -> dict[str, Any]:
        """Describe it to OpenAI's clients, be it ready or not."""
        return self.described(model_name)

    async def both(self) -> dict[str, Any]:
        """List it for KServe's clients and OpenAI's."""
        return {"models": [self._served.name], **await self.openai()}

    async def both_one(self, model_name: str) -> dict[str, Any]:
        """Tell KServe's clients whether it is ready, and describe it to OpenAI's."""
        if model_name != self._served.name:
            raise NoSuchModel(model_name)
        if not await self._served.healthy():
            raise ModelNotReady(model_name)
        return {"name": model_name, "ready": True, **self.described(model_name)}


def router(house: House, served: Served) -> APIRouter:
    """Return the routes of one house; those that KServe has too stand in front of its own."""
    routes = APIRouter(include_in_schema=False)  # OpenAI's own document describes them
    models, teller = Models(served), Teller(house.deps, served.name)

    def answering(read: Read, form: type[ChatForm]) -> Door:
        def reading(payload: bytes) -> tuple[Asked, Form]:
            model, asked = read(payload, house.settings)
            models.described(model)
            return asked, form(asked, model, request_id.get())

        async def answer(request: Request) -> Response:
            return await teller.reply(request, reading)

        return answer

    doors = {
        "/chat/completions": answering(read_chat, ChatForm),
        "/completions": answering(read_completion, TextForm),
    }
    for path, door in doors.items():
        for prefix in (OPENAI, KSERVE):
            routes.add_api_route(prefix + path, door, methods=["POST"], response_model=None)
    routes.add_api_route(f"{OPENAI}/models", models.openai)
    routes.add_api_route(f"{OPENAI}/models/{{model_name:path}}", models.openai_one)
    routes.add_api_route(f"{KSERVE}/models", models.both)
    routes.add_api_route(f"{KSERVE}/models/{{model_name}}", models.both_one)
    return routes
