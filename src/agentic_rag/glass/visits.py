"""A visit: one request at a door, while it lasts."""

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from agentic_rag.domain import Answer


@dataclass(slots=True)
class Visit:
    """One request.

    Attributes:
        door: names the route, once it is known: never the address that somebody wrote.
        key: tells it from every other request, be they of one name.
        status: how it ended.
        session: whose hash it was asked in.
        answers: what was answered so far.
    """

    door: Callable[[], str]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "none"
    session: str | None = None
    answers: list[Answer] = field(default_factory=list)


visit: ContextVar[Visit | None] = ContextVar("visit", default=None)
