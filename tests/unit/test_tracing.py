"""Spans, as a receiver on a real socket gets them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentic_rag.tracing import end_tracing, set_up_tracing, span


class Receiver(HTTPServer):
    """Keeps what it is sent."""

    raw = b""

    class Handler(BaseHTTPRequestHandler):
        server: "Receiver"

        def do_POST(self) -> None:
            self.server.raw += self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(("127.0.0.1", 0), Receiver.Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        set_up_tracing(f"http://127.0.0.1:{server.server_port}")
        yield server
        end_tracing()
        server.shutdown()


def test_a_step_that_fails_is_marked_so_and_not_a_word_of_why_is_told(receiver):
    with pytest.raises(ValueError, match="Zebedeeson"), span("request", {}), span("step", {}):
        raise ValueError("cannot read 'I am Zebedeeson'")
    end_tracing()

    told = ExportTraceServiceRequest.FromString(receiver.raw).resource_spans[0].scope_spans[0].spans
    assert [(each.name, each.status.code) for each in told] == [("step", 2), ("request", 2)]
    assert told[0].parent_span_id == told[1].span_id
    assert b"Zebedeeson" not in receiver.raw
