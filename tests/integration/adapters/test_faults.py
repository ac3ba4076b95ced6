"""A fault at every boundary: live keeps answering, aliases never lie, and the next run heals."""

import asyncio
import json
import shutil
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.adapting.child import KILLED, Child
from tests.adapting.making import make_adapter
from tests.adapting.patients import Patients
from tests.adapting.replica import AdapterLlm
from tests.adapting.works import Works

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.shelf import speaker
from agentic_rag.adapters.steps.status import status
from agentic_rag.inference.slot import Slot

ALIAS, TAG = "registered-models/alias", "model-versions/set-tag"
FILE, LOAD, SAY = "mlflow-artifacts/artifacts/", "/v1/load_lora_adapter", "/v1/completions"


@dataclass(frozen=True, slots=True)
class Moment:
    """When the nth request of a kind comes, or, `after`, when its reply is not yet heard of.

    Attributes:
        method: of a request to the registry; "" of one to a replica.
        moved: whether only those count that come when the slot has been changed.
    """

    method: str
    path: str
    nth: int = 1
    after: bool = False
    moved: bool = False


MOMENTS: dict[str, dict[str, Moment]] = {
    "register": {
        "before the model is made": Moment("POST", "registered-models/create"),
        "before the run is made": Moment("POST", "runs/create"),
        "before the first file": Moment("PUT", FILE),
        "between files": Moment("PUT", FILE, nth=3),
        "before the version is made": Moment("POST", "model-versions/create"),
        "when the version is made": Moment("POST", "model-versions/create", after=True),
        "before it is written down": Moment("POST", TAG),
        "when it is written down": Moment("POST", TAG, after=True),
        "before the alias": Moment("POST", ALIAS),
    },
    "load": {
        "before the first file": Moment("GET", FILE),
        "between files": Moment("GET", FILE, nth=3),
        "when the last file is here": Moment("GET", FILE, nth=4, after=True),
        "before the first replica": Moment("", LOAD),
        "before the last replica": Moment("", LOAD, nth=3),
    },
    "smoke": {
        "at the first answer": Moment("", SAY),
        "at the fifth answer": Moment("", SAY, nth=5),
        "before it is written down": Moment("POST", TAG),
        "when it is written down": Moment("POST", TAG, after=True),
    },
    "stage": {
        "before the alias": Moment("POST", ALIAS),
        "when the alias is there": Moment("POST", ALIAS, after=True),
    },
    "promote": {
        "before a copy": Moment("GET", FILE),
        "inside a copy": Moment("GET", FILE, nth=2),
        "before a replica loads": Moment("", LOAD),
        "while replicas load": Moment("", LOAD, nth=2),
        "before it is let through": Moment("POST", TAG),
        "when it is let through": Moment("POST", TAG, after=True),
        "when the slot has moved": Moment("", SAY, moved=True),
        "before the alias previous": Moment("POST", ALIAS),
        "when the alias previous is there": Moment("POST", ALIAS, after=True),
        "before the alias live": Moment("POST", ALIAS, nth=2),
        "when the alias live is there": Moment("POST", ALIAS, nth=2, after=True),
    },
    "rollback": {
        "when the slot has moved": Moment("", SAY, moved=True),
        "before the alias live": Moment("POST", ALIAS),
        "when the alias live is there": Moment("POST", ALIAS, after=True),
        "before previous is gone": Moment("DELETE", ALIAS),
        "when previous is gone": Moment("DELETE", ALIAS, after=True),
    },
    "restore": {
        "before a copy": Moment("GET", FILE),
        "inside a copy": Moment("GET", FILE, nth=2),
    },
}
TURNS = {"when the slot has moved", "before the alias live", "when the alias live is there"}
"""Where most can go wrong; what happens at all other moments is tried in `make soak`."""


def _case(step: str, when: str, fault: str) -> object:
    return pytest.param(step, when, fault, marks=() if when in TURNS else pytest.mark.soak)


KILLS = [_case(step, when, "killed") for step, moments in MOMENTS.items() for when in moments]
LOSSES = [
    _case(step, when, fault)
    for step in ("promote", "rollback")
    for when in MOMENTS[step]
    for fault in ("the registry gone", "a replica gone")
]


@pytest.fixture(scope="module")
def world(two_versions) -> Works:
    return two_versions


@pytest.fixture
async def works(world) -> Works:
    """That world as it was, whatever the last fault did to it."""
    made = Works(
        registry=world.registry,
        replicas=world.replicas,
        adapters=world.adapters,
        settings=world.settings,
    )
    made.registry.open()
    await as_it_was(made)
    yield made
    await made.close()


