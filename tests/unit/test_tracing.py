"""Spans, as a receiver on a real socket gets them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import TraceFlags

from agentic_rag.tracing import carried, end_tracing, set_up_tracing, span

CALLERS = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


class Receiver(HTTPServer):
    """Keeps what it is sent."""

    raw = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        """Return what came, when all has been sent."""
        end_tracing()
        told = ExportTraceServiceRequest.FromString(self.raw).resource_spans
        return [each for resource in told for scope in resource.scope_spans for each in scope.spans]

    class Handler(BaseHTTPRequestHandler):
        server: "Receiver"

        def do_POST(self) -> None:
            self.server.raw += self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""


def is_kept(traceparent: str) -> bool:
    return bool(int(traceparent[-2:], 16) & TraceFlags.SAMPLED)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(("127.0.0.1", 0), Receiver.Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        end_tracing()
        server.shutdown()


def test_a_step_that_fails_is_marked_so_and_not_a_word_of_why_is_told(receiver):
    set_up_tracing(receiver.url)
    with pytest.raises(ValueError, match="Zebedeeson"), span("request", {}), span("step", {}):
        raise ValueError("cannot read 'I am Zebedeeson'")

    told = receiver.spans()
    assert [(each.name, each.status.code) for each in told] == [("step", 2), ("request", 2)]
    assert told[0].parent_span_id == told[1].span_id
    assert b"Zebedeeson" not in receiver.raw


def test_of_a_trace_that_is_left_out_nothing_is_sent_and_the_model_is_told_so(receiver):
    set_up_tracing(receiver.url, share=0)
    with span("request", {}, after={}), span("step") as step:
        told = carried()["traceparent"]

    assert step is None
    assert not is_kept(told)
    assert receiver.spans() == []


@pytest.mark.parametrize(("flag", "kept"), [("01", ["step", "request"]), ("00", [])])
def test_a_callers_trace_is_kept_where_the_caller_keeps_it(receiver, flag, kept):
    for share in (0, 1):
        receiver.raw = b""
        set_up_tracing(receiver.url, share)
        with span("request", {}, after={"traceparent": f"00-{CALLERS}-{flag}"}), span("step"):
            told = carried()["traceparent"]

        assert [each.name for each in receiver.spans()] == kept
        assert told.startswith(f"00-{CALLERS[:32]}-")
        assert is_kept(told) is bool(kept)


def test_of_many_traces_a_share_is_kept_each_whole(receiver):
    set_up_tracing(receiver.url, share=0.25)
    for _ in range(400):
        with span("request", {}, after={}), span("step"):
            pass

    told = receiver.spans()
    assert 40 < len(told) / 2 < 180
    assert {each.trace_id for each in told if each.name == "step"} == {
        each.trace_id for each in told if each.name == "request"
    }
