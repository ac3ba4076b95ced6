"""Suites: what each gate asks, and a digest of it, so that a result of another is told apart."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import orjson

from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.versions import Version
from agentic_rag.errors import BadSuite
from agentic_rag.evaluation.cases import SHIPPED_SUITES

LIMITS = {
    "p95_s": 8.0,
    "p95_s_times_live": 1.15,
    "ttft_p95_s": 2.0,
    "ttft_p95_s_times_live": 1.15,
    "requests_per_s": 2.0,
    "requests_per_s_times_live": 0.85,
    "success": 0.99,
}
"""What a version has to keep to under load: success and rates at least, times at most."""

_MOST_QUESTIONS = 60
# what is reached by now is the floor: not all that is wanted is, whoever answers
_SHIPPED_FLOORS = SHIPPED_SUITES.with_name("reached.yaml")


class Suites:
    """The golden questions, the floors, and what is wanted under load."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read nothing yet; `folder` has golden.jsonl, thresholds.yaml and perhaps packs/."""
        self.folder = folder or SHIPPED_SUITES
        self.floors = folder / "thresholds.yaml" if folder else _SHIPPED_FLOORS

    def digest(self, gate: Gate, version: Version) -> str:
        """Return what stands for all that a gate asks here and now.

        Raises:
            BadSuite: a file of it cannot be read.
        """
        if gate is Gate.SMOKE:
            known = [asdict(each) for each in version.fingerprint]
            return _digest([orjson.dumps(known)])
        try:
            if gate is Gate.LOAD_TEST:
                return _digest([orjson.dumps([LIMITS, self.questions()])])
            return _digest([self._golden(), self.floors.read_bytes(), *self._packs()])
        except OSError as error:
            raise BadSuite(f"{self.folder}: cannot be read: {error.strerror}") from error

    def questions(self) -> list[str]:
        """Return some golden questions, as they are asked under load.

        Raises:
            BadSuite: they cannot be read.
        """
        try:
            lines = self._golden().splitlines()[:_MOST_QUESTIONS]
            asked = [str(orjson.loads(line)["question"]) for line in lines if line.strip()]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise BadSuite(f"{self.folder}/golden.jsonl: cannot be read") from error
        if not asked:
            raise BadSuite(f"{self.folder}/golden.jsonl: holds no question")
        return asked

    def _golden(self) -> bytes:
        return (self.folder / "golden.jsonl").read_bytes()

    def _packs(self) -> list[bytes]:
        """Return the files of the packs that questions name, each behind its path."""
        packs = self.folder / "packs"
        paths = sorted(path for path in packs.rglob("*") if path.is_file())
        parts = ((path.relative_to(packs).as_posix().encode(), path.read_bytes()) for path in paths)
        return [part for pair in parts for part in pair]


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(b"%d\n" % len(part))
        found.update(part)
    return found.hexdigest()
