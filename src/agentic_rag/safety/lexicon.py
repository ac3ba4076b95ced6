"""The lexicon: which concepts a word stands for, however it is spelt."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import OSA

from agentic_rag.safety.spelling import devanagari, english, indic, is_devanagari
from agentic_rag.yaml_files import read_yaml

LEXICON = Path(__file__).with_name("lexicon.yaml")
ORDINARY = Path(__file__).with_name("ordinary.txt")

_FUZZY_FROM, _FUZZY_TWICE_FROM = 5, 8
_TURNED_FROM = 4
_LONGEST = 24  # characters of a word that are looked at
_LATIN_STEM = (
    4  # a shorter word or stem in Devanagari says too little about a word in Latin letters
)


@dataclass(frozen=True, slots=True)
class Forms:
    """A word as typed, and as the English and the Indic half of the lexicon spell it."""

    text: str
    english: str
    indic: str


@lru_cache(maxsize=1 << 16)
def forms_of(word: str) -> Forms:
    """Spell a word in every way that the lexicon is asked for."""
    word = word[:_LONGEST]
    return Forms(word, english(word), indic(word))


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of a phrase, or the beginning of one."""

    key: str
    is_stem: bool
    language: str

    def fits(self, forms: Forms) -> bool:
        """Tell whether a word is this one."""
        said = forms.english if self.language == "en" else forms.indic
        return said.startswith(self.key) if self.is_stem else said == self.key


