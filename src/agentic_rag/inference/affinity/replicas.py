"""Replicas: where copies of one model's server listen, and who knows which are ready."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One copy.

    >>> str(Replica("10.0.0.7", 8080)), str(Replica("fd00::7", 8080))
    ('10.0.0.7:8080', '[fd00::7]:8080')
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Source(Protocol):
    """Knows the replicas."""

    async def ready(self) -> Sequence[Replica]:
        """Return those that are ready; soon, and never an error: the last known ones serve."""
        ...

    async def close(self) -> None:
        """Leave off looking."""
        ...


class FixedReplicas:
    """Replicas that somebody wrote down."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = tuple(replicas)

    async def ready(self) -> Sequence[Replica]:
        """Return them all."""
        return self._replicas

    async def close(self) -> None:
        """Do nothing."""
