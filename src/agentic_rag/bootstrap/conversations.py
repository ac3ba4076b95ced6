"""What keeps conversations: a database that servers share, or a file."""

from agentic_rag.conversations.conversations import Conversations
from agentic_rag.conversations.store import Store
from agentic_rag.settings import Settings


def build_conversations(settings: Settings) -> Conversations | None:
    """Pick the store; opens nothing. None where no conversation is kept."""
    if not settings.session_ttl:
        return None
    return Conversations(_store(settings), settings.session_ttl)


def _store(settings: Settings) -> Store:
    """Import the one that is used, and not what the other stands on."""
    if url := settings.database_url.get_secret_value():
        from agentic_rag.conversations.postgres import PostgresStore

        return PostgresStore(url, settings.session_ttl)
    from agentic_rag.conversations.sqlite import SqliteStore

    return SqliteStore(settings.data_dir / "sessions" / "sessions.sqlite", settings.session_ttl)
