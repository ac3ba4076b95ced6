"""Patients who ask all the time, as the agent does: whoever the slot names answers."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
from tests.adapting.making import PROMPTS
from tests.adapting.replica import AdapterLlm, said_by

from agentic_rag.inference.slot import SLOT, read_slot


class Patients:
    """Ask replicas that are up, and look whether each answer is of the version that is named.

    Attributes:
        answered: how often each version spoke.
        wrong: what was not as it should be.
    """

    def __init__(
        self, folder: Path, replicas: Sequence[AdapterLlm], weights: dict[str, str]
    ) -> None:
        self._slot, self._replicas, self._weights = folder / SLOT, replicas, weights
        self.answered: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)

    def __enter__(self) -> "Patients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _ask_on(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._end.wait(0.01):
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        slot = read_slot(self._slot)
        assert slot is not None
        assert slot.live is not None
        name, prompt = slot.live.served_as, random.choice(PROMPTS)
        asked = {"model": name, "messages": [{"role": "user", "content": prompt}]}
        for replica in random.sample(self._replicas, len(self._replicas)):
            try:
                reply = client.post(f"{replica.base_url}/chat/completions", json=asked)
            except httpx.TransportError:
                continue  # that one is gone: the agent asks the next
            self._look(reply, name, prompt)
            return
        self.wrong.append("nobody is there")

    def _look(self, reply: httpx.Response, name: str, prompt: str) -> None:
        if not reply.is_success:
            self.wrong.append(f"{name}: {reply.text}")
            return
        said = reply.json()["choices"][0]["message"]["content"]
        if said == said_by(self._weights[name], prompt):
            self.answered[name] += 1
        else:
            self.wrong.append(f"{name} did not say that: {said}")
