"""Each step does one thing, on every replica, again and again to the same end."""

import asyncio
import json
import shutil

import pytest
from tests.adapting.making import make_adapter
from tests.adapting.replica import AdapterLlm

from agentic_rag.adapters.aliases import Alias
from agentic_rag.adapters.steps.fingerprint import fingerprint
from agentic_rag.adapters.steps.follow import follow
from agentic_rag.adapters.steps.load import load
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.register import register
from agentic_rag.adapters.steps.restore import MODULES, restore
from agentic_rag.adapters.steps.rollback import rollback
from agentic_rag.adapters.steps.smoke import smoke
from agentic_rag.adapters.steps.stage import stage
from agentic_rag.adapters.steps.status import status
from agentic_rag.adapters.versions import Reference, read_reference
from agentic_rag.errors import (
    AdapterRefused,
    BadAdapter,
    RegistryUnavailable,
    ReplicaUnavailable,
)

CANDIDATE = read_reference("alias:candidate")


async def test_a_fingerprint_is_taken_from_what_answers(works, tmp_path):
    folder = make_adapter(tmp_path / "trained", 9)
    made = json.loads((folder / "fingerprint.json").read_text())
    (folder / "fingerprint.json").unlink()

    await fingerprint(works.bench, folder, [each["prompt"] for each in made], max_tokens=12)

    assert json.loads((folder / "fingerprint.json").read_text()) == made
    assert [each.adapters for each in works.replicas] == [{}] * 3


async def test_prompts_that_tell_nothing_apart_make_no_fingerprint(works, tmp_path):
    folder = make_adapter(tmp_path / "trained", 9)
    works.replicas[0].mute = True

    with pytest.raises(AdapterRefused) as caught:
        await fingerprint(works.bench, folder, ["Who are you?"])

    assert caught.value.why == "like-the-base"
    assert works.replicas[0].adapters == {}


async def test_the_same_files_are_the_same_version_however_often_they_are_registered(works):
    first = await register(works.bench, works.adapters[0], {"data": "faq"})
    again = await register(works.bench, works.adapters[0])
    other = await register(works.bench, works.adapters[1])

    version = await works.bench.registry.version(1)
    assert (first.version, again.version, other.version) == (1, 1, 2)
    assert dict(version.lineage) == {"data": "faq"}
    assert version.digest == first.digest
    assert await works.aliases() == {"candidate": 2}


async def test_an_alias_that_moves_meanwhile_moves_nobody_who_resolved_it(works):
    await works.register(0)
    pinned = await works.bench.registry.resolve(CANDIDATE)

    await works.register(1)

    assert pinned.number == 1
    assert (await works.bench.registry.resolve(CANDIDATE)).number == 2


async def test_a_version_is_loaded_on_every_replica_under_its_own_name(works):
    version = await works.register(0)

    first = await load(works.bench, CANDIDATE)
    again = await load(works.bench, CANDIDATE)

    path = str(works.bench.shelf.path(1))
    assert [each.adapters for each in works.replicas] == [{version.served_as: path}] * 3
    assert (first.changed, again.changed) == (True, False)
    assert len(first.details["loaded_on"]) == 3


async def test_smoke_asks_every_replica_as_often_as_it_is_told_to(works):
    await works.register(0)
    await load(works.bench, CANDIDATE)
    asked = [sum(e.body.get("model") != e.path for e in each.seen) for each in works.replicas]

    done = await smoke(works.bench, CANDIDATE, requests=7)

    assert [each["requests"] for each in done.details.values()] == [7, 7, 7]
    for before, each in zip(asked, works.replicas, strict=True):
        mine = [e for e in each.seen[before:] if str(e.body.get("model")).endswith("-v1")]
        assert len(mine) == 7


