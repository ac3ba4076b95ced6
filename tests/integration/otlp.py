"""A collector of metrics over OTLP/gRPC, that shows them as the OpenTelemetry collector would."""

import re
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as services
from tests.integration.servers import HOST


class Collector(services.MetricsServiceServicer):
    """Takes metrics at `otlp_port` and shows them at `http_port`, under `chroma_`.

    Names as by UnderscoreEscapingWithSuffixes: what is no letter or digit is an underscore, and a
    sum that only rises ends in `_total`. Histograms and units are left out: nothing asks for them.
    """

    def __init__(self) -> None:
        """Begin."""
        self.page = ""
        self._grpc = grpc.server(futures.ThreadPoolExecutor(2))
        services.add_MetricsServiceServicer_to_server(self, self._grpc)
        self.otlp_port = self._grpc.add_insecure_port(f"{HOST}:0")
        self._grpc.start()
        self._http = ThreadingHTTPServer((HOST, 0), _handler(self))
        self.http_port = self._http.server_port
        Thread(target=self._http.serve_forever, daemon=True).start()

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802  # gRPC's name
        """Take what a service sends."""
        metrics = [
            metric
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        self.page = "\n".join(line for each in metrics for line in _written(each)) + "\n"
        return messages.ExportMetricsServiceResponse()

    def stop(self) -> None:
        """End."""
        self._grpc.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()


def _written(metric: Any) -> Iterator[str]:
    kind = metric.WhichOneof("data")
    if kind not in {"gauge", "sum"}:
        return
    name = "chroma_" + re.sub(r"\W", "_", metric.name)
    if kind == "sum" and metric.sum.is_monotonic:
        name = name.removesuffix("_total") + "_total"
    for point in getattr(metric, kind).data_points:
        labels = ",".join(
            f'{each.key}="{getattr(each.value, each.value.WhichOneof("value"))}"'
            for each in point.attributes
        )
        yield f"{name}{{{labels}}} {getattr(point, point.WhichOneof('value'))}"


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = collector.page.encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Page
