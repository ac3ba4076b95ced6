"""The doors: how one question is asked at each, and what each tells."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentic_rag.client import Failed
from agentic_rag.client.reading import read_answer
from agentic_rag.domain import Answer
from agentic_rag.smoke.cases import Said, said_by
from agentic_rag.smoke.server import Server

Door = Callable[[Server, str], Said]


def _v1(server: Server, question: str) -> Said:
    server.client.session_id = None  # each question stands alone
    return said_by(server.client.ask(question))


def _stream(server: Server, question: str) -> Said:
    server.client.session_id = None
    with server.client.stream(question) as events:
        *_, last = events
    if not isinstance(last, Answer):  # the client ends with one, or raises
        raise Failed("the stream ended before the answer")
    return said_by(last)


def _v2(server: Server, question: str) -> Said:
    tensor = {"name": "question", "shape": [1], "datatype": "BYTES", "data": [question]}
    told = server.send("POST", f"/v2/models/{server.model}/infer", {"inputs": [tensor]})
    outputs = {each["name"]: each["data"][0] for each in told["outputs"]}
    return _whole(outputs["metadata"])


def _grpc(server: Server, question: str) -> Said:
    import grpc

    with _own_command_line():
        from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
        from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    tensor = pb.ModelInferRequest.InferInputTensor(
        name="question",
        datatype="BYTES",
        shape=[1],
        contents=pb.InferTensorContents(bytes_contents=[question.encode()]),
    )
    asked = pb.ModelInferRequest(model_name=server.model, inputs=[tensor])
    metadata = [("authorization", f"Bearer {server.key}")] if server.key else []
    with (
        grpc.secure_channel(server.grpc, grpc.ssl_channel_credentials())
        if server.is_secure
        else grpc.insecure_channel(server.grpc)
    ) as channel:
        stub = GRPCInferenceServiceStub(channel)
        reply = stub.ModelInfer(asked, timeout=server.timeout_s, metadata=metadata)
    outputs = {each.name: each.contents.bytes_contents[0] for each in reply.outputs}
    return _whole(outputs["metadata"])


@contextmanager
def _own_command_line() -> Iterator[None]:
    """Keep ours from kserve, which reads it when imported, and ends at options like its own."""
    ours, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = ours


def _openai(server: Server, question: str) -> Said:
    body = {"model": server.model, "messages": [{"role": "user", "content": question}]}
    told = server.send("POST", "/openai/v1/chat/completions", body)
    ours = told["agentic_rag"]
    return Said(
        text=told["choices"][0]["message"]["content"],
        outcome=ours["outcome"],
        sources=tuple(ours["sources"]),
        generator=ours["generator"],
        degraded=ours["degraded"],
        tokens=told["usage"]["total_tokens"],
    )


def _chat(server: Server, question: str) -> Said:
    told = server.send("POST", "/chat", {"question": question})
    return Said(
        text=told["answer"],
        outcome=told["outcome"],
        sources=tuple(told["citations"]),
        generator=told["generator"],
        degraded=told["degraded"],
        tokens=told["usage"]["total_tokens"],
    )


def _whole(metadata: str | bytes) -> Said:
    """Read the answer that v2 carries as JSON in one of its outputs."""
    raw = metadata.encode() if isinstance(metadata, str) else metadata
    return said_by(read_answer(b'{"predictions":[%s]}' % raw))


DOORS: dict[str, Door] = {
    "v1": _v1,
    "v2": _v2,
    "grpc": _grpc,
    "stream": _stream,
    "openai": _openai,
    "chat": _chat,
}