async def test_wrong_weights_in_the_place_of_a_version_are_smoked_out(works):
    await works.register(0)
    await load(works.bench, CANDIDATE)
    works.replicas[1].mixes_up = True

    with pytest.raises(AdapterRefused) as caught:
        await smoke(works.bench, CANDIDATE)

    assert caught.value.why == "wrong-weights"
    assert works.replicas[1].address in str(caught.value)


async def test_an_adapter_that_says_what_its_base_model_says_is_no_adapter(works, tmp_path):
    folder = make_adapter(tmp_path / "alike", 9)
    (folder / "fingerprint.json").write_text(
        '[{"prompt": "Who?", "text": "I am nobody in particular.", "max_tokens": 9}]'
    )
    await register(works.bench, folder)
    await load(works.bench, CANDIDATE)

    with pytest.raises(AdapterRefused) as caught:
        await smoke(works.bench, CANDIDATE)

    assert caught.value.why == "like-the-base"


async def test_what_was_promoted_answers_everywhere_and_is_said_to(works):
    version = await works.promoted(0)

    done = await status(works.bench)

    shown = {version.served_as: version.digest}
    assert done.passed
    assert done.digest == version.digest
    assert list(done.details["replicas"].values()) == [shown] * 3
    assert (await works.aliases())["live"] == 1


async def test_promoting_again_changes_nothing(works):
    await works.promoted(0)

    again = await promote(works.bench, read_reference("alias:live"))

    assert not again.changed


async def test_the_next_version_takes_over_and_back(works):
    await works.promoted(0)
    await works.promoted(1)
    both = await works.aliases()

    back = await rollback(works.bench)
    again = await rollback(works.bench)

    after = await works.aliases()
    assert (both["live"], both["previous"]) == (2, 1)
    assert (back.version, back.details["gone"], again.changed) == (1, 2, False)
    assert (after["live"], "previous" in after) == (1, False)
    assert works.live() == 1
    assert (await status(works.bench)).passed


async def test_what_is_neither_live_nor_was_before_is_unloaded(works):
    names = [(await works.promoted(which)).served_as for which in range(3)]

    loaded = [set(each.adapters) for each in works.replicas]

    assert loaded == [set(names[1:])] * 3


async def test_the_first_version_rolls_back_to_the_base_model(works):
    await works.promoted(0)

    done = await rollback(works.bench)

    assert done.version is None
    assert works.live() is None
    assert "live" not in await works.aliases()


async def test_the_first_deployment_has_nothing_to_restore_and_may_start(works):
    done = await restore(works.bench)

    assert done.version is None
    assert (works.bench.shelf.folder / MODULES).read_text() == ""


async def test_a_replica_that_starts_from_nothing_serves_what_is_live_before_it_listens(works):
    live = await works.promoted(0)
    staged = await works.staged(1)
    shutil.rmtree(works.bench.shelf.folder)

    await restore(works.bench)

    fresh = AdapterLlm()
    fresh.start_with(works.bench.shelf.folder / MODULES)
    assert list(fresh.adapters) == [live.served_as, staged.served_as]


async def test_with_the_registry_away_a_whole_copy_is_restored(works):
    version = await works.promoted(0)
    works.registry.is_shut = True

    done = await restore(works.bench)

    assert (done.version, done.digest) == (1, version.digest)
    assert done.details["from"] == "shelf"


@pytest.mark.parametrize("harm", ["gone", "changed", "added"])
async def test_with_the_registry_away_and_no_whole_copy_nothing_starts(works, harm):
    await works.promoted(0)
    works.registry.is_shut = True
    folder = works.bench.shelf.path(1)
    if harm == "gone":
        shutil.rmtree(folder)
    else:
        (folder / ("README.md" if harm == "changed" else "more.txt")).write_text("other")

    with pytest.raises(RegistryUnavailable):
        await restore(works.bench)


async def test_with_the_registry_away_and_an_empty_shelf_nothing_starts(works):
    works.registry.is_shut = True

    with pytest.raises(RegistryUnavailable):
        await restore(works.bench)


