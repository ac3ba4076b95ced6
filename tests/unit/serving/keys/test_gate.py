"""What stands before the doors, around all routes that there are: kserve's own and ours."""

import asyncio
import re
from hashlib import sha256
from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from kserve import ModelRepository
from kserve.protocol.rest.server import RESTServer
from tests.unit.agent.parts import Pen, Shelf, make_passage

from agentic_rag.callers import Scope, caller
from agentic_rag.glass.watch import Watch
from agentic_rag.serving.keys.needs import needs
from agentic_rag.serving.kserve_runtime import (
    ClosedRepository,
    RagPredictor,
    TruthfulDataPlane,
    furnish,
)
from agentic_rag.serving.lodge import build_lodge
from agentic_rag.serving.openai.faults import speaks_openai

# kserve answers so, whatever FastAPI thinks of it
pytestmark = pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated")

ASKER, BOSS = "asker-key", "boss-key"
KEYS = {ASKER: "website:ask", BOSS: "boss:admin"}
API_KEYS = tuple(f"{who}:{sha256(key.encode()).hexdigest()}" for key, who in KEYS.items())
OPEN = {"/healthz", "/ready", "/v2/health/live", "/v2/health/ready", "/v2/models/rag-agent/ready"}
SHELF = Shelf([make_passage("Scaling takes 40 minutes.")])
EMERGENCY = {"instances": ["My gums are bleeding and will not stop"]}
WAYS_TO_BE_NOBODY = {
    "no key": {},
    "a wrong key": {"authorization": "Bearer wrong"},
    "another scheme": {"authorization": f"Basic {ASKER}"},
    "no scheme": {"authorization": ASKER},
    "a key and more": {"authorization": f"Bearer {ASKER} more"},
    "half a key": {"authorization": f"Bearer {ASKER[:-1]}"},
    "a hash": {"authorization": f"Bearer {sha256(ASKER.encode()).hexdigest()}"},
    "a cookie": {"cookie": f"authorization=Bearer {ASKER}"},
    "another header": {"x-api-key": ASKER},
}


@pytest.fixture
def make_app(make_deps, settings):
    def make(**fields: object) -> FastAPI:
        told = settings(api_keys=API_KEYS, **fields)
        deps = make_deps(retriever=SHELF, ladder=Pen("Scaling takes 40 minutes. [1]"))
        library = SimpleNamespace(version=None, refusal=None)
        house = SimpleNamespace(
            deps=deps, settings=told, library=library, ready=_ready, watch=Watch(None)
        )
        predictor = RagPredictor("rag-agent", house)
        models = ModelRepository()
        models.update(predictor)
        app = FastAPI()
        furnish(app, predictor, house, build_lodge(told))
        rest = RESTServer.__new__(RESTServer)
        rest.dataplane = TruthfulDataPlane(model_registry=models)
        rest.model_repository_extension = ClosedRepository(models)
        rest._register_endpoints(app)
        return app

    return make


async def _ready() -> bool:
    return True


def client_of(app, key=None):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers)


def doors(app):
    """Return every method and path that the app has a route for, and one that it has not."""
    found = [("GET", "/nothing/here")]
    for route in _flat(app.routes):
        path = re.sub(r"\{[^}]*\}", "rag-agent", route.path)
        found += [(method, path) for method in sorted(route.methods)]
    return found


def _flat(routes):
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        if inner:
            yield from _flat(inner)
        elif hasattr(route, "methods"):
            yield route


