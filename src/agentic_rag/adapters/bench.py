"""The bench: all that steps work with, made of settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from agentic_rag.adapters.fleet import Fleet
from agentic_rag.adapters.registry import Registry
from agentic_rag.adapters.shelf import Shelf
from agentic_rag.adapters.suites import Suites
from agentic_rag.errors import BadSettings
from agentic_rag.inference.affinity.named import read_replicas
from agentic_rag.inference.affinity.replicas import FixedReplicas, Source
from agentic_rag.inference.affinity.replicas import Replica as Address
from agentic_rag.settings import Settings

_SHORTEST_KEY = 16
_PORTS = {"http": 80, "https": 443}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What steps work with.

    Attributes:
        most_rank: the highest that replicas take.
        suites: what gates ask.
        most_age: that a gate's result may have.
        now: a clock with its zone.
    """

    registry: Registry
    fleet: Fleet
    shelf: Shelf
    most_rank: int
    most_age: timedelta
    suites: Suites
    now: Callable[[], datetime] = field(default=_now)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Bench]:
    """Make a bench, and close what is open at the end.

    Raises:
        BadSettings: one is missing.
    """
    bench = build_bench(settings)
    try:
        yield bench
    finally:
        await bench.fleet.close()


def build_bench(settings: Settings) -> Bench:
    """Make a bench.

    Raises:
        BadSettings: one is missing.
    """
    key = settings.adapters_key.get_secret_value().encode()
    if len(key) < _SHORTEST_KEY:
        raise BadSettings(f"ADAPTERS_KEY: expected a secret of {_SHORTEST_KEY} bytes or more")
    name = settings.adapters_name
    return Bench(
        registry=Registry(settings.mlflow_tracking_uri, name, key),
        fleet=Fleet(
            _source(settings), settings.llm_base_url, settings.llm_api_key.get_secret_value()
        ),
        shelf=Shelf(settings.adapters_dir / name, key),
        most_rank=settings.adapters_max_rank,
        most_age=timedelta(seconds=settings.adapters_gate_age_s),
        suites=Suites(settings.adapters_suites),
    )


def _source(settings: Settings) -> Source:
    """Pick who knows the replicas; with none named, the service is the only one."""
    if named := read_replicas(settings.llm_replicas):
        return named.open()
    url = urlsplit(settings.llm_base_url)
    if not url.hostname:
        return FixedReplicas(())
    return FixedReplicas([Address(url.hostname, url.port or _PORTS[url.scheme])])