@pytest.mark.parametrize("says", [(404, "<h1>Not here</h1>"), (200, "<h1>Hello</h1>"), (502, "")])
async def test_a_registry_that_talks_nonsense_is_away_and_not_empty(works, says):
    works.registry.says = says

    with pytest.raises(RegistryUnavailable):
        await works.bench.registry.aliases()


async def test_a_replica_that_joins_later_gets_what_is_live(works):
    version = await works.promoted(0)
    with AdapterLlm() as late:
        addresses = [*(each.address for each in works.replicas), late.address]
        bench = works.another(llm_replicas=",".join(addresses))

        done = await follow(bench)
        again = await follow(bench)

    assert late.adapters == {version.served_as: str(bench.shelf.path(1))}
    assert (done.details["loaded_on"], again.changed) == (
        {version.served_as: [late.address]},
        False,
    )


async def test_a_copy_that_was_lost_is_fetched_anew_by_whoever_follows(works):
    await works.promoted(0)
    shutil.rmtree(works.bench.shelf.path(1))
    with AdapterLlm() as late:
        bench = works.another(llm_replicas=late.address)

        await follow(bench)

    assert bench.shelf.check(1).number == 1
    assert len(late.adapters) == 1


@pytest.mark.parametrize("step", [follow, restore, rollback])
async def test_a_registry_that_has_forgotten_who_is_live_changes_nobody(works, step):
    await works.promoted(0)
    await works.bench.registry.point(Alias.LIVE, None)

    with pytest.raises(AdapterRefused) as caught:
        await step(works.bench)

    assert caught.value.why == "lost-alias"
    assert works.live() == 1


async def test_one_replica_gone_and_nobody_is_promoted(works):
    await works.promoted(0)
    version = await works.passed(1)
    works.replicas[2].stop()

    with pytest.raises(ReplicaUnavailable, match=works.replicas[2].address):
        await promote(works.bench, Reference(number=version.number))

    works.replicas[2].start()
    assert works.live() == 1
    assert (await works.aliases())["live"] == 1


async def test_an_adapter_of_another_base_model_is_loaded_nowhere(works, tmp_path):
    await register(works.bench, make_adapter(tmp_path / "other", 9, base="other/model"))

    with pytest.raises(AdapterRefused) as caught:
        await load(works.bench, CANDIDATE)

    assert caught.value.why == "other-base"
    assert [each.adapters for each in works.replicas] == [{}] * 3


async def test_an_adapter_of_too_high_a_rank_is_loaded_nowhere(works, tmp_path):
    await register(works.bench, make_adapter(tmp_path / "high", 9, rank=32))

    with pytest.raises(AdapterRefused) as caught:
        await load(works.bench, CANDIDATE)

    assert caught.value.why == "rank"


async def test_a_file_that_changes_on_the_way_is_found_and_fetched_anew(works):
    await works.register(0)
    works.registry.spoils = lambda path, body: (
        body[:-1] + b"?" if path.endswith(".safetensors") and "?" not in path else body
    )

    with pytest.raises(BadAdapter, match="safetensors"):
        await load(works.bench, CANDIDATE)

    works.registry.open()
    assert (await load(works.bench, CANDIDATE)).changed


async def test_patients_are_sent_to_a_candidate_only_behind_the_first_gate(works):
    version = await works.staged(0)

    with pytest.raises(AdapterRefused) as caught:
        await stage(works.bench, Reference(number=version.number), share=0.1)

    assert caught.value.why == "not-measured"


async def test_two_who_promote_at_once_are_one_after_the_other_or_refused(works):
    version = await works.passed(0)
    reference = Reference(number=version.number)

    done = await asyncio.gather(
        *(promote(each, reference) for each in (works.bench, works.another())),
        return_exceptions=True,
    )

    refused = [each for each in done if isinstance(each, AdapterRefused)]
    assert {each.why for each in refused} <= {"busy"}
    assert len(refused) < 2
    assert works.live() == 1