@pytest.mark.parametrize("headers", WAYS_TO_BE_NOBODY.values(), ids=WAYS_TO_BE_NOBODY)
async def test_who_has_no_key_is_refused_at_every_door_the_same_way(headers, make_app):
    app = make_app()
    tried = [(method, path) for method, path in doors(app) if path not in OPEN]
    seen = set()

    async with client_of(app) as client:
        for method, path in tried:
            reply = await client.request(method, path, headers=headers, json=EMERGENCY)
            kept = reply.headers.get("www-authenticate"), reply.headers.get("allow")
            body = b"" if method == "HEAD" else reply.content
            form = "openai" if speaks_openai(path) else "plain"
            seen.add((reply.status_code, kept, body or form, form))

    assert len(tried) > 15
    assert {("POST", "/chat/stream"), ("POST", "/search"), ("GET", "/metrics")} <= set(tried)
    assert {(status, kept) for status, kept, _, _ in seen} == {(401, ("Bearer", None))}
    for spoken in ("plain", "openai"):
        assert len({body for _, _, body, form in seen if form == spoken and body != form}) == 1


async def test_probes_need_no_key_and_nothing_else_is_open(make_app):
    app = make_app()

    async with client_of(app) as client:
        replies = {path: await client.get(path) for method, path in doors(app) if method == "GET"}

    assert {path for path, reply in replies.items() if reply.status_code != 401} == OPEN


@pytest.mark.parametrize(
    "path",
    [
        "//healthz",
        "/healthz/",
        "/HEALTHZ",
        "/healthz/../metrics",
        "/x/healthz",
        "/ready/x",
        "/%2e/metrics",
        "/v2/models/other/ready",
    ],
)
async def test_a_path_that_only_looks_open_is_closed(path, make_app):
    async with client_of(make_app()) as client:
        assert (
            await client.get(httpx.URL("http://here", raw_path=path.encode()))
        ).status_code == 401


async def test_nobodys_body_is_read(make_app):
    async with client_of(make_app()) as client:
        replies = [
            await client.request(method, path, content=_untouched())
            for method, path in (("POST", "/healthz"), ("PUT", "/ready"), ("POST", "/search"))
        ]

    assert [reply.status_code for reply in replies] == [401] * 3


async def _untouched():
    raise AssertionError("somebody reads it")
    yield b""


async def test_openai_clients_are_told_in_openais_form(make_app):
    async with client_of(make_app()) as client:
        reply = await client.post("/openai/v1/chat/completions", json={})

    assert reply.json()["error"]["code"] == "invalid_api_key"


OPERATORS = {
    "metrics": ("GET", "/metrics", None),
    "metrics, and a line's end, which a route's pattern overlooks": ("GET", "/metrics%0A", None),
    "load": ("POST", "/v2/repository/models/rag-agent/load", {}),
    "unload": ("POST", "/v2/repository/models/rag-agent/unload", {}),
    "debug over v1": (
        "POST",
        "/v1/models/rag-agent:predict",
        {"instances": [{"question": "How long?", "debug": True}]},
    ),
    "debug over v2": (
        "POST",
        "/v2/models/rag-agent/infer",
        {
            "inputs": [{"name": "question", "shape": [1], "datatype": "BYTES", "data": ["?"]}],
            "parameters": {"debug": True},
        },
    ),
    "debug in a stream": ("POST", "/chat/stream", {"question": "How long?", "debug": True}),
}


@pytest.mark.parametrize("door", OPERATORS.values(), ids=OPERATORS)
async def test_what_is_the_operators_is_refused_to_who_may_only_ask(door, make_app):
    method, path, body = door
    app = make_app()

    async with client_of(app, ASKER) as client:
        refused = await client.request(method, path, json=body)
    async with client_of(app, BOSS) as client:
        heard = await client.request(method, path, json=body)

    assert refused.status_code == 403
    assert refused.json() == {"error": "this needs the admin scope"}
    assert "the admin scope" not in heard.text


async def test_a_route_of_anyones_is_closed_and_one_that_says_so_is_the_operators(make_app):
    app, routes = make_app(), APIRouter()

    @routes.get("/whoami")
    async def whoami() -> dict[str, str]:
        return {"name": caller.get().name}

    @routes.get("/theirs", dependencies=[needs(Scope.ADMIN)])
    async def theirs() -> dict[str, str]:
        return {"name": caller.get().name}

    app.include_router(routes)
    async with (
        client_of(app) as nobody,
        client_of(app, ASKER) as asker,
        client_of(app, BOSS) as boss,
    ):
        statuses = [
            [(await client.get(path)).status_code for client in (nobody, asker, boss)]
            for path in ("/whoami", "/theirs")
        ]
        named = (await asker.get("/whoami")).json()

    assert statuses == [[401, 200, 200], [401, 403, 200]]
    assert named == {"name": "website"}
    assert caller.get().name == ""


