"""Whether a model fits: held to published sizes, to what vLLM measured, and to common sense."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agentic_rag.errors import BadFigures
from agentic_rag.fit.figures import Model, Named, figures, find_gpu, find_model
from agentic_rag.fit.memory import GIB, Wish, per_token, room, splits, weights
from agentic_rag.fit.page import write_page
from agentic_rag.fit.verdict import judge

ROOT = Path(__file__).resolve().parents[3]
MODELS, GPUS = sorted(figures().models), sorted(figures().gpus)
PUBLISHED = [name for name in MODELS if figures().models[name].published]
A_WISH = st.builds(
    Wish,
    gpu=st.sampled_from(GPUS),
    gpus=st.sampled_from([1, 2, 4, 8]),
    utilization=st.floats(0.1, 1.0),
    context=st.integers(1, 200_000),
    sequences=st.integers(1, 256),
    kv_bits=st.sampled_from([16, 8]),
)


def free(**changes: object) -> Named:
    shape = {
        "parameters": 8_000_000_000,
        "layers": 32,
        "heads": 32,
        "kv_heads": 8,
        "head_size": 128,
        "hidden": 4096,
        "vocabulary": 128_256,
        "context": 131_072,
    }
    return Named("a model", Model.model_validate(shape | changes))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_weights_are_within_five_percent_of_what_is_published(name):
    model = figures().models[name]

    assert weights(model) == pytest.approx(model.published, rel=0.05)


def test_what_is_published_says_where_and_is_enough_to_go_by():
    assert len(PUBLISHED) >= 10
    assert all(figures().models[name].source for name in PUBLISHED)
    assert {figures().models[name].bits for name in PUBLISHED} == {16, 8, 4}


def test_llama_3_takes_what_vllm_measured_on_an_h100():
    """https://github.com/vllm-project/vllm/pull/10511: 14.96 GiB, 7.48 split, 71.29 to use."""
    llama, h100 = find_model("Llama-3.1-8B-Instruct").model, find_gpu("H100-80GB")

    whole = room(llama, h100, Wish(gpu="H100-80GB"))
    split = room(llama, h100, Wish(gpu="H100-80GB", gpus=2))

    assert whole.may_use / GIB == pytest.approx(71.29, rel=0.01)
    assert whole.weights / GIB == pytest.approx(14.96, rel=0.01)
    assert split.weights / GIB == pytest.approx(7.48, rel=0.01)
    assert whole.cache / GIB == pytest.approx(53.29, rel=0.05)


@pytest.mark.parametrize(("name", "kib"), [("Llama-3.1-8B-Instruct", 128), ("Qwen3-8B", 144)])
def test_a_token_of_kv_cache_is_two_times_layers_heads_and_size(name, kib):
    model = find_model(name).model

    assert per_token(model) == kib * 1024
    assert per_token(model, kv_bits=8) == kib * 512
    assert per_token(model, gpus=2) == kib * 512


def test_heads_that_are_fewer_than_gpus_are_copied():
    qwen = find_model("Qwen2.5-7B-Instruct").model

    assert per_token(qwen, gpus=8) == per_token(qwen, gpus=4)


def test_a_model_of_nine_heads_is_not_split():
    assert splits(find_model("SmolLM2-135M-Instruct").model) == (1,)
    assert splits(find_model("Llama-3.3-70B-Instruct").model) == (1, 2, 4, 8)


def test_fourteen_billion_in_bf16_do_not_fit_on_one_l4_whatever_guides_say():
    verdict = judge(find_model("Qwen2.5-14B-Instruct"), Wish(gpu="L4"))

    assert not verdict.fits
    assert "the weights alone take 27.5 GiB" in verdict.reason
    assert verdict.remedies[:2] == ("--model Qwen2.5-14B-Instruct-AWQ", "--gpus 2")
    assert verdict.flags == ()


def test_a_context_that_is_too_long_is_offered_shorter():
    verdict = judge(find_model("Llama-3.1-8B-Instruct"), Wish(gpu="L4", context=32_768))

    assert not verdict.fits
    assert verdict.remedies[0] == "--context 20480"


def test_a_card_without_bf16_is_told_to_use_half():
    verdict = judge(find_model("Qwen2.5-0.5B-Instruct"), Wish(gpu="T4"))

    assert verdict.fits
    assert "--dtype=half" in verdict.flags


