"""The gate before all gRPC calls: as those before HTTP, with the key in the metadata."""

from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any

from grpc import (
    HandlerCallDetails,
    RpcMethodHandler,
    StatusCode,
    aio,
    unary_unary_rpc_method_handler,
)

from agentic_rag.agent.admission import turned_away
from agentic_rag.callers import Scope, caller
from agentic_rag.errors import NotAllowed
from agentic_rag.serving.keys.doorman import Doorman
from agentic_rag.serving.keys.turnstile import Turnstile
from agentic_rag.serving.refusals import NO_KEY

_SERVICE = "/inference.GRPCInferenceService/"
RETRY = "retry-after"
_ASKS = _SERVICE + "ModelInfer"
_OPEN_TO_ALL = frozenset(_SERVICE + each for each in ("ServerLive", "ServerReady", "ModelReady"))


class GrpcGate(aio.ServerInterceptor):  # type: ignore[misc]  # grpc ships no types
    """Lets in who is known, and counts their calls; what is open over HTTP, for probes, is here.

    One call too many is refused, unless it may be an emergency: then triage hears it.
    """

    def __init__(self, doorman: Doorman, turnstile: Turnstile) -> None:
        self._doorman = doorman
        self._turnstile = turnstile

    async def intercept_service(
        self, onward: Callable[..., Awaitable[Any]], details: HandlerCallDetails
    ) -> Any:  # noqa: ANN401  # grpc's handler
        """Return who handles a call: the service, or a refusal."""
        if details.method in _OPEN_TO_ALL:
            return await onward(details)
        known = await self._doorman.admit(_authorization(details.invocation_metadata))
        if known is None:
            return _refusal(StatusCode.UNAUTHENTICATED, NO_KEY)
        if Scope.ASK not in known.scopes:
            return _refusal(StatusCode.PERMISSION_DENIED, str(NotAllowed(Scope.ASK)))
        caller.set(known)  # each call is a task of its own
        handler = await onward(details)
        return handler and self._counted(handler, may_ask=details.method == _ASKS)

    def _counted(self, handler: RpcMethodHandler, *, may_ask: bool) -> RpcMethodHandler:
        async def count(request: Any, context: aio.ServicerContext) -> Any:  # noqa: ANN401
            with self._turnstile.passed(caller.get().name) as fault:
                if fault:
                    seconds = str(ceil(fault.retry_after_s))
                    context.set_trailing_metadata(((RETRY, seconds),))
                    if not may_ask:
                        text = f"{fault}; try again in {seconds} s"
                        await context.abort(StatusCode.RESOURCE_EXHAUSTED, text)
                turned_away.set(fault)
                return await handler.unary_unary(request, context)

        return unary_unary_rpc_method_handler(
            count, handler.request_deserializer, handler.response_serializer
        )


def _authorization(metadata: Any) -> list[str]:  # noqa: ANN401  # grpc's
    return [str(value) for key, value in metadata or () if key == "authorization"]


def _refusal(code: StatusCode, text: str) -> Any:  # noqa: ANN401
    async def refuse(_request: bytes, context: aio.ServicerContext) -> None:
        await context.abort(code, text)

    return unary_unary_rpc_method_handler(refuse)
