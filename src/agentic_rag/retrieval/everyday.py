"""Everyday words: what patients of any clinic say for what its documents say. Pure."""

from importlib.resources import files


def everyday_words() -> list[list[str]]:
    """Return groups of words and phrases, the documents' own first.

    They are for finding: some are looser than what may stand for one another in a proof.
    """
    lines = files(__package__).joinpath("everyday.txt").read_text(encoding="utf-8").splitlines()
    told = (line for line in lines if line.strip() and not line.startswith("#"))
    return [[form.strip() for form in line.split(",")] for line in told]