@pytest.mark.parametrize(
    ("name", "wish", "said"),
    [
        ("Llama-3.1-8B-Instruct-FP8", Wish(gpu="T4"), "cannot run FP8 weights"),
        ("Qwen2.5-7B-Instruct", Wish(gpu="A100-80GB", kv_bits=8), "cannot keep an FP8 KV cache"),
        ("SmolLM2-135M-Instruct", Wish(gpu="L4", gpus=2), "9 heads cannot be split over 2"),
        ("SmolLM2-135M-Instruct", Wish(gpu="L4", context=8_193), "reads at most 8,192 tokens"),
        ("Llama-3.1-8B-Instruct", Wish(gpu="L4", utilization=0.75), "nothing is left"),
    ],
)
def test_what_stands_against_it_is_named_and_a_way_out_is_offered(name, wish, said):
    verdict = judge(find_model(name), wish)

    assert not verdict.fits
    assert said in verdict.reason
    assert verdict.remedies


@given(st.sampled_from(MODELS), A_WISH)
def test_less_asked_for_never_takes_more(name, wish):
    named = find_model(name)
    assume(judge(named, wish).fits)

    for smaller in (
        {"context": max(1, wish.context // 2)},
        {"sequences": max(1, wish.sequences // 2)},
        {"utilization": 1.0},
    ):
        changed = Wish(**{f: getattr(wish, f) for f in Wish.__slots__} | smaller)
        assert judge(named, changed).fits


@given(st.sampled_from(MODELS), A_WISH)
def test_what_fits_is_within_what_may_be_used(name, wish):
    verdict = judge(find_model(name), wish)

    has = verdict.room
    if verdict.fits:
        cache = wish.sequences * wish.context * has.per_token
        assert has.weights + has.work + cache <= has.may_use
        assert wish.sequences <= verdict.sequences
        assert wish.context <= verdict.longest
    else:
        assert verdict.reason
        assert not verdict.flags


@given(st.sampled_from(MODELS), A_WISH)
def test_every_remedy_helps(name, wish):
    named = find_model(name)

    for remedy in judge(named, wish).remedies:
        told = dict(zip(*[iter(remedy.split())] * 2, strict=True))
        other = find_model(told.pop("--model")) if "--model" in told else named
        changes = {
            option.strip("-").replace("-", "_"): value if option == "--gpu" else int(value)
            for option, value in told.items()
        }
        changed = Wish(**{f: getattr(wish, f) for f in Wish.__slots__} | changes)
        assert judge(other, changed).fits, remedy


@pytest.mark.parametrize("name", ["qwen/QWEN3-8b", " qwen3-8b ", "QWEN3-8B"])
def test_a_name_is_found_whatever_its_case_and_by_its_repository(name):
    assert find_model(name).name == "Qwen3-8B"


@pytest.mark.parametrize("name", ["", "gpt-5", "Qwen3", "../../etc/passwd", "क", "x" * 10_000])
def test_an_unknown_name_lists_those_that_are_known(name):
    with pytest.raises(BadFigures) as of_model:
        find_model(name)
    with pytest.raises(BadFigures) as of_gpu:
        find_gpu(name)

    assert all(known in str(of_model.value) for known in MODELS)
    assert all(known in str(of_gpu.value) for known in GPUS)
    assert len(str(of_model.value)) < 1_000


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gpus": 0}, "--gpus"),
        ({"gpus": -1}, "--gpus"),
        ({"context": 0}, "--context"),
        ({"sequences": 0}, "--sequences"),
        ({"sequences": 257}, "--sequences"),
        ({"utilization": 0.0}, "--gpu-memory-utilization"),
        ({"utilization": float("nan")}, "--gpu-memory-utilization"),
        ({"utilization": 1.1}, "--gpu-memory-utilization"),
        ({"kv_bits": 4}, "--kv-bits"),
        ({"gpu": "L5"}, "--gpu"),
    ],
)
def test_a_figure_that_cannot_be_is_named(changes, named):
    with pytest.raises(BadFigures, match=named):
        judge(free(), Wish(**{"gpu": "L4"} | changes))


def test_a_model_of_ones_own_is_offered_fewer_bits():
    verdict = judge(free(parameters=14_000_000_000), Wish(gpu="L4"))

    assert not verdict.fits
    assert verdict.remedies[0] == "--bits 8"


def test_a_model_nobody_could_serve_is_refused_without_a_remedy():
    verdict = judge(free(parameters=10**15), Wish(gpu="H200", gpus=8))

    assert not verdict.fits
    assert verdict.remedies == ()


def test_the_page_of_models_is_what_the_calculator_says():
    page = (ROOT / "docs" / "models.md").read_text("utf-8")

    assert write_page() in page, "run `agentic-rag fit --table`, and put it there"