@dataclass(slots=True)
class _Half:
    """The single words of one language group, by spelling."""

    is_indic: bool
    exact: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    keys: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stems: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    script_exact: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    script_stems: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    near: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class Lexicon:
    """Concepts by word and phrase; a concept is a bit."""

    def __init__(
        self,
        table: Mapping[str, Mapping[str, str]],
        ordinary: Iterable[str],
        grammar: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.bits = {name: 1 << at for at, name in enumerate(table)}
        self.everything = (1 << len(self.bits)) - 1
        self.particles = {name: frozenset(w.split()) for name, w in grammar["particles"].items()}
        self.endings = {name: tuple(w.split()) for name, w in grammar["endings"].items()}
        self._groups = grammar["groups"]
        self.frames = self.group("frames")
        self._ordinary = frozenset(ordinary)
        self._halves = {"en": _Half(is_indic=False), "in": _Half(is_indic=True)}
        self._phrases: dict[str, list[tuple[tuple[Piece, ...], int]]] = defaultdict(list)
        self._stem_phrases: dict[str, list[tuple[tuple[Piece, ...], int]]] = defaultdict(list)
        for concept, languages in table.items():
            for language, words in languages.items():
                for word in words.split():
                    self._add(word, language, concept)
        for word in map(english, self._ordinary):
            if len(word) >= _FUZZY_FROM:
                self._halves["en"].near[word[0]].append(word)
        self._by_letters = {
            _letters(piece.key): piece.key
            for phrases in self._phrases.values()
            for pieces, _ in phrases
            for piece in pieces
            if piece.language == "en" and not piece.is_stem and len(piece.key) >= _TURNED_FROM
        }
        self.righted = lru_cache(maxsize=1 << 16)(self._right)
        self.look = lru_cache(maxsize=1 << 16)(self._look)
        self.begun = lru_cache(maxsize=1 << 16)(self._find_begun)
        self.pairs = lru_cache(maxsize=1 << 17)(self._find_pairs)

    def _right(self, word: str) -> str:
        """Turn two letters back, where a word that means nothing is so one of a phrase: "wnat"."""
        if len(word) < _TURNED_FROM or word in self._ordinary or self.look(word):
            return word
        meant = self._by_letters.get(_letters(word), word)
        return meant if OSA.distance(word, meant, score_cutoff=1) <= 1 else word

    def mask(self, *concepts: str) -> int:
        """Return the bits of some concepts.

        Raises:
            KeyError: there is no such concept.
        """
        bits = 0
        for concept in concepts:
            bits |= self.bits[concept]
        return bits

    def group(self, name: str) -> int:
        """Return the bits of the concepts that belong together for what they do.

        Raises:
            KeyError: there is no such group, or one of its concepts is none.
        """
        return self.mask(*self._groups[name].split())

    def phrases_at(self, words: Sequence[str], at: int) -> list[tuple[int, int]]:
        """Return (words, concepts) of each phrase that starts here."""
        found = self.pairs(words[at], words[at + 1]) if at + 1 < len(words) else None
        if not found:
            return []
        return [
            (len(rest) + 2, bits)
            for rest, bits in found
            if not rest or _fit(rest, words[at + 2 : at + 2 + len(rest)])
        ]

    def _find_pairs(self, word: str, after: str) -> list[tuple[tuple[Piece, ...], int]]:
        """Return what follows in the phrases that may begin with two words."""
        begun = self.begun(word)
        if not begun:
            return []
        follows = forms_of(after)
        return [(pieces[2:], bits) for pieces, bits in begun if pieces[1].fits(follows)]

    def _find_begun(self, word: str) -> list[tuple[tuple[Piece, ...], int]]:
        """Return the phrases that may begin with a word."""
        forms = forms_of(word)
        spelt = {forms.english, forms.indic}
        stems = {each[:length] for each in spelt for length in range(2, len(each) + 1)}
        found = [each for key in spelt for each in self._phrases.get(key, ())]
        found += [each for key in stems for each in self._stem_phrases.get(key, ())]
        return [(pieces, bits) for pieces, bits in found if pieces[0].fits(forms)]

    def _add(self, word: str, language: str, concept: str) -> None:
        bits = self.bits[concept]
        if "_" in word.strip("_"):
            pieces = tuple(_piece(part, language) for part in word.split("_") if part)
            where = self._stem_phrases if pieces[0].is_stem else self._phrases
            where[pieces[0].key].append((pieces, bits))
            return
        half, piece = self._halves[language], _piece(word.strip("_"), language)
        if is_devanagari(word):
            half_of = half.script_stems if piece.is_stem else half.script_exact
            half_of[devanagari(word.rstrip("*"))] |= bits
        if piece.is_stem:
            if not is_devanagari(word) or len(piece.key) >= _LATIN_STEM:
                for key in {piece.key, _clipped(piece.key)}:
                    half.stems[key] |= bits
            return
        half.exact[word] |= bits
        if is_devanagari(word) and len(piece.key) < _LATIN_STEM:
            return
        half.keys[piece.key] |= bits
        if len(piece.key) >= _FUZZY_FROM and not bits & self.frames:
            half.near[piece.key[0]].append(piece.key)

    def _look(self, word: str) -> int:
        """Return the concepts of a single word: as it stands, respelt, by its stem, then nearly."""
        forms, en, ind = forms_of(word), self._halves["en"], self._halves["in"]
        if is_devanagari(word):
            spelt = devanagari(forms.text)
            found = en.exact.get(word, 0) | ind.script_exact.get(spelt, 0)
            found |= _by_stem(ind.script_stems, spelt)
            heard = ind.keys.get(forms.indic, 0) if len(forms.indic) >= _FUZZY_FROM else 0
            return found or heard
        found = en.exact.get(word, 0) | ind.exact.get(word, 0)
        if not found and len(forms.english) >= _LATIN_STEM and word not in self._ordinary:
            found = en.keys.get(forms.english, 0)
        if found or word in self._ordinary:
            return found
        found = ind.keys.get(forms.indic, 0) | _by_stem(ind.stems, forms.indic)
        found |= _by_stem(en.stems, forms.english)
        return found or _nearly(en, forms.english) or _nearly(ind, forms.indic)


def read_lexicon(more: Mapping[str, Sequence[str]]) -> Lexicon:
    """Read the shipped lexicon and add concepts, each with its phrases.

    Raises:
        OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError: it is broken.
    """
    table: dict[str, Any] = read_yaml(LEXICON)
    table.pop("version")
    grammar = {name: table.pop(name) for name in ("particles", "endings", "groups")}
    added = {name: {"en": " ".join(words)} for name, words in more.items()}
    return Lexicon(table | added, ORDINARY.read_text(encoding="utf-8").split(), grammar)


def _fit(pieces: Sequence[Piece], words: Sequence[str]) -> bool:
    for piece, word in zip(pieces, words, strict=False):
        if not piece.fits(forms_of(word)):
            return False
    return len(pieces) == len(words)


def _piece(word: str, language: str) -> Piece:
    stem = word.rstrip("*").casefold()
    if language == "in" and stem.endswith("y"):  # within a word a "y" is none that ends it
        return Piece(indic(stem + "a")[:-1], word.endswith("*"), language)
    spelt = english(stem) if language == "en" else indic(stem)
    return Piece(spelt, word.endswith("*"), language)


def _clipped(key: str) -> str:
    """Leave out the last, unspoken vowel of a stem, as its longer forms do: ugad-, ugd-."""
    vowels = "aeiou"
    unspoken = len(key) > 3 and key[-2] == "a" and key[-4] in vowels and key[-3] not in vowels  # noqa: PLR2004
    return key[:-2] + key[-1] if unspoken and key[-1] not in vowels else key


def _by_stem(stems: Mapping[str, int], word: str) -> int:
    found = 0
    for length in range(2, len(word) + 1):
        found |= stems.get(word[:length], 0)
    return found


def _letters(word: str) -> str:
    """Return what words have in common that differ by the order of their letters."""
    return word[0] + "".join(sorted(word))


def _nearly(half: _Half, word: str) -> int:
    if len(word) < _FUZZY_FROM + half.is_indic or not word.isalpha():
        return 0
    slips = 1 if len(word) < _FUZZY_TWICE_FROM or half.is_indic else 2
    candidates = half.near.get(word[0], [])
    best = process.extractOne(word, candidates, scorer=OSA.distance, score_cutoff=slips)
    return half.keys.get(best[0], 0) if best else 0
