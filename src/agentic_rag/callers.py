"""Who asks: the name behind a key, and what that key may do."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from agentic_rag.errors import NotAllowed


class Scope(StrEnum):
    """What a caller may do."""

    ASK = "ask"  # every door, unless it says otherwise
    ADMIN = "admin"  # what is the operators': loading models, others' sessions, debug


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in. Conversations and limits belong to the name."""

    name: str
    scopes: frozenset[Scope]


UNNAMED = Caller("", frozenset(Scope))  # everyone, where no keys are set
caller: ContextVar[Caller] = ContextVar("caller", default=UNNAMED)


def demand(scope: Scope) -> None:
    """Do nothing for a caller who has the scope.

    Raises:
        NotAllowed: they have not; every door knows how to say so.
    """
    if scope not in caller.get().scopes:
        raise NotAllowed(scope)
