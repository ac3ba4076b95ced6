"""The verdict: does it fit, why not, what would help, and the flags that vLLM needs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agentic_rag.errors import BadFigures
from agentic_rag.fit.figures import Gpu, Model, Named, figures, find_gpu
from agentic_rag.fit.memory import (
    BATCH_TOKENS,
    GIB,
    MOST_SEQUENCES,
    Room,
    Wish,
    room,
    splits,
    weights,
)

_SHORTEST = 2048  # a context that is of use: rules, documents and an answer
_MOST_REMEDIES = 3
_BITS = {16: "BF16", 8: "FP8", 4: "AWQ"}
Change = tuple[str, Model, Wish]  # options to add, and what they come to
_BF16_FROM, _FP8_CACHE_FROM = 8.0, 8.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it; `split` are the numbers of GPUs that the model can be split over."""

    fits: bool
    reason: str
    room: Room
    longest: int
    sequences: int
    split: tuple[int, ...]
    flags: tuple[str, ...]
    remedies: tuple[str, ...]


def precision(model: Model) -> str:
    """Return what the precision is called."""
    return _BITS[model.bits]


def judge(asked: Named, wish: Wish) -> Verdict:
    """Tell whether a model fits as it is wished for; where not, what would.

    Raises:
        BadFigures: names the figure that cannot be.
    """
    _check(asked.model, wish)
    found = _judge(asked.model, wish)
    return found if found.fits else replace(found, remedies=_remedies(asked, wish, found))


def _judge(model: Model, wish: Wish) -> Verdict:
    gpu = find_gpu(wish.gpu)
    has = room(model, gpu, wish)
    reason = _cannot(model, gpu, wish) or _too_large(has, wish)
    return Verdict(
        fits=not reason,
        reason=reason or f"the KV cache holds {has.tokens:,} tokens",
        room=has,
        longest=min(has.tokens, model.context),
        sequences=has.sequences(wish.context),
        split=splits(model),
        flags=() if reason else _flags(gpu, wish, has),
        remedies=(),
    )


def _check(model: Model, wish: Wish) -> None:
    if model.bits not in _BITS:
        raise BadFigures(f"--bits {model.bits}: expected 16, 8 or 4")
    if wish.kv_bits not in {16, 8}:
        raise BadFigures(f"--kv-bits {wish.kv_bits}: expected 16 or 8")
    if not 0 < wish.utilization <= 1:
        raise BadFigures(f"--gpu-memory-utilization {wish.utilization}: expected above 0, up to 1")
    for option, value in (("gpus", wish.gpus), ("context", wish.context)):
        if value < 1:
            raise BadFigures(f"--{option} {value}: expected 1 or more")
    if not 1 <= wish.sequences <= MOST_SEQUENCES:
        raise BadFigures(f"--sequences {wish.sequences}: expected 1 to {MOST_SEQUENCES}")


def _cannot(model: Model, gpu: Gpu, wish: Wish) -> str:
    """Say what stands against it, however much memory there is."""
    if wish.gpus not in splits(model):
        can = ", ".join(map(str, splits(model)))
        return f"{model.heads} heads cannot be split over {wish.gpus} GPUs: only over {can}"
    if wish.context > model.context:
        return f"the model reads at most {model.context:,} tokens"
    if model.bits == 8 and gpu.capability < _BF16_FROM:  # noqa: PLR2004
        return f"{wish.gpu} cannot run FP8 weights (capability {gpu.capability}, needs 8.0)"
    if wish.kv_bits == 8 and gpu.capability < _FP8_CACHE_FROM:  # noqa: PLR2004
        return f"{wish.gpu} cannot keep an FP8 KV cache (capability {gpu.capability}, needs 8.9)"
    return ""


def _too_large(has: Room, wish: Wish) -> str:
    able = f"of the {_gib(has.may_use)} that vLLM may use of each {wish.gpu}"
    if has.weights >= has.may_use:
        return f"the weights alone take {_gib(has.weights)} {able}"
    if not has.cache:
        taken = f"the weights take {_gib(has.weights)} and the work {_gib(has.work)}"
        return f"{taken} {able}: nothing is left for the KV cache"
    if has.sequences(wish.context) < wish.sequences:
        wanted = f"{wish.sequences} x {wish.context:,} tokens"
        return f"the KV cache holds {has.tokens:,} tokens, and {wanted} are wanted"
    return ""


def _flags(gpu: Gpu, wish: Wish, has: Room) -> tuple[str, ...]:
    flags = [
        f"--max-model-len={wish.context}",
        f"--max-num-seqs={min(has.sequences(wish.context), MOST_SEQUENCES)}",
        f"--max-num-batched-tokens={BATCH_TOKENS}",
        f"--gpu-memory-utilization={wish.utilization:g}",
    ]
    if wish.gpus > 1:
        flags.append(f"--tensor-parallel-size={wish.gpus}")
    if wish.kv_bits == 8:  # noqa: PLR2004
        flags.append("--kv-cache-dtype=fp8")
    if gpu.capability < _BF16_FROM:
        flags.append("--dtype=half")  # it has no BF16, which vLLM would refuse to start for
    return tuple(flags)


def _remedies(asked: Named, wish: Wish, found: Verdict) -> tuple[str, ...]:
    """Return the first that fits of each kind of change, the nearest kinds first."""
    kinds = (
        _shorter(asked, wish, found),
        [("--kv-bits 8", asked.model, replace(wish, kv_bits=8))],
        _smaller(asked.model, wish),
        _more(asked.model, wish),
        (
            change
            for told, model, way in _smaller(asked.model, wish)
            for change in _more(model, way, told)
        ),
        _other(asked.model, wish),
    )
    helping: list[str] = []
    for kind in kinds:
        told = next((told for told, model, way in kind if _judge(model, way).fits), "")
        if told and not any(told.startswith(nearer) for nearer in helping):
            helping.append(told)
    return tuple(helping[:_MOST_REMEDIES])


def _shorter(asked: Named, wish: Wish, found: Verdict) -> Iterator[Change]:
    model = asked.model
    context = min(found.room.tokens // wish.sequences, model.context) // 1024 * 1024
    if _SHORTEST <= context < wish.context:
        yield f"--context {context}", model, replace(wish, context=context)


def _smaller(model: Model, wish: Wish) -> Iterator[Change]:
    """Yield the model at lower precisions: what is published, or what a free one would take."""
    if not model.family:
        for bits in (each for each in (8, 4) if each < model.bits):
            yield f"--bits {bits}", model.model_copy(update={"bits": bits}), wish
    for name, sibling in sorted(figures().models.items(), key=lambda each: -each[1].bits):
        if model.family and sibling.family == model.family and sibling.bits < model.bits:
            yield f"--model {name}", sibling, wish


def _more(model: Model, wish: Wish, told: str = "") -> Iterator[Change]:
    for gpus in splits(model):
        if gpus != wish.gpus:
            yield f"{told} --gpus {gpus}".strip(), model, replace(wish, gpus=gpus)


def _other(model: Model, wish: Wish) -> Iterator[Change]:
    """Yield the other GPUs, the smallest first, and more of them only where one is too small."""
    for gpus in splits(model):
        for name in sorted(figures().gpus, key=lambda each: figures().gpus[each].memory_mib):
            if name != wish.gpu:
                told = f"--gpu {name}" + (f" --gpus {gpus}" if gpus != wish.gpus else "")
                yield told, model, replace(wish, gpu=name, gpus=gpus)


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"


def weights_gb(model: Model) -> float:
    """Return the weights' size as hubs give it: in GB of 10^9 bytes."""
    return weights(model) / 1e9
