"""Every way in that a KServe client knows, each asked alike: questions in, answers out."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import numpy as np
import tritonclient.http as triton
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    InferResponse,
    RESTConfig,
)
from tests.integration.servers import HOST, MODEL, Agent

Answer = dict[str, Any]
Door = Callable[[Agent, Sequence[str]], Awaitable[list[Answer]]]
OUTPUTS = ("answer", "outcome", "sources", "metadata")


def tensor(*texts: str, shape: Sequence[int] | None = None, name: str = "question") -> Answer:
    """Return a v2 BYTES input as JSON."""
    data = {"name": name, "shape": list(shape or [len(texts)])}
    return data | {"datatype": "BYTES", "data": list(texts)}


def read_columns(columns: dict[str, Sequence[Any]]) -> list[Answer]:
    """Return the answers of v2 outputs; the columns must agree with one another."""
    assert set(columns) == set(OUTPUTS)
    rows = zip(*(columns[name] for name in OUTPUTS), strict=True)
    answers = []
    for row in rows:
        answer, outcome, sources, metadata = (_text(value) for value in row)
        whole = json.loads(metadata)
        assert whole["answer"] == answer
        assert whole["outcome"] == outcome
        assert whole["sources"] == json.loads(sources)
        answers.append(whole)
    return answers


def read_v2(body: Answer) -> list[Answer]:
    """Return the answers of a v2 response in JSON."""
    return read_columns({output["name"]: output["data"] for output in body["outputs"]})


async def kserve_v1(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask with kserve's REST client over v1."""
    async with InferenceRESTClient(RESTConfig(protocol="v1", timeout=60)) as client:
        reply = await client.infer(
            agent.base, {"instances": list(questions)}, model_name=MODEL, timeout=60
        )
    return list(reply["predictions"])


async def kserve_v2(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask with kserve's REST client over v2, in JSON."""
    return await _kserve_v2(agent, _request(questions))


async def kserve_v2_binary(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask with kserve's REST client over v2, binary both ways."""
    request = InferRequest(MODEL, [_raw_input(questions)], parameters={"binary_data_output": True})
    return await _kserve_v2(agent, request)


async def kserve_grpc(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask with kserve's gRPC client, contents in the message."""
    return await _kserve_grpc(agent, _request(questions))


async def kserve_grpc_raw(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask with kserve's gRPC client, contents beside the message."""
    return await _kserve_grpc(agent, InferRequest(MODEL, [_raw_input(questions)]))


def triton_http(binary_in: bool, binary_out: bool | None) -> Door:
    """Return the door of tritonclient's HTTP client; None leaves the outputs to its default."""

    async def ask(agent: Agent, questions: Sequence[str]) -> list[Answer]:
        asked = triton.InferInput("question", [len(questions)], "BYTES")
        texts = np.array([question.encode() for question in questions], dtype=np.object_)
        asked.set_data_from_numpy(texts, binary_data=binary_in)
        wanted = None
        if binary_out is not None:
            wanted = [triton.InferRequestedOutput(n, binary_data=binary_out) for n in OUTPUTS]
        client = triton.InferenceServerClient(
            f"{HOST}:{agent.http_port}", connection_timeout=60, network_timeout=60
        )
        try:
            reply = client.infer(MODEL, [asked], outputs=wanted)
        finally:
            client.close()
        return read_columns({name: reply.as_numpy(name) for name in OUTPUTS})

    return ask


async def plain_v1(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask over v1 with nothing but HTTP."""
    async with httpx.AsyncClient(timeout=60) as client:
        reply = await client.post(agent.v1, json={"instances": list(questions)})
    assert reply.status_code == 200, reply.text
    return list(reply.json()["predictions"])


async def plain_v2(agent: Agent, questions: Sequence[str]) -> list[Answer]:
    """Ask over v2 with nothing but HTTP."""
    async with httpx.AsyncClient(timeout=60) as client:
        reply = await client.post(agent.v2, json={"inputs": [tensor(*questions)]})
    assert reply.status_code == 200, reply.text
    return read_v2(reply.json())


PROTOCOLS: dict[str, Door] = {"v1": plain_v1, "v2": plain_v2, "grpc": kserve_grpc}
"""One door to each protocol."""


def _request(questions: Sequence[str]) -> InferRequest:
    asked = InferInput("question", [len(questions)], "BYTES", list(questions))
    return InferRequest(MODEL, [asked])


def _raw_input(questions: Sequence[str]) -> InferInput:
    asked = InferInput("question", [len(questions)], "BYTES")
    texts = np.array([question.encode() for question in questions], dtype=np.object_)
    asked.set_data_from_numpy(texts, binary_data=True)
    return asked


async def _kserve_v2(agent: Agent, request: InferRequest) -> list[Answer]:
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=60)) as client:
        reply = await client.infer(agent.base, request, model_name=MODEL, timeout=60)
    return _read_response(reply)


async def _kserve_grpc(agent: Agent, request: InferRequest) -> list[Answer]:
    async with InferenceGRPCClient(agent.grpc, timeout=60) as client:
        return _read_response(await client.infer(request))


def _read_response(reply: InferResponse) -> list[Answer]:
    return read_columns({output.name: output.as_numpy().ravel() for output in reply.outputs})


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
