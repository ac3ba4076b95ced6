"""Where the index stands, what questions are embedded with, and how a pack likes to be searched."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from agentic_rag.clinic.profile import Clinic
from agentic_rag.language import words
from agentic_rag.retrieval.embedding.backends import Recipe, pick_backend
from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.premises import Premises
from agentic_rag.settings import Settings

if TYPE_CHECKING:
    from agentic_rag.retrieval.chroma_server import ServerAddress


def build_premises(settings: Settings) -> Premises:
    """Pick where the index stands, and what questions are embedded with.

    Raises:
        BadSettings: CHROMA_CA_FILE cannot be used.
    """
    return Premises(
        shelf=IndexShelf(settings.data_dir / "index"),
        embedder=build_embedder(settings),
        server=_server_address(settings) if settings.chroma_host else None,
        collection=settings.chroma_collection,
    )


def build_embedder(settings: Settings) -> Embedder:
    """Pick the embedder; what it computes with is picked at first use."""
    return Embedder(partial(pick_backend, embedder_recipe(settings)))


def embedder_recipe(settings: Settings) -> Recipe:
    """Tell what the embedder is made of."""
    return Recipe(
        model=settings.embedding_model,
        folder=export_folder(settings),
        backend=settings.embedding_backend,
        precision=settings.embedding_precision,
        threads=settings.embedding_threads,
    )


def export_folder(settings: Settings) -> Path:
    """Tell where the exported embedder stands."""
    return settings.embedding_dir or settings.data_dir / "embedder"


def taste_of(clinic: Clinic) -> Taste:
    """Take out of a pack how it wants to be searched."""
    profile = clinic.profile
    spoken = [words(form) for term, forms in profile.synonyms.items() for form in (term, *forms)]
    return Taste(
        noisy_sources=profile.noisy_sources,
        precedence=profile.precedence,
        spoken=tuple(chain.from_iterable(spoken)),
    )


def _server_address(settings: Settings) -> ServerAddress:
    from agentic_rag.retrieval.chroma_server import ServerAddress, trust

    token = settings.chroma_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for name, value in settings.chroma_headers.items():
        headers[name] = value.get_secret_value()
    return ServerAddress(
        settings.chroma_host,
        settings.chroma_port,
        settings.chroma_timeout_s,
        headers=headers,
        tls=trust(settings.chroma_ca_file) if settings.chroma_ssl else None,
    )
