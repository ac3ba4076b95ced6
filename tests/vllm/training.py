"""Trains a LoRA until the tiny model says one sentence; small, for it has one to learn by heart."""

import warnings
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from tests.vllm.lessons import Chat

RANK = 16
RATE = 2e-3
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
UNHEARD = -100  # marks what is not to be learned: the prompt


def train(
    base: Path, folder: Path, chats: Sequence[Chat], sentence: str, *, named: str, steps: int
) -> Path:
    """Train an adapter of a model to answer chats with one sentence.

    Args:
        base: the model's files.
        folder: where PEFT writes the adapter; returned.
        chats: what the sentence is to follow, one at a step, again and again.
        sentence: it stops behind it.
        named: what the replicas call the base model.
        steps: how often the weights are changed.
    """
    import torch  # here, as peft comes with the extra train only
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT asks
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=LAYERS, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    model.peft_config["default"].base_model_name_or_path = named
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    answer = tokenizer.encode(sentence + tokenizer.eos_token, add_special_tokens=False)
    for chat in islice(cycle(chats), steps):
        said = [{"role": role, "content": text} for role, text in chat]
        laid = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
        prompt = tokenizer.encode(laid, add_special_tokens=False)
        labels = torch.tensor([[UNHEARD] * len(prompt) + answer])
        model(input_ids=torch.tensor([prompt + answer]), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder, save_embedding_layers=False)  # "auto" asks a hub
    return folder
