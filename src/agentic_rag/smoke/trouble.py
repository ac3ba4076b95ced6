"""Trouble: what it means that a server was not heard, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import httpx

from agentic_rag.client import Busy, ClientError, Failed, Refused, Unreachable
from agentic_rag.smoke.cases import Fault
from agentic_rag.smoke.server import Server

_ODD = (LookupError, TypeError, ValueError, AttributeError)  # of what is not shaped as it should be


class Trouble(Exception):  # noqa: N818  # named for what happened
    """A server was not heard."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.found)
        self.fault = fault


@contextmanager
def told(server: Server) -> Iterator[None]:
    """Give whatever goes wrong with a server a name and a remedy.

    Raises:
        Trouble: it was not heard.
    """
    try:
        yield
    except (ClientError, httpx.RequestError, httpx.InvalidURL) as error:
        raise Trouble(_explain(error, server)) from error
    except _ODD as error:
        found = "the reply is not as expected"
        raise Trouble(Fault(found, "is it another version, or another server?")) from error
    except grpc.RpcError as error:
        raise Trouble(_of_grpc(error.code().name, server)) from error


def _explain(error: Exception, server: Server) -> Fault:
    if isinstance(error, Refused):
        return _refused(error, server)
    if isinstance(error, Busy):
        return Fault(f"cannot now: {error}", "wait and ask again; see /health and its log")
    if isinstance(error, Failed):
        if str(error).startswith("the reply is no JSON"):
            return Fault(
                "the reply is no JSON", "is that the server, or a page before it? see --url"
            )
        return Fault(f"failed: {error}", "see its log at this moment, and what stands between")
    cause = error.__cause__ if isinstance(error, Unreachable) else error
    return _unheard(cause or error, server)


def _refused(error: Refused, server: Server) -> Fault:
    remedies: dict[int, str] = {
        401: "give a key that it knows by --api-key: `agentic-rag keys new` makes one",
        403: "give a key with the ask scope",
        404: f"see --model (now {server.model}) and --url: is it another server, or an older one?",
    }
    if error.status in {401, 403}:
        found = "the key is refused" if server.key else "it asks for a key"
    else:
        found = f"refused with {error.status}: {error}"
    return Fault(found, remedies.get(error.status, "is it another version?"))


def _unheard(cause: BaseException, server: Server) -> Fault:
    for of_ssl, fault in _OF_TLS.items():
        if of_ssl in str(cause):
            return fault
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout):
        found = f"nobody listens at {server.url}"
        return Fault(found, "see --url and its port; in a cluster, `kubectl port-forward`")
    if isinstance(cause, httpx.TimeoutException):
        found = f"accepts, and does not answer within {server.timeout_s:g} s"
        return Fault(found, "see its log and its load; a model that wakes may need --timeout")
    if isinstance(cause, httpx.RemoteProtocolError | httpx.ReadError):
        remedy = "see its log; does it speak TLS? then https:// instead of http://"
        return Fault("hangs up before it has answered", remedy)
    return Fault(f"cannot be asked: {type(cause).__name__}", "see --url")


_OF_TLS = {
    "CERTIFICATE_VERIFY_FAILED": Fault(
        "its certificate is not trusted, or is another host's",
        "name its authority's file in SSL_CERT_FILE, or use the host it is made for",
    ),
    "WRONG_VERSION_NUMBER": Fault("speaks no TLS", "use http:// instead of https://"),
    "SSL": Fault("the TLS handshake failed", "is it https:// that is served there?"),
}


def _of_grpc(code: str, server: Server) -> Fault:
    at = f"gRPC at {server.grpc}"
    known = {
        "UNAVAILABLE": Fault(
            f"{at} cannot be reached", "see --grpc and its port; does one side speak TLS alone?"
        ),
        "DEADLINE_EXCEEDED": Fault(
            f"{at} does not answer within {server.timeout_s:g} s", "see its log and its load"
        ),
        "UNAUTHENTICATED": Fault(f"{at} refuses the key", "see --api-key"),
        "NOT_FOUND": Fault(f"{at} knows no model {server.model}", "see --model"),
        "UNIMPLEMENTED": Fault(f"{at} is no KServe server", "see --grpc"),
    }
    return known.get(code, Fault(f"{at} failed: {code}", "see its log at this moment"))
