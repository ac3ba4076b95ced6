"""The network of triage as it is trained: the twin in torch of `agentic_rag.safety.network`."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agentic_rag.safety.conversation import Reading
from agentic_rag.safety.hunch import WAYS
from agentic_rag.safety.network import BUCKETS, REACH, SEEN, STATES, buckets_of, states_of
from agentic_rag.safety.spelling import TURN

LETTERS, CONCEPTS, SMALL, JOINED = 24, 24, 8, 64  # widths
EPOCHS, BATCH, RATE, DECAY = 9, 32, 2e-3, 1e-2
DROPPED, DROPPED_LAST = 0.3, 0.4
UNREAD, MEANINGLESS = 0.15, 0.3  # the share of words without letters, of messages without concepts
KIND = 0.3  # what telling the kind of a message apart counts for, beside the alarm
DOUBT = 0.03  # no label is surer than that
OFTEN = 25  # messages that make a kind
UNKNOWN = -100

buckets = lru_cache(maxsize=None)(buckets_of)


@dataclass(frozen=True)
class Word:
    """A word as the network sees it."""

    letters: list[int]
    concepts: list[int]
    state: int
    gap: int


@dataclass(frozen=True)
class Example:
    """A message to learn from; `kind` is its category, or why it is none, or nothing."""

    words: list[Word]
    is_alarm: bool
    kind: str


def words_of(reading: Reading) -> list[Word]:
    start = max(0, len(reading.texts) - SEEN)
    states = states_of(reading, start)
    return [
        Word(buckets(reading.texts[at]), _concepts(reading.concepts[at], state % WAYS), state,
             min(reading.gaps[at], TURN))
        for at, state in enumerate(states, start)
    ] or [Word([], [], 0, TURN)]  # fmt: skip


def _concepts(concepts: int, way: int) -> list[int]:
    return [WAYS * bit + way for bit in range(concepts.bit_length()) if concepts >> bit & 1]


class Network(nn.Module):
    """Embeds letters, concepts and states; joins words three times; judges what stands out."""

    def __init__(self, concepts: int, kinds: int) -> None:
        super().__init__()
        self.letters = nn.EmbeddingBag(BUCKETS, LETTERS, mode="sum")
        self.concepts = nn.EmbeddingBag(WAYS * concepts, CONCEPTS, mode="sum")
        self.state, self.gap = nn.Embedding(STATES, SMALL), nn.Embedding(TURN + 1, SMALL)
        nn.init.normal_(self.letters.weight, std=0.05)
        nn.init.normal_(self.concepts.weight, std=0.1)
        widths = (LETTERS + CONCEPTS + 2 * SMALL, JOINED, JOINED)
        self.joins = nn.ModuleList(
            nn.Conv1d(width, JOINED, 3, padding=reach, dilation=reach)
            for width, reach in zip(widths, REACH, strict=True)
        )
        self.judge = nn.Linear(3 * JOINED, 1)
        self.kind = nn.Linear(3 * JOINED, kinds)

    def forward(self, batch: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return (messages,) scores of an alarm and (messages, kinds) of what they are."""
        letters, letters_at, concepts, concepts_at, state, gap, there = batch
        rows, count = there.shape
        words = torch.cat(
            [
                self.letters(letters, letters_at).view(rows, count, -1),
                self.concepts(concepts, concepts_at).view(rows, count, -1),
                self.state(state),
                self.gap(gap),
            ],
            -1,
        )
        words = (self._drop(words) * there[..., None]).transpose(1, 2)
        mask = there[:, None]
        near = functional.relu(self.joins[0](words)) * mask
        far = (functional.relu(self.joins[1](self._drop(near))) + near) * mask
        farther = (functional.relu(self.joins[2](self._drop(far))) + far) * mask
        seen = [farther.max(2).values, near.max(2).values, farther.sum(2) / mask.sum(2)]
        judged = functional.dropout(torch.cat(seen, 1), DROPPED_LAST, self.training)
        return self.judge(judged).squeeze(1), self.kind(judged)

    def _drop(self, words: Tensor) -> Tensor:
        return functional.dropout(words, DROPPED, self.training)


