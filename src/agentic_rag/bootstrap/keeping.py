"""What keeps records of answers: the database that servers share, or a file."""

from agentic_rag.glass.keeper import Keeper
from agentic_rag.settings import Settings


def build_keeper(settings: Settings) -> Keeper:
    """Pick the keeper; opens nothing. Imports the one that is used, and not the other's library."""
    if url := settings.database_url.get_secret_value():
        from agentic_rag.glass.postgres import PostgresKeeper

        return PostgresKeeper(url, settings.answers_ttl)
    from agentic_rag.glass.sqlite import SqliteKeeper

    return SqliteKeeper(settings.data_dir / "answers.db", settings.answers_ttl)