async def test_metrics_may_be_opened(make_app):
    async with client_of(make_app(metrics_open=True)) as client:
        assert (await client.get("/metrics")).status_code == 200


async def test_an_emergency_behind_a_wrong_key_is_refused(make_app):
    async with client_of(make_app(), "wrong") as client:
        reply = await client.post("/v1/models/rag-agent:predict", json=EMERGENCY)

    assert reply.status_code == 401


async def test_over_the_rate_only_an_emergency_is_answered(make_app):
    async with client_of(make_app(rate_limit="2/minute"), ASKER) as client:
        path = "/v1/models/rag-agent:predict"
        question = {"instances": ["How long does scaling take?"]}
        statuses = [(await client.post(path, json=question)).status_code for _ in range(3)]
        over = await client.post(path, json=question)
        streamed = await client.post("/chat/stream", json={"question": "How long?"})
        health = await client.get("/health")
        emergency = await client.post(path, json=EMERGENCY)
        alarm = await client.post("/chat/stream", json={"question": EMERGENCY["instances"][0]})
        huge = await client.post(path, json=EMERGENCY | {"x": "a" * 70_000})
        probe = await client.get("/healthz")

    assert statuses == [200, 200, 429]
    for refused in (over, streamed, health, huge):
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert emergency.json()["predictions"][0]["outcome"] == "emergency"
    assert '"outcome":"emergency"' in alarm.text
    assert probe.status_code == 200


async def test_one_caller_at_its_limit_is_refused_and_another_is_not(make_app):
    app = make_app(max_concurrency_per_key=1)
    held = asyncio.Event()

    @app.post("/hold")
    async def hold() -> dict[str, str]:
        await held.wait()
        return {}

    question = {"instances": ["How long does scaling take?"]}
    path = "/v1/models/rag-agent:predict"
    async with client_of(app, ASKER) as asker, client_of(app, BOSS) as boss:
        holding = asyncio.create_task(asker.post("/hold"))
        await asyncio.sleep(0.05)
        refused, other = await asker.post(path, json=question), await boss.post(path, json=question)
        emergency = await asker.post(path, json=EMERGENCY)
        held.set()
        await holding
        later = await asker.post(path, json=question)

    assert (refused.status_code, other.status_code, later.status_code) == (429, 200, 200)
    assert emergency.status_code == 200


async def test_every_reply_tells_browsers_what_not_to_do(make_app):
    async with client_of(make_app()) as client:
        refused, found = await client.get("/metrics"), await client.get("/healthz")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app())) as client:
        by_tls = await client.get("https://here/healthz")

    for reply in (refused, found, by_tls):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert "strict-transport-security" not in found.headers
    assert "max-age" in by_tls.headers["strict-transport-security"]


async def test_no_page_elsewhere_may_call_unless_it_is_named(make_app):
    ours, theirs = {"origin": "https://clinic.example"}, {"origin": "https://evil.example"}
    asks = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    async with client_of(make_app()) as client:
        shut = await client.options("/search", headers=ours | asks)
    async with client_of(make_app(cors_origins="https://clinic.example")) as client:
        first = await client.options("/search", headers=ours | asks)
        refused = await client.get("/health", headers=ours)
        other = await client.options("/search", headers=theirs | asks)

    allow = "access-control-allow-origin"
    assert (shut.status_code, shut.headers.get(allow)) == (401, None)
    assert (first.status_code, first.headers[allow]) == (200, ours["origin"])
    assert (refused.status_code, refused.headers[allow]) == (401, ours["origin"])
    assert allow not in other.headers
