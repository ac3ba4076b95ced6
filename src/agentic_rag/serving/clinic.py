"""The clinic chat API: chat, its dry run and query, within the limits it always had."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator, Field
from starlette.datastructures import QueryParams

from agentic_rag.agent.ask import ask, rehearse
from agentic_rag.agent.deps import Deps, Message
from agentic_rag.agent.state import Journey
from agentic_rag.bootstrap.house import House
from agentic_rag.domain import Question
from agentic_rag.errors import BadQuestion
from agentic_rag.serving.fields import ChatBody, K, QuestionText, Strict, bounded, to_whole
from agentic_rag.serving.openapi import describe
from agentic_rag.serving.shapes import ChatReply, DryrunReply, QueryReply
from agentic_rag.serving.wire import as_question, headed, read_as, read_body
from agentic_rag.serving.writing import retry_after, write_chat, write_messages
from agentic_rag.settings import Settings


class DryrunParams(Strict):
    """A question in an address, which has no place for a history: ask /chat to debug with one."""

    question: QuestionText
    k: Annotated[K, Field(strict=False)] | None = None


class QueryBody(Strict):
    """A question, and nothing beside it."""

    query: QuestionText


def router(house: House) -> APIRouter:
    """Return the routes of one house."""
    routes, settings = APIRouter(tags=["clinic"]), house.settings
    deps = _limited(house.deps, settings)
    most = settings.max_question_chars
    chat_body = bounded(ChatBody, "question", most, **_ranges(settings))
    query_body = bounded(QueryBody, "query", most)
    dryrun_params = bounded(DryrunParams, "question", most)

    @routes.post("/chat", **describe(ChatReply, takes=chat_body))
    async def chat(request: Request) -> JSONResponse:
        """Answer from the documents; `debug` adds what a model saw and what every step wrote."""
        body = read_body(chat_body, await request.body())
        question = _question(body, request, settings)
        answer = await ask(question, deps=deps)
        written = write_chat(answer, question.session_id)
        return JSONResponse(written, headers=retry_after([answer]))

    @routes.get("/dryrun", **describe(DryrunReply, asks=dryrun_params))
    async def dryrun(request: Request) -> JSONResponse:
        """Build the messages that /chat would send to a model, and send them to none.

        A follow-up cannot be tried: a history is no parameter. `/chat` with `debug` takes one.
        """
        params = read_as(dryrun_params, _single(request.query_params))
        body = ChatBody(question=params.question, k=params.k, debug=True)
        journey = await rehearse(_question(body, request, settings), deps=deps)
        return JSONResponse(_laid_out(journey, house))

    @routes.post("/query", **describe(QueryReply, takes=query_body))
    async def query(request: Request) -> JSONResponse:
        """Answer from the documents, with the labels that the answer rests on."""
        body = ChatBody(question=read_body(query_body, await request.body()).query)
        answer = await ask(_question(body, request, settings), deps=deps)
        told = {"answer": answer.text, "sources": list(answer.sources)}
        return JSONResponse(told, headers=retry_after([answer]))

    return routes


def _question(body: ChatBody, request: Request, settings: Settings) -> Question:
    question = _by_default(as_question(body, settings=settings), settings)
    return headed([question], request.headers)[0]


def _limited(deps: Deps, settings: Settings) -> Deps:
    """Give the agent the limits of these doors: a question of two parts gets no more than one."""
    most = deps.limits.max_ctx_snippets
    return replace(deps, limits=replace(deps.limits, top_k=settings.chat_top_k, most_snippets=most))


def _ranges(settings: Settings) -> dict[str, Any]:
    tokens = Annotated[int, Field(ge=1, le=settings.chat_max_tokens), BeforeValidator(to_whole)]
    warmth = Annotated[float, Field(ge=0, le=settings.chat_max_temperature, allow_inf_nan=False)]
    return {"max_tokens": (tokens | None, None), "temperature": (warmth | None, None)}


def _by_default(question: Question, settings: Settings) -> Question:
    """Keep what was not asked for within the limits, too."""
    tokens, warmth = question.max_tokens, question.temperature
    if tokens is None:
        tokens = min(settings.llm_max_tokens, settings.chat_max_tokens)
    if warmth is None:
        warmth = min(settings.llm_temperature, settings.chat_max_temperature)
    return replace(question, max_tokens=tokens, temperature=warmth)


def _single(params: QueryParams) -> Mapping[str, str]:
    """Return parameters by name, each of which came once.

    Raises:
        BadQuestion: one came twice, and nobody can tell which was meant.
    """
    for name in params:
        if len(params.getlist(name)) > 1:
            raise BadQuestion(name[:64], "expected once")
    return dict(params)


def _laid_out(gone: Journey, house: House) -> dict[str, Any]:
    """Write a rehearsed journey: the messages as the first model of the ladder would get them."""
    messages: tuple[Message, ...] = gone.get("messages", ())
    passages = gone.get("evidence", ())
    answer = gone.get("answer")
    if messages and house.models.models:
        first = house.models.models[0]
        messages = tuple(first.told(messages, [each.text for each in passages]))
    return {
        "messages": write_messages(messages),
        "labels": [passage.label for passage in passages],
        "outcome": answer.outcome.value if answer else None,
        "degraded": answer.degraded.value if answer and answer.degraded else None,
    }
