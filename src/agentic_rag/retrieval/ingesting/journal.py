"""The journal: vectors that were computed for a version that is not made yet."""

import hashlib
import logging
import mmap
import os
import shutil
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agentic_rag.retrieval.embedding.embedder import Vectors

logger = logging.getLogger(__name__)

_HEAD = struct.Struct("<4sIIII")  # mark, length of the ids, rows, dimension, checksum
_MARK = b"agrj"
_MAX_BYTES = 8 << 30


class _Place(NamedTuple):
    offset: int
    dimension: int


class Journal:
    """Blocks of vectors, appended as they are computed: a run that is cut off costs one block.

    One process writes it, the one that holds the ingest lock. What a cut-off write has left at its
    end is overwritten.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Read what is there; `fingerprint` names the embedder, whose vectors alone are of use."""
        self._folder = folder
        self._path = folder / hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
        self._places: dict[str, _Place] = {}
        self._map: mmap.mmap | None = None
        self._end = 0
        if self._path.is_file() and self._path.stat().st_size:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._scan(self._map)

    def __len__(self) -> int:
        return len(self._places)

    def find(self, ids: Iterable[str]) -> dict[str, Vectors]:
        """Return those vectors that it held when it was opened, by id."""
        return {each: self._vector(self._places[each]) for each in ids if each in self._places}

    def append(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Add a block, and have it reach the disk."""
        names = "\n".join(ids).encode("ascii")
        content = names + np.ascontiguousarray(vectors, dtype="<f4").tobytes()
        if self._end + len(content) > _MAX_BYTES:
            logger.warning("the journal is full; a run that is cut off embeds the rest again")
            return
        head = _HEAD.pack(_MARK, len(names), *vectors.shape, zlib.crc32(content))
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.seek(self._end)
            file.write(head + content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._end += len(head) + len(content)

    def close(self) -> None:
        """Let go of the file."""
        if self._map:
            self._places.clear()
            self._map.close()
            self._map = None

    def remove(self) -> None:
        """Remove it, and any that another embedder has left."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _scan(self, content: mmap.mmap) -> None:
        while self._end + _HEAD.size <= len(content):
            mark, length, rows, dimension, checksum = _HEAD.unpack_from(content, self._end)
            start = self._end + _HEAD.size
            end = start + length + 4 * rows * dimension
            if mark != _MARK or end > len(content) or zlib.crc32(content[start:end]) != checksum:
                return
            for row, name in enumerate(content[start : start + length].decode("ascii").split()):
                offset = start + length + 4 * row * dimension
                self._places[name] = _Place(offset, dimension)
            self._end = end

    def _vector(self, place: _Place) -> Vectors:
        if self._map is None:
            raise ValueError("the journal is closed")
        # a copy: no view may outlive the map
        return np.frombuffer(
            self._map, dtype="<f4", count=place.dimension, offset=place.offset
        ).astype(np.float32)
