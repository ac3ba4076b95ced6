"""Load test, the second gate: a version under load, beside who is live and on the same machine."""

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.gates import FEWEST, Gate, Result, bound, stamp
from agentic_rag.adapters.judging import check_gate, check_way, speaks_now
from agentic_rag.adapters.load_test import Side, drive, missed
from agentic_rag.adapters.smoking import smoke
from agentic_rag.adapters.steps.done import Done, done
from agentic_rag.adapters.versions import Reference
from agentic_rag.errors import AdapterRefused


async def load_test(
    bench: Bench, reference: Reference, *, requests: int = 200, at_once: int = 8
) -> Done:
    """Ask a version and who is live the same questions, so many of each.

    Raises:
        AdapterRefused: too few requests are wanted, or the first gate was not passed.
        AgenticRagError: something that this needs is away.
    """
    if requests < FEWEST[Gate.LOAD_TEST]:
        raise AdapterRefused("too-few", f"expected {FEWEST[Gate.LOAD_TEST]} requests or more")
    if at_once < 1:
        raise AdapterRefused("too-few", "expected one request at once, or more")
    version = await bench.registry.resolve(reference)
    await check_gate(bench, version, Gate.EVALUATE)
    await check_way(bench, Alias.PERF_PASSED, version)
    await smoke(bench, version, requests=1)
    suite = bench.suites.digest(Gate.LOAD_TEST, version)
    against, live_name = await speaks_now(bench)
    ours, theirs = Side(version.served_as), Side(live_name)
    replicas = await bench.fleet.replicas()
    questions = bench.suites.questions()
    await drive(replicas, (theirs, ours), questions, requests=requests, at_once=at_once)
    await smoke(bench, version, requests=1)  # who answered was this one to the end
    figures = ours.figures()
    faults = missed(figures, theirs.figures())
    result = Result(
        **bound(Gate.LOAD_TEST, version),
        suite=suite,
        against=against,
        passed=not faults,
        requests=ours.requests,
        at=stamp(bench.now()),
        figures=figures | {f"live: {name}": value for name, value in theirs.figures().items()},
        faults=tuple(faults),
    )
    await bench.registry.write(version.number, Gate.LOAD_TEST, result.as_record())
    alias = Alias.PERF_PASSED if result.passed else Alias.PERF_FAILED
    await bench.registry.point(alias, version.number)
    return done("load-test", version, passed=result.passed, details=result.as_record())
