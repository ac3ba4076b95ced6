"""Traces: spans by OpenTelemetry, where an address for them is set; else nothing, unimported."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from agentic_rag.errors import BadSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

logger = logging.getLogger(__name__)

_TRACEPARENT = ("traceparent", "tracestate")
_FORM = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_passing: ContextVar[str] = ContextVar("passing", default="")
"""Whose trace this is part of, where we make no spans of our own."""


class _Tracing:
    """What was set up; one for the process, as OpenTelemetry's context is."""

    tracer: Tracer | None = None
    provider: Any = None


def set_up_tracing(endpoint: str) -> None:
    """Send spans there from now on, over OTLP/HTTP; what cannot be sent is lost, and logged.

    Raises:
        BadSettings: the extra `otel` is not installed.
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise BadSettings(
            "OTEL_EXPORTER_OTLP_ENDPOINT: needs the extra otel: pip install 'agentic-rag[otel]'"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": "agentic-rag"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Tracing.provider, _Tracing.tracer = provider, provider.get_tracer("agentic_rag")


def end_tracing() -> None:
    """Send what waits to be sent."""
    if _Tracing.provider:
        _Tracing.provider.shutdown()
    _Tracing.provider = _Tracing.tracer = None


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    after: Mapping[str, str] | None = None,
) -> Iterator[Any]:
    """Time a piece of work; yields the span, or None where nothing is traced.

    Args:
        name: of the span.
        attributes: of it, with no word of a patient's among them.
        after: headers that may name the span, elsewhere, which this one is part of.
    """
    if _Tracing.tracer is None:
        with _passed_on(after):
            yield None
        return
    from opentelemetry.context import attach, detach
    from opentelemetry.propagate import extract
    from opentelemetry.trace import StatusCode, set_span_in_context

    told = {key: after[key] for key in _TRACEPARENT if key in after} if after is not None else None
    context = None if told is None else extract(told)
    # what `start_as_current_span` does, less two generators: there are ten spans to an answer
    begun = _Tracing.tracer.start_span(name, context, attributes=attributes)
    token = attach(set_span_in_context(begun))
    try:
        yield begun
    except Exception:
        begun.set_status(StatusCode.ERROR)  # not what was said, which may be a patient's words
        raise
    finally:
        detach(token)
        begun.end()


@contextmanager
def _passed_on(headers: Mapping[str, str] | None) -> Iterator[None]:
    """Carry a caller's trace on as it is; its state is left behind, which may say anything."""
    told = (headers or {}).get("traceparent", "")
    if not _FORM.fullmatch(told):
        yield
        return
    token = _passing.set(told)
    try:
        yield
    finally:
        _passing.reset(token)


def carried() -> dict[str, str]:
    """Return the headers that tell whom we call what their work is part of."""
    headers = {"traceparent": passing} if (passing := _passing.get()) else {}
    if _Tracing.tracer:
        from opentelemetry.propagate import inject

        inject(headers)
    return {key: value for key, value in headers.items() if key in _TRACEPARENT}
