"""What a model takes of a GPU's memory under vLLM, in bytes. Pure.

vLLM takes a share of what CUDA sees of each GPU (--gpu-memory-utilization), loads the weights,
tries the largest batch once, and gives what is left to the KV cache.
"""

from dataclasses import dataclass

from agentic_rag.fit.figures import Gpu, Model

MIB, GIB = 2**20, 2**30
BATCH_TOKENS = 8192  # --max-num-batched-tokens
MOST_SEQUENCES = 256  # --max-num-seqs
TENSOR_PARALLEL = (1, 2, 4, 8)

_DRIVER = 512 * MIB  # of what nvidia-smi shows, CUDA sees so much less: 474 MiB on an L4
_RUNTIME = 1 * GIB  # CUDA's context, NCCL, CUDA graphs
# Of a batch in work, per token and hidden unit: vLLM measures 1.26 GiB for Llama 3 8B at 8,192
# tokens (https://github.com/vllm-project/vllm/pull/10511), logits among them.
_ACTIVATIONS = 16 * 2
_LOGITS = 2 * 4  # a copy in float32, and the sampler's
_AWQ_GROUP, _AWQ_EXTRA_BITS = 128, 16 + 4  # of a group: a scale, a zero point
_BLOCK = 16  # tokens that vLLM's cache hands out at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a model is to be served: on how many GPUs, and for whom."""

    gpu: str
    gpus: int = 1
    utilization: float = 0.9
    context: int = 8192
    sequences: int = 1
    kv_bits: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one GPU of those that share a model has room for, in bytes; `tokens` of KV cache."""

    may_use: int
    weights: int
    work: int
    cache: int
    per_token: int
    tokens: int

    def sequences(self, context: int) -> int:
        """Return how many of a length fit at once."""
        return self.tokens // context


def weights(model: Model) -> int:
    """Return the bytes of a model's weights; what embeds words is never quantised."""
    embedding = min(model.hidden * model.vocabulary * (1 if model.tied else 2), model.parameters)
    bits = model.bits + (_AWQ_EXTRA_BITS / _AWQ_GROUP if model.bits == 4 else 0)  # noqa: PLR2004
    return round((model.parameters - embedding) * bits / 8) + embedding * 2


def per_token(model: Model, *, kv_bits: int = 16, gpus: int = 1) -> int:
    """Return the bytes of KV cache that one token takes on each GPU."""
    heads = max(1, model.kv_heads // gpus)  # fewer than GPUs: each has a copy of one
    return 2 * model.layers * heads * model.head_size * kv_bits // 8


def splits(model: Model) -> tuple[int, ...]:
    """Return the numbers of GPUs that a model can be split over."""
    return tuple(
        n
        for n in TENSOR_PARALLEL
        if model.heads % n == 0 and (model.kv_heads % n == 0 or n % model.kv_heads == 0)
    )


def room(model: Model, gpu: Gpu, wish: Wish) -> Room:
    """Return what there is room for; nothing for the cache where the weights take it all."""
    may_use = int((gpu.memory_mib * MIB - _DRIVER) * wish.utilization)
    own = -(-weights(model) // wish.gpus)
    work = _RUNTIME + BATCH_TOKENS * model.hidden * _ACTIVATIONS
    work += MOST_SEQUENCES * model.vocabulary * _LOGITS
    each = per_token(model, kv_bits=wish.kv_bits, gpus=wish.gpus)
    cache = max(0, may_use - own - work)
    return Room(
        may_use=may_use,
        weights=own,
        work=work,
        cache=cache,
        per_token=each,
        tokens=cache // each // _BLOCK * _BLOCK,
    )
