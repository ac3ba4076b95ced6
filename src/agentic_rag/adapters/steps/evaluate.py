"""Evaluate, the first gate: the golden questions, asked of a version and of who is live."""

from dataclasses import dataclass

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.bench import Bench
from agentic_rag.adapters.comparing import losses, shares, silences, spoken
from agentic_rag.adapters.gates import FEWEST, Gate, Result, bound, stamp
from agentic_rag.adapters.judging import check_way, speaks_now
from agentic_rag.adapters.smoking import smoke
from agentic_rag.adapters.steps.done import Done, done
from agentic_rag.adapters.versions import Reference
from agentic_rag.domain import Degraded, WhenCold
from agentic_rag.evaluation.cases import SuiteName
from agentic_rag.evaluation.examine import Report, examine, prepare
from agentic_rag.evaluation.golden import Told
from agentic_rag.retrieval.ingesting.engine import Progress
from agentic_rag.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one agent answered, and what is thought of it."""

    served_as: str
    told: list[Told]
    report: Report


async def evaluate(
    bench: Bench, reference: Reference, *, settings: Settings, progress: Progress
) -> Done:
    """Ask the golden questions of the agent with a version, and of the agent with who is live.

    Args:
        bench: what to work with.
        reference: the version; every replica serves it already.
        settings: of the agent.
        progress: is told how far it is.

    Raises:
        BadSuite: the questions or the floors cannot be read.
        AdapterRefused: the version is not staged.
        AgenticRagError: something that this needs is away.
    """
    version = await bench.registry.resolve(reference)
    await check_way(bench, Alias.EVAL_PASSED, version)
    await smoke(bench, version, requests=1)
    suite = bench.suites.digest(Gate.EVALUATE, version)
    against, live_name = await speaks_now(bench)
    theirs = await _ask(bench, settings, live_name, progress)
    ours = await _ask(bench, settings, version.served_as, progress)
    await smoke(bench, version, requests=1)  # who answered was this one to the end
    requests = spoken(ours.told, ours.served_as)
    faults = [
        *(f"{each.threshold.metric}: {each.found}" for each in ours.report.missed),
        # who is live and says what is not so was there, and may be followed by who is better
        *silences(theirs.told, live_name, but=[Degraded.LLM_REJECTED]),
        *silences(ours.told, ours.served_as),
        *losses(ours.told, theirs.told),
    ]
    if requests < FEWEST[Gate.EVALUATE]:
        faults.append(f"{ours.served_as} answered {requests} questions")
    result = Result(
        **bound(Gate.EVALUATE, version),
        suite=suite,
        against=against,
        passed=not faults,
        requests=requests,
        at=stamp(bench.now()),
        figures=shares(ours.told) | {f"live: {k}": v for k, v in shares(theirs.told).items()},
        faults=tuple(faults),
    )
    await bench.registry.write(version.number, Gate.EVALUATE, result.as_record())
    alias = Alias.EVAL_PASSED if result.passed else Alias.EVAL_FAILED
    await bench.registry.point(alias, version.number)
    return done("evaluate", version, passed=result.passed, details=result.as_record())


async def _ask(bench: Bench, settings: Settings, served_as: str, progress: Progress) -> _Heard:
    """Ask the agent as it is with one model."""
    told: list[Told] = []

    def hear(name: SuiteName, seen: object) -> None:
        if isinstance(seen, Told):
            told.append(seen)

    agents = settings.model_copy(
        update={
            "llm_model_name": served_as,
            "adapters_follow": False,
            "llm_when_cold": WhenCold.WAIT,
            "llm_fallbacks": (),
            "llm_temperature": 0.0,
        }
    )
    plan = prepare(agents, ["golden"], suites=bench.suites.folder, wanted=bench.suites.floors)
    report = await examine(plan, progress, hear)
    return _Heard(served_as=served_as, told=told, report=report)
