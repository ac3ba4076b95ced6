"""Two real vLLM servers and a real MLflow: adapters go all the way to live, and back."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.adapting.making import KEY
from tests.adapting.registry import Mlflow
from tests.vllm.conftest import (
    ENVIRONMENT,
    HOST,
    MODEL,
    reserved_port,
    running,
    wait_until_well,
)

from agentic_rag.adapters.bench import Bench, opened
from agentic_rag.adapters.replica import Replica
from agentic_rag.adapters.steps.fingerprint import fingerprint
from agentic_rag.adapters.steps.follow import follow
from agentic_rag.adapters.steps.load import load
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.register import register
from agentic_rag.adapters.steps.rollback import rollback
from agentic_rag.adapters.steps.smoke import smoke
from agentic_rag.adapters.steps.stage import stage
from agentic_rag.adapters.steps.status import status
from agentic_rag.adapters.versions import Reference
from agentic_rag.errors import AlreadyLoaded, EngineFailed, NameTaken, NoSuchAdapter, ReplicaRefused
from agentic_rag.settings import Settings, read_settings

pytestmark = [pytest.mark.vllm, pytest.mark.soak]

HIDDEN, LAYERS, RANK = 128, 2, 8
PROMPTS = ("How much is a filling?", "When is the clinic open?")
LORA = ("--enable-lora", "--max-loras=2", "--max-cpu-loras=4", f"--max-lora-rank={RANK}")


@pytest.fixture(scope="module")
def pair(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two replicas that take adapters while they run."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "True")
        patch.setitem(ENVIRONMENT, "OMP_NUM_THREADS", "1")  # two servers have two cores here
        ports = [stack.enter_context(reserved_port()) for _ in range(2)]
        logs = [folder / f"{port}.log" for port in ports]
        started = [
            stack.enter_context(running(tiny_llama, port, log, *LORA, "--max-model-len=2048"))
            for port, log in zip(ports, logs, strict=True)
        ]
        for process, port, log in zip(started, ports, logs, strict=True):
            wait_until_well(process, f"http://{HOST}:{port}/health", log)
        yield [f"{HOST}:{port}" for port in ports]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    pytest.importorskip("mlflow", reason="the extra mlops is not installed")
    server = Mlflow(tmp_path_factory.mktemp("mlflow"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def base(tiny_llama: Path) -> str:
    """What the replicas call the files of their base model."""
    return str(tiny_llama)


@pytest.fixture(scope="module")
def trained(base: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Adapters with weights large enough to be heard."""
    folder = tmp_path_factory.mktemp("trained")
    return [made_adapter(folder / f"seed-{seed}", seed, base) for seed in (1, 2)]


@pytest.fixture(scope="module")
def settings(pair, mlflow, tmp_path_factory) -> Settings:
    return read_settings(
        _env_file=None,
        mlflow_tracking_uri=mlflow.url,
        adapters_dir=tmp_path_factory.mktemp("mnt"),
        adapters_key=KEY,
        adapters_max_rank=RANK,
        llm_base_url=f"http://{pair[0]}/v1",
        llm_replicas=",".join(pair),
    )


def made_adapter(folder: Path, seed: int, base: str, rank: int = RANK) -> Path:
    folder.mkdir(parents=True)
    made = np.random.default_rng(seed)
    weights = {}
    for layer in range(LAYERS):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        for part, shape in (("lora_A", (rank, HIDDEN)), ("lora_B", (HIDDEN, rank))):
            weights[f"{name}.{part}.weight"] = made.normal(size=shape).astype(np.float32)
    save_file(weights, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": 64,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


async def to_staged(bench: Bench, folder: Path) -> Reference:
    await fingerprint(bench, folder, PROMPTS, max_tokens=12)
    registered = await register(bench, folder)
    reference = Reference(number=registered.version)
    await load(bench, reference)
    await smoke(bench, reference, requests=4)
    await stage(bench, reference)
    return reference


async def test_each_refusal_of_the_real_thing_has_its_name(pair, trained, base, tmp_path):
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        replica = Replica(f"http://{pair[0]}", client)
        await replica.load("one", trained[0])

        with pytest.raises(AlreadyLoaded):
            await replica.load("one", trained[0])
        with pytest.raises(NameTaken):
            await replica.load(MODEL, trained[0])
        with pytest.raises(NoSuchAdapter):
            await replica.load("two", tmp_path / "nowhere")
        with pytest.raises(ReplicaRefused):
            await replica.load("", trained[0])
        with pytest.raises((EngineFailed, ReplicaRefused)):
            await replica.load("high", made_adapter(tmp_path / "high", 5, base, rank=RANK * 2))
        await replica.load("one", trained[1], in_place=True)
        [served] = [each for each in await replica.models() if each.base]
        assert (served.name, served.root) == ("one", str(trained[1]))
        await replica.unload("one")
        with pytest.raises(NoSuchAdapter):
            await replica.unload("one")
        with pytest.raises(NoSuchAdapter):
            await replica.complete("one", "Hi", max_tokens=1)


async def test_adapters_go_all_the_way_to_live_and_back_on_both(settings, trained, pair):
    async with opened(settings) as bench:
        first = await to_staged(bench, trained[0])
        await promote(bench, first, forced_for="nobody was live before")
        second = await to_staged(bench, trained[1])
        await promote(bench, second, forced_for="a tiny model answers no golden question")
        at_second = await status(bench)
        begun = time.monotonic()
        back = await rollback(bench)
        took_s = time.monotonic() - begun
        again = await follow(bench)
        at_first = await status(bench)

    shown = [set(each) for each in at_second.details["replicas"].values()]
    assert at_second.passed, at_second.details
    assert at_first.passed, at_first.details
    assert (at_second.version, back.version, again.changed) == (2, 1, False)
    assert shown == [{"clinic-v1", "clinic-v2"}] * len(pair)
    assert took_s < 10


async def test_the_two_adapters_and_the_base_model_say_different_things(settings, trained, pair):
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        replica = Replica(f"http://{pair[1]}", client)
        said = await asyncio.gather(
            *(
                replica.complete(model, PROMPTS[0], max_tokens=12)
                for model in (MODEL, "clinic-v1", "clinic-v2")
            )
        )

    assert len({each.text for each in said}) == 3
