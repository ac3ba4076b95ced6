"""The figures of models and GPUs, by their names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentic_rag.errors import BadFigures
from agentic_rag.yaml_files import read_yaml

_FILE = Path(__file__).with_name("figures.yaml")
_MOST = 10**15
_ANY_LENGTH = 1_048_576  # of a model whose own limit nobody told


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Strict):
    """What of a model takes memory; names as in figures.yaml."""

    parameters: int = Field(gt=0, le=_MOST)
    layers: int = Field(gt=0, le=10_000)
    heads: int = Field(gt=0, le=10_000)
    kv_heads: int = Field(gt=0, le=10_000)
    head_size: int = Field(gt=0, le=100_000)
    hidden: int = Field(gt=0, le=10_000_000)
    vocabulary: int = Field(gt=0, le=100_000_000)
    context: int = Field(gt=0, le=100_000_000)
    tied: bool = False
    bits: int = Field(default=16)
    repository: str = ""
    family: str = ""
    published: int | None = None
    source: str | None = None


class Gpu(_Strict):
    """What of a GPU decides; names as in figures.yaml."""

    memory_mib: int = Field(gt=0)
    capability: float


class _Figures(_Strict):
    models: dict[str, Model]
    gpus: dict[str, Gpu]


@dataclass(frozen=True, slots=True)
class Named:
    """A model, and what it is called."""

    name: str
    model: Model


@cache
def figures() -> _Figures:
    """Return all that is known."""
    return _Figures.model_validate(read_yaml(_FILE))


def choose_model(name: str | None, own: Mapping[str, float | None], *, bits: int) -> Named:
    """Return the model that is named, or one of figures of its own; `own` is by option.

    Raises:
        BadFigures: it is not known, or a figure is missing or cannot be.
    """
    given = {option: value for option, value in own.items() if value is not None}
    if name is not None and not given:
        return find_model(name)
    if name is not None:
        raise BadFigures(f"--model {name[:80]}: expected without {_options(given)}")
    if not given:
        raise BadFigures(f"--model: is missing; expected one of {', '.join(figures().models)}")
    if missing := own.keys() - given.keys():
        raise BadFigures(f"{_options(missing)}: missing, for a model of its own figures")
    given["parameters"] = given.pop("params")
    try:
        return Named("", Model.model_validate({**given, "context": _ANY_LENGTH, "bits": bits}))
    except ValidationError as error:
        fault = error.errors()[0]
        field = str(fault["loc"][0]).replace("parameters", "params")
        raise BadFigures(f"{_options([field])}: {fault['msg'].lower()}") from None


def _options(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))


def find_model(name: str) -> Named:
    """Return a model by its name, or its repository's, whatever the case.

    Raises:
        BadFigures: there is none; lists those there are.
    """
    known = figures().models
    names = {each.casefold(): each for each in known}
    names |= {model.repository.casefold(): each for each, model in known.items()}
    found = _found("--model", name, names)
    return Named(found, known[found])


def find_gpu(name: str) -> Gpu:
    """Return a GPU by its name, whatever the case.

    Raises:
        BadFigures: there is none; lists those there are.
    """
    known = figures().gpus
    return known[_found("--gpu", name, {each.casefold(): each for each in known})]


def _found(option: str, name: str, names: dict[str, str]) -> str:
    found = names.get(name.strip().casefold())
    if found is None:
        listed = ", ".join(dict.fromkeys(names.values()))
        raise BadFigures(f"{option} {name[:80]}: is not known; expected one of {listed}")
    return found