async def as_it_was(works: Works) -> None:
    registry = works.bench.registry
    await registry.point(Alias.LIVE, 1, forced=True)
    await registry.point(Alias.PREVIOUS, None)
    for alias in (Alias.CANDIDATE, Alias.STAGED, Alias.EVAL_PASSED, Alias.PERF_PASSED):
        await registry.point(alias, 2, forced=True)
    second = await registry.version(2)
    for gate in Gate:
        await registry.write(2, gate, await works.result(gate, second))
    works.bench.shelf.set_slot(Slot(live=speaker(await registry.version(1)), last="promote"))
    for replica in works.replicas:
        replica.heard = lambda path, body: None
        load_at(replica, works, 1)


def load_at(replica: AdapterLlm, works: Works, number: int) -> None:
    """Have a replica serve a version, and nothing else."""
    replica.adapters.clear()
    name = f"{works.settings['adapters_name']}-v{number}"
    replica.told(LOAD, {"lora_name": name, "lora_path": str(works.bench.shelf.path(number))})


async def ready_for(step: str, works: Works, tmp_path: Path) -> str:
    """Bring the world to where a step begins; return what the step is told."""
    shelf = works.bench.shelf
    if step in {"load", "promote"}:
        shutil.rmtree(shelf.path(2))
    if step == "stage":
        await works.bench.registry.point(Alias.STAGED, None)
    if step == "restore":
        shutil.rmtree(shelf.path(1))
    if step in {"smoke", "rollback"}:
        for replica in works.replicas:
            name = f"{works.settings['adapters_name']}-v2"
            replica.told(LOAD, {"lora_name": name, "lora_path": str(shelf.path(2))})
    if step == "rollback":
        await works.bench.registry.write(2, "agentic-rag.promoted", await promotion(works, 2))
        await works.bench.registry.point(Alias.PREVIOUS, 1, forced=True)
        await works.bench.registry.point(Alias.LIVE, 2, forced=True)
        shelf.set_slot(Slot(live=speaker(await works.bench.registry.version(2)), last="promote"))
    if step == "register":
        return str(make_adapter(tmp_path / "new", uuid.uuid4().int % 10**6))
    return "version:2"


async def promotion(works: Works, number: int) -> dict[str, object]:
    version = await works.bench.registry.version(number)
    return {"name": version.name, "digest": version.digest, "at": "", "forced_for": None}


class Strike:
    """Does something, once, at a moment; whoever asks then waits until it is done."""

    def __init__(self, moment: Moment, works: Works, do: Callable[[str], None]) -> None:
        self._moment, self._works, self._do = moment, works, do
        self._lock, self._seen = threading.Lock(), 0
        self.has_struck = False
        if moment.method and moment.after:
            works.registry.replied = self._registry
        elif moment.method:
            works.registry.heard = self._registry
        else:
            for replica in works.replicas:
                replica.heard = lambda path, body, at=replica.address: self._replica(path, at)

    def _registry(self, method: str, path: str) -> None:
        if method == self._moment.method and self._moment.path in path:
            self._count("")

    def _replica(self, path: str, address: str) -> None:
        if path != self._moment.path:
            return
        slot = self._works.bench.shelf.slot()
        if not self._moment.moved or (slot and slot.move):
            self._count(address)

    def _count(self, address: str) -> None:
        with self._lock:
            self._seen += 1
            if self._seen == self._moment.nth:
                self.has_struck = True
                self._do(address)


@pytest.mark.parametrize(("step", "when", "fault"), [*KILLS, *LOSSES])
async def test_whatever_happens_live_answers_and_the_next_run_heals(
    works, tmp_path, step, when, fault
):
    told = await ready_for(step, works, tmp_path)

    with Patients(works.bench.shelf.folder, works.replicas, weights_of(works)) as patients:
        ended = await struck_at(MOMENTS[step][when], fault, works, (step, told))
        mend(works)
        await nobody_lies(works)
        again = await asyncio.to_thread(lambda: Child(step, told, works.settings).ended)

    assert (ended == KILLED) == (fault == "killed")
    assert again == "well"
    assert patients.wrong == []
    assert patients.answered
    await all_is_well(works, step)