def fit_network(examples: Sequence[Example], concepts: int, seed: int = 0) -> Network:
    """Learn from messages; the same seed, messages and machine give the same network."""
    torch.manual_seed(seed)
    chance = random.Random(seed)  # not for secrets
    kinds = _kinds(examples)
    network = Network(concepts, len(kinds) + 1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(examples) // BATCH)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    network.train()
    for _ in range(EPOCHS):
        for batch in _batches(chance.sample(examples, len(examples))):
            alarm, kind = network(_tensors([each.words for each in batch], chance))
            wanted = torch.tensor([DOUBT + (1 - 2 * DOUBT) * each.is_alarm for each in batch])
            loss = functional.binary_cross_entropy_with_logits(alarm, wanted)
            told = torch.tensor([_kind_of(each, kinds) for each in batch])
            if (told != UNKNOWN).any():
                loss = loss + KIND * functional.cross_entropy(kind, told, ignore_index=UNKNOWN)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
    return network.eval()


def score(network: Network, examples: Iterable[Example]) -> np.ndarray:
    with torch.no_grad():
        scores = [network(_tensors([e.words for e in b]))[0] for b in _batches(list(examples))]
    return torch.cat(scores).numpy()


def write_network(network: Network, concepts: Sequence[str], path: Path) -> None:
    """Write the weights as `agentic_rag.safety.network` reads them, with the concepts by bit."""
    weights = {name: each.detach().numpy() for name, each in network.named_parameters()}
    table = {"names": np.array(concepts)}
    for name in ("letters", "concepts"):
        each = weights[f"{name}.weight"]
        scale = np.abs(each).max() / 127
        table[name] = np.rint(each / scale).astype(np.int8)
        table[f"{name}_scale"] = np.float32(scale)
    for name in ("state", "gap"):
        table[name] = weights[f"{name}.weight"].astype(np.float16)
    for at in range(len(REACH)):
        join = weights[f"joins.{at}.weight"].transpose(2, 1, 0)
        table[f"join{at + 1}"] = join.reshape(-1, JOINED).astype(np.float16)
        table[f"bias{at + 1}"] = weights[f"joins.{at}.bias"].astype(np.float16)
    table["judge"] = weights["judge.weight"][0].astype(np.float16)
    table["bias"] = weights["judge.bias"].astype(np.float32)
    np.savez_compressed(path, **table)


def _kinds(examples: Sequence[Example]) -> list[str]:
    names = [each.kind for each in examples if each.kind]
    return sorted(name for name in set(names) if names.count(name) >= OFTEN)


def _kind_of(example: Example, kinds: Sequence[str]) -> int:
    if not example.kind:
        return UNKNOWN
    return kinds.index(example.kind) if example.kind in kinds else len(kinds)


def _batches(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    return (examples[at : at + BATCH] for at in range(0, len(examples), BATCH))


def _tensors(messages: Sequence[list[Word]], chance: random.Random | None = None) -> list[Tensor]:
    """Lay messages side by side; with a chance, leave out letters and concepts of some."""
    count = max(map(len, messages))
    nothing = Word([], [], 0, 0)
    letters, concepts, starts, states = [], [], [], []
    for words in messages:
        is_meant = not chance or chance.random() >= MEANINGLESS
        for word in [*words, *[nothing] * (count - len(words))]:
            starts.append((len(letters), len(concepts)))
            states.append((word.state, word.gap))
            if not chance or chance.random() >= UNREAD:
                letters += word.letters
            if is_meant:
                concepts += word.concepts
    shape = (len(messages), count)
    letters_at, concepts_at = torch.tensor(starts, dtype=torch.int64).T.contiguous()
    state, gap = torch.tensor(states, dtype=torch.int64).T.contiguous()
    there = torch.tensor([[float(at < len(words)) for at in range(count)] for words in messages])
    whole = [torch.tensor(each, dtype=torch.int64) for each in (letters, concepts)]
    return [whole[0], letters_at, whole[1], concepts_at, state.view(shape), gap.view(shape), there]
