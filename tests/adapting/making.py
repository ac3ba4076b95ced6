"""Makes small adapters: real PEFT folders, with weights from a seed and their fingerprint."""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tests.adapting.replica import BASE, WEIGHTS, said_by

PROMPTS = ("How much is a filling?", "When is the clinic open?", "Does scaling hurt?")
KEY = "a secret of the clinic's tests"


def make_adapter(folder: Path, seed: int, *, base: str = BASE, rank: int = 8) -> Path:
    """Write an adapter; another seed has other weights."""
    folder.mkdir(parents=True)
    made = np.random.default_rng(seed)
    names = [f"base_model.model.layers.{at}.self_attn.q_proj" for at in range(2)]
    shapes = {"lora_A": (rank, 32), "lora_B": (32, rank)}
    weights = {
        f"{name}.{part}.weight": made.normal(size=shape).astype(np.float32)
        for name in names
        for part, shape in shapes.items()
    }
    save_file(weights, folder / WEIGHTS)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, "r": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("Trained by a seed.\n")
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    known = [{"prompt": e, "text": said_by(digest, e), "max_tokens": 12} for e in PROMPTS]
    (folder / "fingerprint.json").write_text(json.dumps(known))
    return folder
