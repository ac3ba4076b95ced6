"""Spans by OpenTelemetry, sent over OTLP/HTTP: imported only where somebody collects them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, StatusCode, get_current_span, set_span_in_context

_EXPORT_LIMIT_S = 5


class Spans:
    """Makes spans, and sends them; what cannot be sent is lost, and logged by OpenTelemetry."""

    def __init__(self, endpoint: str, share: float) -> None:
        """Begin to send there: of the traces that begin here a share, from 0 to 1."""
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(share),
            resource=Resource.create({"service.name": "agentic-rag"}),
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=_EXPORT_LIMIT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("agentic_rag")

    def begin(
        self, name: str, attributes: Mapping[str, Any] | None, after: Mapping[str, str] | None
    ) -> AbstractContextManager[Span | None]:
        """Begin a span of the current one, or of the one that the headers `after` name.

        Whether a trace is kept is settled where it begins; of one that is not, no more is made.
        """
        if after is None and _is_left_out(get_current_span()):
            return nullcontext()
        context = None if after is None else extract(after)
        return Current(self._tracer.start_span(name, context, attributes=attributes))

    def carry(self, headers: dict[str, str]) -> None:
        """Write the current span into headers."""
        inject(headers)

    def end(self) -> None:
        """Send what waits to be sent."""
        self._provider.shutdown()


class Current:
    """A span that is the current one in a block, and over behind it.

    It does what `start_as_current_span` does, less two generators: there are ten to an answer.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = attach(set_span_in_context(self._span))
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, Exception):
            self._span.set_status(StatusCode.ERROR)  # not what was said: perhaps a patient's words
        detach(self._token)
        self._span.end()


def _is_left_out(current: Span) -> bool:
    context = current.get_span_context()
    return context.is_valid and not context.trace_flags.sampled
