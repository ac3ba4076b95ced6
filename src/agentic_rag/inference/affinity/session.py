"""Whose question it is: set where a journey sets out, read where a request leaves."""

import uuid
from contextvars import ContextVar

session: ContextVar[str | None] = ContextVar("session", default=None)
"""The caller's session. Tasks that a journey starts inherit it; it is never logged, nor sent on."""


is_new: ContextVar[bool] = ContextVar("is_new", default=False)
"""Whether the request's session was made for it."""


in_body: ContextVar[str] = ContextVar("in_body", default="")
"""The session that a request names in its body: the one that its reply has to name, too."""


def session_of(told: str | None) -> str:
    """Return the session that a caller brought; make one where it is none."""
    is_new.set(not told)
    return told or uuid.uuid4().hex
