"""Gates that should not be passed are not, whatever way somebody tries; each refusal has a name."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.adapting.works import Works

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.moving import heal
from agentic_rag.adapters.sealing import seal
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.rollback import rollback
from agentic_rag.adapters.steps.smoke import smoke
from agentic_rag.adapters.versions import Reference, read_reference
from agentic_rag.errors import AdapterRefused

Attempt = Callable[[Works], Awaitable[object]]
FIRST, SECOND = Reference(number=1), Reference(number=2)
LOAD_TEST, VERSION = str(Gate.LOAD_TEST), "agentic-rag.version"


@pytest.fixture(scope="module")
def world(two_versions) -> Works:
    """Version 1 is live, version 2 has come through all its gates, and its record is at hand."""
    two_versions.kept[VERSION] = json.dumps(told(two_versions, 2, VERSION))
    return two_versions


@pytest.fixture
async def works(world) -> Works:
    """That world as it was, whatever the last attempt did to it."""
    made = Works(
        registry=world.registry,
        replicas=world.replicas,
        adapters=world.adapters,
        settings=world.settings,
    )
    registry = made.bench.registry
    await registry.point(Alias.LIVE, 1, forced=True)
    await registry.point(Alias.PREVIOUS, None)
    await registry.point(Alias.EVAL_PASSED, 2, forced=True)
    await registry.point(Alias.PERF_PASSED, 2, forced=True)
    client(made).set_model_version_tag(name(made), "2", VERSION, world.kept[VERSION])
    version = await registry.version(2)
    for gate in Gate:
        await registry.write(2, gate, await made.result(gate, version))
    yield made
    await made.close()


def name(works: Works) -> str:
    return str(works.settings["adapters_name"])


def client(works: Works) -> Any:
    """Return the registry as somebody has it who can edit it, and has no key."""
    from mlflow import MlflowClient

    return MlflowClient(works.registry.url)


def told(works: Works, number: int, kind: str) -> Any:
    return json.loads(client(works).get_model_version(name(works), str(number)).tags[kind])


def keep(works: Works, kind: str, text: str) -> None:
    client(works).set_model_version_tag(name(works), "2", kind, text)


def promote_behind(**other: object) -> Attempt:
    """Behind a load test whose result is well sealed, and says something else."""

    async def attempt(works: Works) -> object:
        version = await works.bench.registry.version(2)
        result = await works.result(Gate.LOAD_TEST, version, **other)
        await works.bench.registry.write(2, LOAD_TEST, result)
        return await promote(works.bench, SECOND)

    return attempt


def promote_edited(kind: str, edit: Callable[[Any], object]) -> Attempt:
    """Behind a record that was edited in the registry."""

    async def attempt(works: Works) -> object:
        found = told(works, 2, kind)
        edited = edit(found)
        keep(works, kind, edited if isinstance(edited, str) else json.dumps(edited))
        return await promote(works.bench, SECOND)

    return attempt


def promote_borrowed(kind: str, number: int, of: str) -> Attempt:
    """Behind a record of another version, or of another kind."""

    async def attempt(works: Works) -> object:
        keep(works, kind, json.dumps(told(works, number, of)))
        return await promote(works.bench, SECOND)

    return attempt


def with_record(**other: object) -> Callable[[Any], object]:
    return lambda found: found | {"record": found["record"] | other}


async def promote_without_result(works: Works) -> object:
    client(works).delete_model_version_tag(name(works), "2", LOAD_TEST)
    return await promote(works.bench, SECOND)


async def promote_what_an_alias_was_moved_to(works: Works) -> object:
    third = await works.register(2)
    client(works).set_registered_model_alias(name(works), "perf-passed", str(third.number))
    return await promote(works.bench, read_reference("alias:perf-passed"))


async def promote_with_every_alias_moved(works: Works) -> object:
    third = await works.register(2)
    for alias in ("staged", "eval-passed", "perf-passed"):
        client(works).set_registered_model_alias(name(works), alias, str(third.number))
    return await promote(works.bench, read_reference("alias:perf-passed"))


async def make_live_by_hand(works: Works) -> object:
    client(works).set_registered_model_alias(name(works), "live", "2")
    return await heal(works.bench)


async def roll_back_to_what_never_was(works: Works) -> object:
    client(works).set_registered_model_alias(name(works), "previous", "2")
    return await rollback(works.bench)


async def promote_behind_one_gate_only(works: Works) -> object:
    await works.bench.registry.point(Alias.PERF_PASSED, None)
    return await promote(works.bench, SECOND)


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat(timespec="seconds")


ATTEMPTS: dict[str, tuple[str, Attempt]] = {
    "no result at all": ("not-measured", promote_without_result),
    "one gate of two": ("transition", promote_behind_one_gate_only),
    "a result of the live version": ("borrowed", promote_borrowed(LOAD_TEST, 1, LOAD_TEST)),
    "a result of another gate": ("edited", promote_borrowed(LOAD_TEST, 2, str(Gate.EVALUATE))),
    "a result of another model": ("borrowed", promote_behind(name="another")),
    "a result of other weights": ("borrowed", promote_behind(digest="0" * 64)),
    "a result on another base model": ("borrowed", promote_behind(base_model="other/model")),
    "a result of another suite": ("other-suite", promote_behind(suite="0" * 64)),
    "measured beside another live version": ("other-live", promote_behind(against=7)),
    "measured beside nobody": ("other-live", promote_behind(against=None)),
    "a result that failed": ("failed", promote_behind(passed=False)),
    "a result that says yes in other words": ("failed", promote_behind(passed="yes")),
    "zero requests": ("too-few", promote_behind(requests=0)),
    "one request too few": ("too-few", promote_behind(requests=99)),
    "a result that is too old": ("expired", promote_behind(at=ago(days=8))),
    "a result from the future": ("not-yet", promote_behind(at=ago(days=-1))),
    "a verdict that was edited": (
        "edited",
        promote_edited(LOAD_TEST, with_record(passed=True, requests=99)),
    ),
    "a date that was edited": ("edited", promote_edited(LOAD_TEST, with_record(at=ago(days=0)))),
    "a version that was edited": ("edited", promote_edited(VERSION, with_record(base_model="x"))),
    "the registration of another version": ("borrowed", promote_borrowed(VERSION, 1, VERSION)),
    "no seal": ("unsealed", promote_edited(LOAD_TEST, lambda found: found["record"])),
    "no seal but a word": (
        "unsealed",
        promote_edited(LOAD_TEST, lambda found: {**found, "seal": 1}),
    ),
    "no JSON": ("edited", promote_edited(LOAD_TEST, lambda found: "passed")),
    "sealed with another key": (
        "edited",
        promote_edited(LOAD_TEST, lambda found: seal(LOAD_TEST, found["record"], b"another key")),
    ),
    "an alias that was moved": ("transition", promote_what_an_alias_was_moved_to),
    "every alias moved": ("not-measured", promote_with_every_alias_moved),
    "made live by hand": ("moved-alias", make_live_by_hand),
    "rolled back to what never was live": ("moved-alias", roll_back_to_what_never_was),
    "forced without a reason": (
        "no-reason",
        lambda works: promote(works.bench, SECOND, forced_for=""),
    ),
    "forced for blanks": (
        "no-reason",
        lambda works: promote(works.bench, SECOND, forced_for=" \t"),
    ),
    "smoked with no request": ("no-requests", lambda works: smoke(works.bench, SECOND, requests=0)),
    "smoked with fewer than none": (
        "no-requests",
        lambda works: smoke(works.bench, SECOND, requests=-3),
    ),
}


@pytest.mark.parametrize("how", ATTEMPTS)
async def test_an_attempt_to_pass_a_gate_is_refused_by_name(works, how):
    why, attempt = ATTEMPTS[how]

    with pytest.raises(AdapterRefused) as caught:
        await attempt(works)

    assert caught.value.why == why
    assert works.live() == 1


async def test_what_was_not_tampered_with_passes(works):
    done = await promote(works.bench, SECOND)

    assert works.live() == done.version == 2
    assert (await works.aliases())["previous"] == 1


async def test_a_reason_to_force_is_written_down(works):
    await works.bench.registry.write(2, LOAD_TEST, {"passed": False})

    await promote(works.bench, SECOND, forced_for="the old one gives wrong prices")

    told = await works.bench.registry.read(2, "agentic-rag.promoted")
    assert told["forced_for"] == "the old one gives wrong prices"
