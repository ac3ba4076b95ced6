"""Traces: what an OTLP receiver hears of a request, on a real socket."""

import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.fakes import ScriptedLlm
from tests.integration.servers import AWAKE, HOST, MODEL, Agent

FEES = "I am Zebedeeson, 98765 43210. How much is a filling?"
WAIT_S = 30


class Receiver(ThreadingHTTPServer):
    """Takes spans."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.spans: list[Any] = []
        self.raw = b""

    def trace(self, trace_id: str) -> list[Any]:
        """Return the spans of one trace, when its first one has ended."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            found = [each for each in self.spans if each.trace_id.hex() == trace_id]
            if any(each.name.startswith("invoke_agent") for each in found):
                return found
            time.sleep(0.1)
        raise AssertionError([each.name for each in self.spans])


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            raw = gzip.decompress(raw)
        self.server.raw += raw
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def llm() -> Iterator[ScriptedLlm]:
    with ScriptedLlm(reply="Composite filling, one surface: INR 900 to 1,400 [1].") as model:
        yield model


@pytest.fixture(scope="module")
def agent(start: Any, indexed: Path, receiver: Receiver, llm: ScriptedLlm) -> Any:
    return start(
        DATA_DIR=str(indexed),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{HOST}:{receiver.server_port}",
        OTEL_BSP_SCHEDULE_DELAY="200",
        LLM_BASE_URL=llm.base_url,
        LLM_MODEL_NAME=llm.model,
        **AWAKE,
    ).wait_until_ready()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_request_is_a_trace_of_its_steps_and_goes_on_at_the_model(agent, receiver, llm):
    trace_id, caller = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    headers = {"traceparent": f"00-{trace_id}-{caller}-01"}

    reply = httpx.post(f"{agent.base}/chat", json={"question": FEES}, headers=headers, timeout=60)
    spans = receiver.trace(trace_id)

    assert reply.status_code == 200, reply.text
    names = [each.name for each in spans]
    root = next(each for each in spans if each.name.startswith("invoke_agent"))
    chat = next(each for each in spans if each.name == f"chat {llm.model}")
    for step in ("triage", "plan", "retrieve", "grade", "compose", "generate", "cite"):
        assert f"step {step}" in names
    assert root.parent_span_id.hex() == caller
    assert attributes(root)["http.route"] == "/chat"
    assert attributes(root)["gen_ai.operation.name"] == "invoke_agent"
    assert attributes(chat)["gen_ai.provider.name"] == "vllm"
    assert attributes(chat)["gen_ai.usage.output_tokens"] > 0
    told = [asked.headers.get("traceparent", "") for asked in llm.asked]
    assert any(trace_id in each and chat.span_id.hex() in each for each in told)


def told_of(llm: ScriptedLlm) -> list[str]:
    """Return what the model was told of traces; it forgets it."""
    told = [asked.headers.get("traceparent", "") for asked in llm.asked]
    llm.asked.clear()
    return told


def ask_over_grpc(agent: Agent, *metadata: tuple[str, str]) -> None:
    request = ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="question", datatype="BYTES", shape=[1]).contents.bytes_contents.append(
        FEES.encode()
    )
    with grpc.insecure_channel(agent.grpc) as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(request, metadata=metadata, timeout=60)


def test_a_call_over_grpc_is_part_of_its_callers_trace_and_so_is_the_model(agent, receiver, llm):
    trace_id, caller = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    told_of(llm)

    ask_over_grpc(agent, ("traceparent", f"00-{trace_id}-{caller}-01"))
    spans = receiver.trace(trace_id)

    root = next(each for each in spans if each.name.startswith("invoke_agent"))
    assert root.parent_span_id.hex() == caller
    assert attributes(root)["http.route"] == "grpc:ModelInfer"
    carried = told_of(llm)
    assert carried
    assert all(trace_id in each for each in carried)


def test_where_nothing_is_traced_a_callers_trace_is_carried_on_as_it_is(start, indexed, llm):
    model = {"LLM_BASE_URL": llm.base_url, "LLM_MODEL_NAME": llm.model, **AWAKE}
    agent = start(DATA_DIR=str(indexed), **model).wait_until_ready()
    trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
    told_of(llm)

    ask_over_grpc(agent, ("traceparent", trace), ("tracestate", "name=Zebedeeson"))
    over_grpc = told_of(llm)
    for told in (trace, "Zebedeeson", f"{trace}-Zebedeeson"):
        headers = {"traceparent": told}
        httpx.post(f"{agent.base}/chat", json={"question": FEES}, headers=headers, timeout=60)

    assert set(over_grpc) == {trace}
    assert set(told_of(llm)) == {trace, ""}
    assert all("tracestate" not in each.headers for each in llm.seen)


@pytest.mark.parametrize("strange", ["", "00-zz-zz-01", "x" * 5000, "00-" + "0" * 32 + "-1-01"])
def test_a_strange_traceparent_begins_a_trace_of_its_own(strange, agent):
    headers = {"traceparent": strange}

    reply = httpx.post(f"{agent.base}/chat", json={"question": FEES}, headers=headers, timeout=60)

    assert reply.status_code == 200


def test_no_word_of_a_patient_is_in_a_trace(agent, receiver):
    httpx.post(f"{agent.base}/chat/stream", json={"question": FEES}, timeout=60)
    time.sleep(1)

    assert receiver.raw
    assert b"Zebedeeson" not in receiver.raw
    assert b"98765" not in receiver.raw
