"""The shelf: verified copies of versions, and the slot, in a folder that replicas read."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import orjson
from filelock import AsyncFileLock, Timeout

from agentic_rag.adapters import files
from agentic_rag.adapters.sealing import Body, seal, unseal_text
from agentic_rag.adapters.versions import Version, version_of
from agentic_rag.errors import AdapterRefused, BadAdapter
from agentic_rag.inference.slot import SLOT, Slot, Speaker, slot_of

_VERSION, _SLOT = "copy of a version", "slot"


class Shelf:
    """One adapter's folder: `<number>/` with its files, `<number>.json` beside it, `slot.json`."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """Touch nothing yet."""
        self.folder = folder
        self._key = key

    def path(self, number: int) -> Path:
        """Return where a version's files are, for us and for the replicas."""
        return self.folder / str(number)

    @asynccontextmanager
    async def held(self, wait_s: float = 5.0) -> AsyncIterator[None]:
        """Keep others off, who are waited for so long; whoever is killed lets go.

        Raises:
            AdapterRefused: somebody else is at work.
        """
        self._make(self.folder)
        try:
            async with AsyncFileLock(self.folder / "lock", timeout=wait_s):
                yield
        except Timeout:
            raise AdapterRefused("busy", f"somebody else is at work in {self.folder}") from None

    def begun(self, number: int) -> Path:
        """Return where a copy is being made, with what there is of it."""
        part = self.folder / f"{number}.part"
        self._make(part)
        return part

    def finish(self, version: Version) -> None:
        """Make a whole copy of what was begun, and say what it is of.

        Raises:
            BadAdapter: it is not what was registered; it is thrown away.
        """
        part = self.folder / f"{version.number}.part"
        try:
            files.check(part, version.digests)
        except BadAdapter:
            shutil.rmtree(part, ignore_errors=True)
            raise
        for path in version.digests:
            files.keep(part / path)
        shutil.rmtree(self.path(version.number), ignore_errors=True)
        self._write(self.folder / f"{version.number}.json", _VERSION, asdict(version))
        part.rename(self.path(version.number))
        files.keep(self.folder)

    def check(self, number: int) -> Version:
        """Return what a copy is of, having looked at every byte of it.

        Raises:
            BadAdapter: it is not there, or is not whole.
            AdapterRefused: what is said of it was edited.
        """
        record = self._read(self.folder / f"{number}.json", _VERSION)
        if record is None or not self.path(number).is_dir():
            raise BadAdapter(f"{number}: is not on the shelf")
        version = version_of(record)
        files.check(self.path(number), version.digests)
        return version

    def holds(self, version: Version) -> bool:
        """Tell whether there is a whole copy; one that is not is no copy."""
        try:
            return self.check(version.number) == version
        except BadAdapter:
            return False

    def slot(self) -> Slot | None:
        """Return who speaks; None where nobody was ever told to.

        Raises:
            AdapterRefused: it was edited.
        """
        record = self._read(self.folder / SLOT, _SLOT)
        return None if record is None else slot_of(record)

    def set_slot(self, slot: Slot) -> None:
        """Change who speaks, in one step."""
        self._make(self.folder)
        self._write(self.folder / SLOT, _SLOT, asdict(slot))

    def _read(self, path: Path, kind: str) -> Body | None:
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadAdapter(f"{path.name}: cannot be read: {error.strerror}") from error
        return unseal_text(kind, text, self._key)

    def _write(self, path: Path, kind: str, record: Body) -> None:
        """Write a file whole or not at all."""
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(orjson.dumps(seal(kind, record, self._key)))
            files.keep(part)
            part.replace(path)
            files.keep(path.parent)
        except OSError as error:
            raise BadAdapter(f"{path.name}: cannot be written: {error.strerror}") from error

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadAdapter(f"{folder}: cannot be made: {error.strerror}") from error


def speaker(version: Version) -> Speaker:
    """Return a version as the slot names it."""
    return Speaker(number=version.number, served_as=version.served_as, digest=version.digest)
