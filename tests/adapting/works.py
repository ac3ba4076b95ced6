"""What steps are tried on: a bench on real sockets, and the ways that tests go on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.adapting.registry import Gate as Way
from tests.adapting.replica import AdapterLlm

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench, build_bench
from agentic_rag.adapters.gates import Gate, Result, bound, stamp
from agentic_rag.adapters.steps.load import load
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.register import register
from agentic_rag.adapters.steps.smoke import smoke
from agentic_rag.adapters.steps.stage import stage
from agentic_rag.adapters.versions import Reference, Version
from agentic_rag.settings import read_settings

PASSED = {Gate.EVALUATE: Alias.EVAL_PASSED, Gate.LOAD_TEST: Alias.PERF_PASSED}


@dataclass
class Works:
    """A bench, with the registry's gate, the replicas, and adapters that may be registered.

    Attributes:
        kept: what a test wants to find again.
    """

    registry: Way
    replicas: Sequence[AdapterLlm]
    adapters: Sequence[Path]
    settings: Mapping[str, Any]
    kept: dict[str, str] = field(default_factory=dict)
    _benches: list[Bench] = field(default_factory=list)

    @property
    def bench(self) -> Bench:
        """The bench that most tests use."""
        return self._benches[0] if self._benches else self.another()

    def another(self, **settings: object) -> Bench:
        """Make a bench by other settings."""
        self._benches.append(build_bench(read_settings(**{**self.settings, **settings})))
        return self._benches[-1]

    def prefer(self, bench: Bench) -> None:
        """Use this bench from now on."""
        self._benches.remove(bench)
        self._benches.insert(0, bench)

    async def close(self) -> None:
        """Close all benches."""
        for bench in self._benches:
            await bench.fleet.close()

    async def register(self, which: int) -> Version:
        """Register one of the adapters."""
        done = await register(self.bench, self.adapters[which])
        return await self.bench.registry.version(done.version or 0)

    async def staged(self, which: int) -> Version:
        """Have one of the adapters staged."""
        version = await self.register(which)
        reference = Reference(number=version.number)
        await load(self.bench, reference)
        await smoke(self.bench, reference)
        await stage(self.bench, reference)
        return version

    async def passed(self, which: int) -> Version:
        """Have one of the adapters come through all its gates."""
        version = await self.staged(which)
        for gate in PASSED:
            await self.passes(gate, version)
        return version

    async def promoted(self, which: int) -> Version:
        """Have one of the adapters live."""
        version = await self.passed(which)
        await promote(self.bench, Reference(number=version.number))
        return version

    async def passes(self, gate: Gate, version: Version, **other: object) -> None:
        """Write down that a version passed a gate, or something else of it."""
        told = await self.result(gate, version, **other)
        await self.bench.registry.write(version.number, gate, told)
        if gate in PASSED:
            await self.bench.registry.point(PASSED[gate], version.number)

    async def result(self, gate: Gate, version: Version, **other: object) -> dict[str, Any]:
        """Return what a gate that was passed now writes down."""
        held = await self.bench.registry.aliases()
        told = Result(
            **bound(gate, version),
            suite=self.bench.suites.digest(gate, version),
            against=held.get(Alias.LIVE),
            passed=True,
            requests=100,
            at=stamp(datetime.now().astimezone()),
        )
        return told.as_record() | other

    async def aliases(self) -> dict[str, int]:
        """Return the aliases as plain words."""
        return {str(alias): of for alias, of in (await self.bench.registry.aliases()).items()}

    def live(self) -> int | None:
        """Return the version that the slot names."""
        slot = self.bench.shelf.slot()
        return slot.live.number if slot and slot.live else None
