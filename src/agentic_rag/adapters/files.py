"""An adapter's files: what they say of themselves, and whether they are what was registered."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agentic_rag.adapters.versions import Known
from agentic_rag.errors import BadAdapter

CONFIG, WEIGHTS, FINGERPRINT = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "fingerprint.json",
)
MOST_TOKENS = 64  # of a known answer: longer ones part ways on another GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an adapter's files say."""

    base_model: str
    rank: int
    fingerprint: tuple[Known, ...]


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path below the folder.

    Raises:
        BadAdapter: there is none, or something that is no plain file.
    """
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BadAdapter(f"{path.name}: expected a plain file")
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = digest(path)
    if not found:
        raise BadAdapter(f"{folder}: expected a folder with an adapter")
    return found


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(folder: Path, wanted: Mapping[str, str]) -> None:
    """See that a folder holds just these files.

    Raises:
        BadAdapter: names the first that is missing, not known or not as it was.
    """
    found = digests(folder)
    for path in sorted(wanted.keys() | found.keys()):
        if path not in found:
            raise BadAdapter(f"{path}: is missing")
        if path not in wanted:
            raise BadAdapter(f"{path}: was not registered")
        if found[path] != wanted[path]:
            raise BadAdapter(f"{path}: is not what was registered")


def describe(folder: Path) -> Described:
    """Read what an adapter says of itself.

    Raises:
        BadAdapter: names the file, the field and what was expected.
    """
    config = _read(folder / CONFIG)
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise BadAdapter(f"{CONFIG}: peft_type: expected LORA")
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise BadAdapter(f"{CONFIG}: base_model_name_or_path: expected a model's name")
    return Described(
        base_model=base, rank=_rank(folder), fingerprint=read_known(_read(folder / FINGERPRINT))
    )


def read_known(rows: Any) -> tuple[Known, ...]:  # noqa: ANN401  # whatever stands there
    """Read prompts and what is answered to them.

    Raises:
        BadAdapter: names the field and what was expected.
    """
    if not isinstance(rows, list) or not rows:
        raise BadAdapter(f"{FINGERPRINT}: expected a list of prompt, text and max_tokens")
    known = []
    for row in rows:
        try:
            each = Known(prompt=row["prompt"], text=row["text"], max_tokens=int(row["max_tokens"]))
        except (LookupError, TypeError, ValueError):
            raise BadAdapter(f"{FINGERPRINT}: expected prompt, text and max_tokens") from None
        if not (each.prompt and each.text and 1 <= each.max_tokens <= MOST_TOKENS):
            raise BadAdapter(f"{FINGERPRINT}: expected words, and 1 to {MOST_TOKENS} max_tokens")
        known.append(each)
    return tuple(known)


def keep(path: Path) -> None:
    """See that a file or a folder's names outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rank(folder: Path) -> int:
    """Return the highest rank of the matrices themselves: what a configuration says is its word."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as weights:
            ranks = [
                weights.get_slice(name).get_shape()[0]
                for name in weights.keys()  # noqa: SIM118  # no mapping
                if "lora_A" in name
            ]
    except FileNotFoundError:
        raise BadAdapter(f"{WEIGHTS}: is missing") from None
    except (SafetensorError, OSError, LookupError) as error:
        raise BadAdapter(f"{WEIGHTS}: cannot be read: {error}") from None
    if not ranks:
        raise BadAdapter(f"{WEIGHTS}: expected matrices of a LoRA")
    return int(max(ranks))


def _read(path: Path) -> Any:  # noqa: ANN401  # whatever stands there
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadAdapter(f"{path.name}: is missing") from None
    except (OSError, orjson.JSONDecodeError):
        raise BadAdapter(f"{path.name}: cannot be read as JSON") from None
