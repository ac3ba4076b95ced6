"""What every reply tells browsers, lest they guess, frame, keep or tell others of it."""

from collections.abc import Mapping

from starlette.types import Scope

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_NOTHING = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
_A_PAGE = {"content-security-policy": "frame-ancestors 'none'"}  # with scripts from elsewhere
_TLS = {"strict-transport-security": "max-age=31536000"}


def protective(scope: Scope) -> Mapping[str, str]:
    """Return the headers for the reply to one request."""
    policy = _A_PAGE if scope["path"] == "/docs" else _NOTHING
    return _ALWAYS | policy | (_TLS if scope.get("scheme") == "https" else {})
