"""Cuts a statement into words and signs, and finds the phrases among them. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentic_rag.safety.grammar import BOUNDING, NEGATORS, PARTICLES
from agentic_rag.safety.quantity import Quantity
from agentic_rag.safety.units import ORDINALS
from agentic_rag.safety.wording import Dictionary, root

_PIECE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d(?:[\w.,:/-]*\w)?|[,;:.!?()|-]")
_CONTRACTED = re.compile(r"(?<=\w)'(?:re|ll|d|ve|m|s)$")
_SPEAKING = NEGATORS | {"free", "other"}
_FARTHEST = 6  # words from a verb to its particle
_BEHIND_A_TIME = {"later", "earlier", "ahead", "ago", "advance"}


@dataclass(slots=True)
class Piece:
    """A word or a sign of a statement.

    Attributes:
        groups: of the phrases that it is part of.
        is_phrased: whether it is part of a phrase at all.
        is_swallowed: whether the phrase speaks for it, because there is a "no" in it.
        is_counted: whether a number in it is one of the phrase's: "every second day".
    """

    text: str
    root: str
    start: int
    end: int
    groups: tuple[str, ...] = ()
    is_phrased: bool = False
    is_swallowed: bool = False
    is_counted: bool = False

    @property
    def is_word(self) -> bool:
        """Tell whether it is no sign."""
        return self.text[0].isalnum()


def pieces_of(text: str, dictionary: Dictionary) -> list[Piece]:
    """Return the pieces of a plain text, each with the groups of its phrases."""
    pieces = []
    for found in _PIECE.finditer(text):
        said = _CONTRACTED.sub("", found[0].lower())
        pieces.append(Piece(said, root(said), *found.span()))
    _find_phrases([piece for piece in pieces if piece.is_word], dictionary)
    return pieces


def _find_phrases(words: Sequence[Piece], dictionary: Dictionary) -> None:
    roots = [word.root for word in words]
    for verb, particle, group in _parted(words, dictionary):
        for word in (verb, particle):
            word.groups += (group,)
    at = 0
    while at < len(words):
        step = 1
        for phrase in dictionary.phrases_at(roots, at):
            inside = words[at : at + len(phrase.roots)]
            speaks = any(word.text in _SPEAKING for word in inside)
            for word in inside:
                word.groups += (phrase.group,)
                word.is_phrased = True
                word.is_swallowed |= speaks
                word.is_counted |= "day" in phrase.roots and any(w.text in ORDINALS for w in inside)
            step = max(step, len(phrase.roots)) if speaks else step
        at += step


def _parted(words: Sequence[Piece], dictionary: Dictionary) -> Iterator[tuple[Piece, Piece, str]]:
    """Yield each verb whose particle stands behind what it acts on: "take the denture out"."""
    for at, verb in enumerate(words):
        for far in range(at + 2, min(at + _FARTHEST, len(words))):
            particle = words[far]
            if particle.text in PARTICLES:
                for phrase in dictionary.phrases_at([verb.root, particle.root], 0):
                    yield verb, particle, phrase.group
                break


def bounding(pieces: Sequence[Piece], numbers: Sequence[Quantity]) -> set[int]:
    """Return where the pieces stand that only bound a number, as in "no more than 5"."""
    found: set[int] = set()
    for quantity in numbers:
        before = [at for at, piece in enumerate(pieces) if piece.end <= quantity.start]
        behind = [at for at, piece in enumerate(pieces) if piece.start >= quantity.end]
        if quantity.side:
            found |= {at for at in behind if pieces[at].text in _BEHIND_A_TIME}
        if quantity.bound:
            nouns = [at for at in behind[:3] if pieces[at].root in quantity.nouns]
            found |= _leading(pieces, before[::-1]) | _leading(pieces, behind[len(nouns) :])
    return found


def _leading(pieces: Sequence[Piece], places: Sequence[int]) -> set[int]:
    """Return the places up to the first piece that bounds nothing."""
    end = next((n for n, at in enumerate(places) if pieces[at].text not in BOUNDING), len(places))
    return set(places[:end])