async def struck_at(moment: Moment, fault: str, works: Works, told: tuple[str, str]) -> str:
    """Do a step with a fault in it; return what came of it."""
    begun = threading.Event()
    child: list[Child] = []

    def strike(address: str) -> None:
        begun.wait(30)
        if fault == "killed":
            child[0].kill()
        elif fault == "the registry gone":
            works.registry.is_shut = True
        else:
            gone = next((e for e in works.replicas if e.address == address), works.replicas[2])
            gone.stop()

    struck = Strike(moment, works, strike)
    child.append(Child(*told, works.settings))
    begun.set()
    ended = await asyncio.to_thread(lambda: child[0].ended)
    assert struck.has_struck
    return ended


def mend(works: Works) -> None:
    """Bring back what was gone; a replica that starts has what is live, as `restore` left it."""
    works.registry.open()
    for replica in works.replicas:
        replica.heard = lambda path, body: None
        if replica.closing.is_set():
            replica.start()
            slot = works.bench.shelf.slot()
            load_at(replica, works, slot.live.number)


def weights_of(works: Works) -> dict[str, str]:
    """Return the weights' digest by the name that each version is served by."""
    found = {}
    for number in (1, 2):
        version = json.loads((works.bench.shelf.folder / f"{number}.json").read_bytes())["record"]
        name = f"{works.settings['adapters_name']}-v{number}"
        found[name] = version["digests"]["adapter_model.safetensors"]
    return found


async def nobody_lies(works: Works) -> None:
    """See that the alias is what speaks, or that the slot says that this is not yet so."""
    held, slot = await works.aliases(), works.bench.shelf.slot()
    assert held["live"] in {1, 2}
    if slot.move is None:
        assert slot.live.number == held["live"]
    else:
        assert held["live"] in {slot.move.of.number, slot.move.to.number}


async def all_is_well(works: Works, step: str) -> None:
    done = await status(works.bench)
    held = await works.aliases()
    assert done.passed, done.details
    assert held["live"] == works.live() == (2 if step == "promote" else 1)
    assert held.get("previous") == (1 if step == "promote" else None)


@pytest.mark.parametrize("step", ["load", "promote"])
async def test_a_disk_that_is_full_harms_nobody(works, tmp_path, step):
    told = await ready_for(step, works, tmp_path)
    with Patients(works.bench.shelf.folder, works.replicas, weights_of(works)) as patients:
        full = Child(step, told, works.settings, most_bytes=3000)
        ended = await asyncio.to_thread(lambda: full.ended)
        await nobody_lies(works)
        again = await asyncio.to_thread(lambda: Child(step, told, works.settings).ended)

    assert (ended, again) == ("BadAdapter", "well")
    assert patients.wrong == []


async def test_a_disk_that_is_full_when_the_slot_moves_leaves_it_where_it_was(works, tmp_path):
    await ready_for("smoke", works, tmp_path)

    full = Child("promote", "version:2", works.settings, most_bytes=10)
    ended = await asyncio.to_thread(lambda: full.ended)

    assert ended == "BadAdapter"
    assert works.live() == 1
    assert (await works.aliases())["live"] == 1


@pytest.mark.parametrize("step", ["load", "promote", "restore"])
async def test_a_file_that_is_spoiled_on_the_way_goes_nowhere(works, tmp_path, step):
    told = await ready_for(step, works, tmp_path)
    works.registry.spoils = lambda path, body: (
        body[:-1] + b"?" if "?" not in path and path.endswith("safetensors") else body
    )

    spoiled = await asyncio.to_thread(lambda: Child(step, told, works.settings).ended)

    assert spoiled == "BadAdapter"
    assert works.live() == 1
    mend(works)
    assert await asyncio.to_thread(lambda: Child(step, told, works.settings).ended) == "well"


@pytest.mark.parametrize("harm", ["engine", "other weights", "loading is off"])
async def test_a_replica_that_cannot_take_it_keeps_everybody_where_they_are(works, tmp_path, harm):
    told = await ready_for("promote", works, tmp_path)
    sick = works.replicas[1]
    if harm == "engine":
        sick.fails_to_load = True
    elif harm == "other weights":
        sick.mixes_up = True
    else:
        sick.loads = False

    ended = await asyncio.to_thread(lambda: Child("promote", told, works.settings).ended)

    sick.fails_to_load, sick.mixes_up, sick.loads = False, False, True
    wanted = {"engine": "EngineFailed", "other weights": "AdapterRefused"}
    assert ended == wanted.get(harm, "LoadingOff")
    assert works.live() == 1
    assert (await works.aliases())["live"] == 1
