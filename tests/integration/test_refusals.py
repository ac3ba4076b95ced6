"""What a refusal says: the field or its place, and nothing that a patient wrote or a key is."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.integration.servers import HOST, MODEL, Agent

from agentic_rag.callers import Scope
from agentic_rag.serving.keys.ring import new_key

PLANTED = ("Zebedeeson", "98765 43210", "9876543210", "zebedee@example.org", "strawberry")
WORDS = "I am Zebedeeson, 98765 43210, 9876543210, zebedee@example.org, strawberry mark"
MOST_BYTES = 20_000
KEYS = {name: new_key(name, scope) for name, scope in (("web", Scope.ASK), ("boss", Scope.ADMIN))}
STRANGER, _ = new_key("stranger", Scope.ASK)
Refusal = tuple[int, str, str]
MESSAGES = [{"role": "user", "content": WORDS}]
DOORS: dict[str, dict[str, Any]] = {
    f"/v1/models/{MODEL}:predict": {"instances": [WORDS]},
    f"/v2/models/{MODEL}/infer": {
        "inputs": [{"name": "question", "shape": [1], "datatype": "BYTES", "data": [WORDS]}]
    },
    "/chat": {"question": WORDS},
    "/chat/stream": {"question": WORDS},
    "/query": {"query": WORDS},
    "/search": {"query": WORDS},
    "/api/chat": {"messages": MESSAGES},
    "/openai/v1/chat/completions": {"model": MODEL, "messages": MESSAGES},
    "/v1/completions": {"model": MODEL, "prompt": WORDS},
    "/feedback": {"request_id": "x", "rating": "up", "comment": WORDS},
}
PATHS = [
    ("GET", "/{}"), ("GET", "/answers/{}"), ("GET", "/answers/{}/receipt"),
    ("GET", "/v1/models/{}"), ("POST", "/v1/models/{}:predict"), ("GET", "/v2/models/{}"),
    ("GET", "/v2/models/{}/ready"), ("POST", "/v2/models/{}/infer"), ("PATCH", "/chat?{}"),
    ("GET", "/openai/v1/models/{}"), ("GET", "/v1/models/{}/{}"), ("GET", "/dryrun?k={}"),
    ("GET", "/dryrun?question=x&{}=1"), ("POST", "/v2/repository/models/{}/load"),
    ("GET", f"/v2/models/{MODEL}/versions/{{}}"), ("DELETE", "/sessions/x?of={}"),
]  # fmt: skip


@pytest.fixture(scope="module")
def agent(start: Any) -> Agent:
    """A server with keys, and nothing to answer from."""
    entries = ",".join(entry for _, entry in KEYS.values())
    told = {"API_KEYS": entries, "MAX_BODY_BYTES": str(MOST_BYTES)}
    return start(**told, CHROMA_HOST=HOST, CHROMA_PORT="9").wait_until_live()


@pytest.fixture(scope="module")
def client(agent: Agent) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=agent.base, timeout=60) as opened:
        yield opened


def spoilt(body: dict[str, Any]) -> Iterator[Any]:
    """Make bodies that are refused, each with the words somewhere in it."""
    yield WORDS
    yield [WORDS]
    yield {WORDS: WORDS}
    yield {**body, WORDS: WORDS}
    for field in (*body, "k", "temperature", "session_id", "history", "model", "stop", "stream"):
        for wrong in (WORDS, [WORDS], {WORDS: WORDS}, {"role": WORDS, "content": WORDS}):
            yield {**body, field: wrong}
            yield {**body, field: [wrong]}


def refusals(
    client: httpx.Client, key: str | None, spoil: Callable[[dict[str, Any]], Iterable[Any]]
) -> list[Refusal]:
    """Ask at every door with every body; return what was refused."""
    auth = {"Authorization": f"Bearer {key}"} if key else {}
    found = []
    for door, body in DOORS.items():
        for bad in (body, *spoil(body)):
            reply = client.post(door, json=bad, headers=auth)
            if reply.status_code >= 400:
                found.append((reply.status_code, f"{door} {json.dumps(bad)[:80]}", reply.text))
        for raw in (WORDS, f'{{"{WORDS}', json.dumps({"question": WORDS * 500})):
            kind = {"content-type": "application/json"}
            reply = client.post(door, content=raw, headers=auth | kind)
            found.append((reply.status_code, f"{door} {raw[:30]}", reply.text))
    for method, path in PATHS:
        reply = client.request(method, path.format(quote(WORDS), quote(WORDS)), headers=auth)
        if reply.status_code >= 400:
            found.append((reply.status_code, path, reply.text))
    return found


def leaks(found: list[Refusal], *secrets: str) -> list[Refusal]:
    return [each for each in found if any(word in each[2] for word in (*PLANTED, *secrets))]


def test_no_refusal_repeats_what_was_sent(client: httpx.Client):
    found = refusals(client, KEYS["web"][0], spoilt)
    for key in (KEYS["boss"][0], STRANGER, None):
        found += refusals(client, key, lambda body: [WORDS, {WORDS: WORDS}])

    assert {status for status, _, _ in found} >= {400, 401, 403, 404, 405, 413, 503}

    assert leaks(found, STRANGER, KEYS["web"][0], KEYS["boss"][0]) == []


def test_headers_are_not_repeated_either(client: httpx.Client):
    auth = {"Authorization": f"Bearer {KEYS['web'][0]}"}
    names = ("X-Session-ID", "X-Request-Timeout", "Content-Type", "Inference-Header-Content-Length")

    replies = [
        client.post(door, json=body, headers={**auth, name: WORDS})
        for name in names
        for door, body in DOORS.items()
    ]

    found = [(each.status_code, str(each.url), each.text) for each in replies]
    assert leaks([each for each in found if each[0] >= 400]) == []


TENSOR = pb.ModelInferRequest.InferInputTensor
ASKED = TENSOR(name="question", datatype="BYTES", shape=[1], contents={"bytes_contents": [b"x"]})
CALLS = {
    "a model": ("ModelInfer", pb.ModelInferRequest(model_name=WORDS, inputs=[ASKED])),
    "a model's state": ("ModelReady", pb.ModelReadyRequest(name=WORDS)),
    "a model's form": ("ModelMetadata", pb.ModelMetadataRequest(name=WORDS)),
    "a model to load": ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name=WORDS)),
    "an input": (
        "ModelInfer",
        pb.ModelInferRequest(model_name=MODEL, inputs=[ASKED, TENSOR(name=WORDS)]),
    ),
    "a type": (
        "ModelInfer",
        pb.ModelInferRequest(model_name=MODEL, inputs=[TENSOR(name="question", datatype=WORDS)]),
    ),
    "a parameter": (
        "ModelInfer",
        pb.ModelInferRequest(
            model_name=MODEL, inputs=[ASKED], parameters={WORDS: {"string_param": WORDS}}
        ),
    ),
}


@pytest.mark.parametrize(("method", "asked"), CALLS.values(), ids=CALLS)
def test_over_grpc_nothing_is_repeated_either(method: str, asked: Any, agent: Agent):
    metadata = [("authorization", f"Bearer {KEYS['web'][0]}")]

    with grpc.insecure_channel(agent.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        getattr(GRPCInferenceServiceStub(channel), method)(
            asked, metadata=metadata, timeout=60, wait_for_ready=True
        )

    assert leaks([(0, method, str(caught.value.details()))]) == []


def test_nor_is_any_of_it_in_the_log(agent: Agent):
    secrets = [*PLANTED, STRANGER, *(key for key, _ in KEYS.values())]

    assert [each for each in secrets if each in agent.log()] == []
