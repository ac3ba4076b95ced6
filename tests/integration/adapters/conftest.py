"""A registry for all tests of the session; replicas, a gate and a bench for each."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.adapting.making import KEY, make_adapter
from tests.adapting.registry import Gate, Mlflow
from tests.adapting.replica import AdapterLlm
from tests.adapting.works import Works


@pytest.fixture
def registry(mlflow: Mlflow) -> Iterator[Gate]:
    """The way to that server."""
    with Gate(mlflow.port) as gate:
        yield gate


@pytest.fixture
def replicas() -> Iterator[list[AdapterLlm]]:
    """Three copies of one model."""
    with ExitStack() as stack:
        yield [stack.enter_context(AdapterLlm()) for _ in range(3)]


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three adapters of the replicas' model. Read them, and change nothing in them."""
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(folder / f"seed-{seed}", seed) for seed in (1, 2, 3)]


@pytest.fixture
async def works(
    registry: Gate, replicas: list[AdapterLlm], adapters: list[Path], tmp_path: Path
) -> AsyncIterator[Works]:
    """All that steps work with, for an adapter that nobody has heard of."""
    made = Works(
        registry=registry,
        replicas=replicas,
        adapters=adapters,
        settings=_settings(registry, replicas, tmp_path / "mnt"),
    )
    yield made
    await made.close()


@pytest.fixture(scope="module")
def two_versions(
    mlflow: Mlflow, adapters: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Works]:
    """Version 1 is live, and version 2 has come through all its gates."""
    with ExitStack() as stack:
        way = stack.enter_context(Gate(mlflow.port))
        replicas = [stack.enter_context(AdapterLlm()) for _ in range(3)]
        works = Works(
            registry=way,
            replicas=replicas,
            adapters=adapters,
            settings=_settings(way, replicas, tmp_path_factory.mktemp("two-versions")),
        )

        async def prepare() -> None:
            await works.promoted(0)
            await works.passed(1)
            await works.close()

        asyncio.run(prepare())
        yield works


def _settings(way: Gate, replicas: list[AdapterLlm], folder: Path) -> dict[str, object]:
    return {
        "mlflow_tracking_uri": way.url,
        "adapters_name": f"clinic-{uuid.uuid4().hex[:8]}",
        "adapters_dir": folder,
        "adapters_key": KEY,
        "llm_base_url": replicas[0].base_url,
        "llm_replicas": ",".join(each.address for each in replicas),
    }
