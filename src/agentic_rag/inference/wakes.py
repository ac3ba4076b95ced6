"""Past wake-ups: how long they took, kept across restarts, and what that says of the next."""

import hashlib
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson

logger = logging.getLogger(__name__)

UNLEARNED_S = (
    120.0  # a wake-up takes so long until one was seen: with cached weights, a small model
)
_REMEMBERED = 20  # the last ones: a model, or the nodes under it, may have been changed since
_TAIL_BYTES = 65_536
_LONGEST_S = 86_400.0
_OVERDUE = 0.25  # a wake-up longer than all before: so much of what it took is expected once more


class Wakes:
    """The wake-ups of one model, each a line in a file that other models' share."""

    def __init__(self, path: Path, *, address: str, model: str) -> None:
        """Read nothing yet.

        Args:
            path: the file; it need not exist.
            address: where the model is; only its digest is kept, for it may hold a password.
            model: as its server calls it.
        """
        self._path = path
        self._model = model
        self._key = hashlib.sha256(f"{address} {model}".encode()).hexdigest()[:16]
        self._known: list[float] | None = None

    def left_s(self, spent_s: float) -> float:
        """Return how much longer a wake-up takes that has taken so long."""
        lasted = [each for each in self._seconds() if each > spent_s]
        if lasted:
            return median(lasted) - spent_s
        known = max(self._seconds(), default=UNLEARNED_S)
        return max(known - spent_s, _OVERDUE * spent_s)

    def add(self, seconds: float) -> None:
        """Remember how long one took; where nothing can be written, until we end."""
        self._known = [*self._seconds(), seconds][-_REMEMBERED:]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told = {"key": self._key, "model": self._model, "seconds": round(seconds, 3), "at": now}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                # the break goes first, so that a line that was cut off spoils itself alone
                file.write(b"\n" + orjson.dumps(told))
        except OSError as error:
            logger.warning("a wake-up is not remembered: %s: %s", self._path, error.strerror)

    def _seconds(self) -> list[float]:
        if self._known is None:
            self._known = list(self._read())[-_REMEMBERED:]
        return self._known

    def _read(self) -> Iterator[float]:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _TAIL_BYTES))
                lines = file.read(_TAIL_BYTES).splitlines()
        except OSError:
            return
        for line in lines:
            told = _parsed(line)
            seconds = told.get("seconds")
            if told.get("key") == self._key and _is_duration(seconds):
                yield float(seconds)  # type: ignore[arg-type]  # it is a number


def _is_duration(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 < value <= _LONGEST_S  # type: ignore[arg-type, operator]  # it is a number


def _parsed(line: bytes) -> dict[str, object]:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}
