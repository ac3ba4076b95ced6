"""Versions: what the registry holds of an adapter, and how people name one."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentic_rag.adapters.aliases import Alias
from agentic_rag.errors import AdapterRefused

_REFERENCE = re.compile(r"alias:(?P<alias>[a-z-]+)|version:(?P<number>[1-9]\d{0,8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A prompt, and what the adapter answers to it word for word, at temperature 0."""

    prompt: str
    text: str
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an adapter, as it was registered.

    Attributes:
        number: its own in the registry, from 1.
        base_model: the model that it was trained on, as its configuration names it.
        rank: the highest of its matrices.
        digests: SHA-256 of each file, by its path below the adapter's folder.
        fingerprint: what tells that it is the one that answers.
        lineage: where it comes from, in the words of whoever registered it.
    """

    name: str
    number: int
    base_model: str
    rank: int
    digests: Mapping[str, str]
    fingerprint: tuple[Known, ...]
    lineage: Mapping[str, str] = field(default_factory=dict)

    @property
    def served_as(self) -> str:
        """Return the name that replicas serve it by, beside any other version."""
        return served_as(self.name, self.number)

    @property
    def digest(self) -> str:
        """Return what stands for all its files."""
        return digest_of(self.digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How somebody named a version: by an alias or by its number."""

    alias: Alias | None = None
    number: int | None = None

    def __str__(self) -> str:
        return f"alias:{self.alias}" if self.alias else f"version:{self.number}"


def version_of(record: Mapping[str, Any]) -> Version:
    """Return a version as it was written down, in a record whose seal is good."""
    known = tuple(Known(**each) for each in record["fingerprint"])
    return Version(**{**record, "fingerprint": known})


def served_as(name: str, number: int) -> str:
    """Name a version for replicas.

    >>> served_as("clinic", 7)
    'clinic-v7'
    """
    return f"{name}-v{number}"


def digest_of(digests: Mapping[str, str]) -> str:
    """Return one digest of many files, whatever order they come in."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_reference(told: str) -> Reference:
    """Read `alias:candidate` or `version:7`.

    Raises:
        AdapterRefused: it is neither.

    >>> str(read_reference("version:7")), str(read_reference("alias:eval-passed"))
    ('version:7', 'alias:eval-passed')
    """
    found = _REFERENCE.fullmatch(told)
    if found and found["number"]:
        return Reference(number=int(found["number"]))
    if found and found["alias"] in set(Alias):
        return Reference(alias=Alias(found["alias"]))
    known = ", ".join(Alias)
    raise AdapterRefused("unknown-name", f"expected version:<number>, or alias: and one of {known}")
