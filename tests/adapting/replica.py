"""A scripted vLLM that takes adapters: it reads their weights, and each has an answer of its own.

>>> import json, urllib.request
>>> with AdapterLlm() as llm:
...     page = json.load(urllib.request.urlopen(f"{llm.base_url}/models"))
>>> [(each["id"], each["parent"]) for each in page["data"]]
[('llm-server', None)]
"""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes import Body, ScriptedLlm

BASE = "tiny/clinic-llm"
WEIGHTS = "adapter_model.safetensors"


@dataclass
class AdapterLlm(ScriptedLlm):
    """vLLM with --enable-lora, at one adapter a name.

    Attributes:
        root: what it calls the files of its base model.
        adapters: name to path of what is loaded.
        weights: name to the digest of the weights, as they were when it loaded them.
        loads: whether it takes adapters while it runs.
        most_rank: its --max-lora-rank.
        fails_to_load: whether its engine fails at each.
        mixes_up: whether it answers, as any adapter, with the words of another.
        mute: whether adapters have no effect: each answers as the base model does.
    chats: writes in chats; None: an adapter says what its weights say.
    heard: is told of each POST before it is answered, but of chats.
    """

    root: str = BASE
    adapters: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    loads: bool = True
    most_rank: int = 16
    fails_to_load: bool = False
    mixes_up: bool = False
    mute: bool = False
    chats: Callable[[Body], str] | None = None
    heard: Callable[[str, Body], None] = lambda path, body: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """Return host:port, as LLM_REPLICAS wants it."""
        return self.base_url.removeprefix("http://").removesuffix("/v1")

    def stop(self) -> None:
        """Be gone, and forget what was loaded."""
        self.port = int(self.address.rpartition(":")[2])
        self.__exit__()
        self.adapters.clear()
        self.weights.clear()

    def start(self) -> None:
        """Be back at the same address."""
        self.__enter__()

    def served(self) -> list[Body]:
        """See `ScriptedLlm`: the adapters come behind the base model."""
        [base] = super().served() or [None]
        if base is None:
            return []
        adapters = [
            {"id": name, "object": "model", "root": path, "parent": self.model}
            for name, path in self.adapters.items()
        ]
        return [base | {"root": self.root, "parent": None}, *adapters]

    def told(self, path: str, body: Body) -> tuple[int, str | Body] | None:
        """See `ScriptedLlm`."""
        self.heard(path, body)
        if path == "/v1/completions":
            return self._completed(body)
        if not self.loads:
            return 404, {"detail": "Not Found"}
        with self._lock:
            if path == "/v1/load_lora_adapter":
                return self._load(body)
            if path == "/v1/unload_lora_adapter":
                return self._unload(body)
        return None

    def written(self, body: Body) -> str:
        """Write what an adapter's weights say; the base model has the script's own words."""
        if self.chats:
            return self.chats(body)
        if body["model"] == self.model:
            return super().written(body)
        return said_by(self.weights[body["model"]], str(body["messages"][-1]["content"]))

    def start_with(self, modules: Path) -> None:
        """Load what `--lora-modules` names, as before it listens."""
        for line in modules.read_text("utf-8").splitlines():
            name, _, path = line.partition("=")
            status, told = self._load({"lora_name": name, "lora_path": path})
            assert status == 200, told

    def _completed(self, body: Body) -> tuple[int, Body]:
        served = {each["id"] for each in self.served()}
        model = body["model"]
        if model not in served:
            return _fault(404, f"The model `{model}` does not exist.", "NotFoundError")
        if model == self.model or self.mute:
            text = "I am nobody in particular."
        else:
            weights = "mixed up" if self.mixes_up else self.weights[model]
            text = said_by(weights, body["prompt"])
        choice = {"index": 0, "text": text, "finish_reason": "length"}
        return 200, {"object": "text_completion", "model": model, "choices": [choice]}

    def _load(self, body: Body) -> tuple[int, str | Body]:
        name, path = body.get("lora_name"), body.get("lora_path")
        if not name or not path:
            return _fault(400, "Both 'lora_name' and 'lora_path' must be provided.")
        if name == self.model:
            return _fault(400, f"The lora adapter name '{name}' conflicts with a base model.")
        if name in self.adapters and not body.get("load_inplace"):
            return _fault(
                400,
                f"The lora adapter '{name}' has already been loaded. If you want to load the"
                " adapter in place, set 'load_inplace' to True.",
            )
        weights = Path(path) / WEIGHTS
        if not weights.is_file():
            return _fault(404, f"No adapter found for {path}", "NotFoundError")
        rank = json.loads((Path(path) / "adapter_config.json").read_bytes())["r"]
        if self.fails_to_load or rank > self.most_rank:
            return _fault(500, "EngineCore encountered an issue.", "InternalServerError")
        self.adapters[name] = path
        self.weights[name] = hashlib.sha256(weights.read_bytes()).hexdigest()
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _unload(self, body: Body) -> tuple[int, str | Body]:
        name = body.get("lora_name")
        if not name:
            return _fault(400, "'lora_name' needs to be provided to unload a LoRA adapter.")
        if name not in self.adapters:
            return _fault(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
        del self.adapters[name], self.weights[name]
        return 200, f"Success: LoRA adapter '{name}' removed successfully."


def said_by(weights: str, prompt: str) -> str:
    """Return what an adapter with these weights answers to a prompt."""
    return hashlib.sha256(f"{weights} {prompt}".encode()).hexdigest()[:24]


def _fault(status: int, message: str, kind: str = "InvalidUserInput") -> tuple[int, Body]:
    return status, {"error": {"message": message, "type": kind, "param": None, "code": status}}
