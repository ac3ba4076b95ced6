"""The clinic's doors over simple parts: what goes through, and what becomes of a fault."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from tests.unit.agent.parts import Pen, Shelf, make_passage

from agentic_rag.agent.admission import Admission
from agentic_rag.domain import Draft, Usage
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.serving import clinic, errors, search
from agentic_rag.serving.middleware import Threshold

SHELF = Shelf([make_passage("Scaling takes 40 minutes.")])
ASKED = {"question": "How long does scaling take?"}
SAID = "Scaling takes 40 minutes. [1]"


class Eavesdropper(Pen):
    """A pen that tells what it was shown, less a name."""

    async def write(self, brief):
        draft = await super().write(brief)
        told = tuple((role, text.replace("Asha", "X")) for role, text in brief.messages)
        return Draft(text=SAID, generator=draft.generator, usage=Usage(), told=told)


@pytest.fixture
def ask(settings):
    """Send a request to doors of the parts given, in this process."""

    async def send(deps, method, path, max_question_chars=4000, **request) -> httpx.Response:
        house = SimpleNamespace(
            deps=deps,
            library=deps.retriever,
            models=SimpleNamespace(models=()),
            settings=settings(chat_top_k=2, max_question_chars=max_question_chars),
        )
        app = FastAPI()
        app.add_middleware(Threshold, admission=deps.admission)
        app.include_router(clinic.router(house))
        app.include_router(search.router(house))
        errors.install(app)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://clinic") as client:
            return await client.request(method, path, **request)

    return send


async def test_a_chat_retrieves_as_many_as_the_setting_says(make_deps, ask):
    shelf = Shelf(SHELF.passages)

    reply = await ask(make_deps(retriever=shelf), "POST", "/chat", json=ASKED)

    assert reply.json()["answer"].startswith(SAID)
    assert {k for _, k in shelf.asked} == {2}


async def test_debug_tells_what_the_model_was_shown_and_not_what_it_was_to_be(make_deps, ask):
    asked = {"question": "Asha asks: how long does scaling take?", "debug": True}

    reply = await ask(make_deps(ladder=Eavesdropper()), "POST", "/chat", json=asked)

    debug = reply.json()["debug"]
    assert debug["seen_by"] == "vllm/test"
    assert debug["messages"][-1]["content"].endswith(
        "Question: X asks: how long does scaling take?"
    )
    assert "You answer patients" not in str(debug["trace"])


async def test_without_debug_nothing_is_told_of_it(make_deps, ask):
    reply = await ask(make_deps(ladder=Eavesdropper()), "POST", "/chat", json=ASKED)

    assert "debug" not in reply.json()


async def test_a_dry_run_asks_no_model_not_even_to_plan(make_deps, ask):
    pen, planner = Pen(), Pen(error=AssertionError("asked"))
    deps = make_deps(ladder=pen, quoter=pen, planner=planner)

    reply = await ask(deps, "GET", "/dryrun", params=ASKED)

    assert [each["role"] for each in reply.json()["messages"]] == ["system", "user"]
    assert reply.json()["labels"] == ["faq.md#scaling"]
    assert not pen.briefs


async def test_a_dry_run_without_an_index_says_so(make_deps, ask):
    broken = make_deps(retriever=Shelf(error=RetrievalUnavailable("http://chroma refused")))

    reply = await ask(broken, "GET", "/dryrun", params=ASKED)

    assert (reply.json()["outcome"], reply.json()["degraded"]) == (
        "declined",
        "retrieval_unavailable",
    )


@pytest.mark.parametrize("path", ["/chat", "/query", "/search"])
async def test_the_longest_question_is_the_settings_at_every_door(path, make_deps, ask):
    name = "question" if path == "/chat" else "query"

    reply = await ask(make_deps(), "POST", path, json={name: "x" * 51}, max_question_chars=50)

    assert (reply.status_code, reply.json()["field"]) == (400, name)


async def test_a_search_without_an_index_is_told_to_come_back(make_deps, ask):
    class Away(Shelf):
        async def search(self, queries, *, k, within):
            raise RetrievalUnavailable("http://chroma refused")

    reply = await ask(make_deps(retriever=Away()), "POST", "/search", json={"query": "fees"})

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert "chroma" not in reply.text


@pytest.mark.parametrize("path", ["/chat", "/query"])
async def test_a_fault_of_ours_tells_nothing(path, make_deps, ask):
    broken = make_deps(ladder=Pen(error=KeyError("http://me:secret@llm")))
    body = ASKED if path == "/chat" else {"query": ASKED["question"]}

    reply = await ask(broken, "POST", path, json=body)

    assert (reply.status_code, reply.json()) == (500, {"error": "prediction failed"})


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("POST", "/chat", {"json": ASKED}),
        ("POST", "/query", {"json": {"query": "fees"}}),
        ("POST", "/search", {"json": {"query": "fees"}}),
        ("GET", "/dryrun", {"params": ASKED}),
    ],
    ids=lambda each: str(each)[:8],
)
async def test_where_too_many_ask_a_caller_is_told_when_to_come_back(
    method, path, request_, make_deps, ask
):
    deps = make_deps(admission=Admission(most=1))
    async with deps.admission.admitted(None):
        reply = await ask(deps, method, path, **request_)

    assert (reply.status_code, int(reply.headers["retry-after"])) == (429, 1)


async def test_an_emergency_waits_for_nobody(make_deps, ask):
    deps = make_deps(admission=Admission(most=1))
    async with deps.admission.admitted(None), asyncio.timeout(5):
        reply = await ask(deps, "POST", "/chat", json={"question": "I can't breathe"})

    assert reply.json()["outcome"] == "emergency"


@pytest.mark.parametrize("told", ["0", "-1", "soon", "4000"])
async def test_a_time_that_makes_no_sense_is_refused(told, make_deps, ask):
    headers = {"x-request-timeout": told}

    replies = [
        await ask(make_deps(), "POST", "/chat", json=ASKED, headers=headers),
        await ask(make_deps(), "GET", "/dryrun", params=ASKED, headers=headers),
        await ask(make_deps(), "POST", "/search", json={"query": "fees"}, headers=headers),
    ]

    assert [reply.status_code for reply in replies] == [400] * 3
    assert {reply.json()["field"] for reply in replies} == {"X-Request-Timeout"}
