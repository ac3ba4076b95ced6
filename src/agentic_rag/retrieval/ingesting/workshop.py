"""The workshop: the premises, and what is built with there."""

from dataclasses import dataclass, field

from agentic_rag.retrieval.ingesting.engine import Engine, LocalEngine
from agentic_rag.retrieval.premises import Premises


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop(Premises):
    """What ingest works with.

    Attributes:
        keep: versions to keep besides the live one.
        engine: what reads and embeds.
    """

    keep: int = 2
    engine: Engine = field(default_factory=LocalEngine)
