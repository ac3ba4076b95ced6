"""Traces: spans by OpenTelemetry, where an address for them is set; else nothing, unimported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from agentic_rag.errors import BadSettings

if TYPE_CHECKING:
    from agentic_rag.spans import Spans

_TRACEPARENT = ("traceparent", "tracestate")
_FORM = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_passing: ContextVar[str] = ContextVar("passing", default="")
"""Whose trace this is part of, where we make no spans of our own."""


class _Tracing:
    """What was set up; one for the process, as OpenTelemetry's context is."""

    spans: Spans | None = None


def set_up_tracing(endpoint: str, share: float = 1.0) -> None:
    """Send spans there from now on, over OTLP/HTTP; what cannot be sent is lost, and logged.

    Args:
        endpoint: empty: nothing is traced.
        share: of the traces that begin here, from 0 to 1; one that a caller began is kept if it
            says so.

    Raises:
        BadSettings: the extra `otel` is not installed.
    """
    if not endpoint:
        return
    try:
        from agentic_rag.spans import Spans
    except ImportError:
        raise BadSettings(
            "OTEL_EXPORTER_OTLP_ENDPOINT: needs the extra otel: pip install 'agentic-rag[otel]'"
        ) from None
    _Tracing.spans = Spans(endpoint, share)


def end_tracing() -> None:
    """Send what waits to be sent."""
    if _Tracing.spans:
        _Tracing.spans.end()
    _Tracing.spans = None


def span(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    after: Mapping[str, str] | None = None,
) -> AbstractContextManager[Any]:
    """Time a piece of work in a `with`; it yields the span, or None where nothing is traced.

    Args:
        name: of the span.
        attributes: of it, with no word of a patient's among them.
        after: headers that may name the span, elsewhere, which this one is part of.
    """
    told = None if after is None else {key: after[key] for key in _TRACEPARENT if key in after}
    if _Tracing.spans:
        return _Tracing.spans.begin(name, attributes, told)
    return _passed_on(told["traceparent"]) if told and "traceparent" in told else nullcontext()


@contextmanager
def _passed_on(told: str) -> Iterator[None]:
    """Carry a caller's trace on as it is; its state is left behind, which may say anything."""
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
    if _Tracing.spans:
        _Tracing.spans.carry(headers)
    return {key: value for key, value in headers.items() if key in _TRACEPARENT}
