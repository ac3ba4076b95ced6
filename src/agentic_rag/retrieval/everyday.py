"""Everyday words: what patients of any clinic say for what its documents say. Pure."""

from importlib.resources import files

from agentic_rag.language import groups_in


def everyday_words() -> list[list[str]]:
    """Return groups of words and phrases.

    They are for finding: some are looser than what may stand for one another in a proof.
    """
    return groups_in(files(__package__).joinpath("everyday.txt").read_text(encoding="utf-8"))
