"""Spelling: mends the slips of a question with the words of the documents, then with English."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import OSA
from spellchecker import SpellChecker, WordFrequency

from agentic_rag.language import GENERIC_WORDS, STOP_WORDS

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_VOWELS = re.compile(r"[aeiouy]")
_ONE_SOUND = str.maketrans("cqz", "kks")
_DOUBLED = re.compile(r"(.)\1+")
_SHORTEST = 3  # letters: what is shorter is left as it is
_SHORT, _LONG = 4, 7  # letters: up to here a word keeps its consonants, from there it has two slips
_MOST = 12  # words of a question that are looked up
_REMEMBERED = 10_000
_RARE = 50  # what the dictionary counts for a word that it has from a list alone
_ASKING = frozenset("close cost costs fee fees hour hours open price prices".split())  # noqa: SIM905
_SHORTHAND = {
    "u": "you", "ur": "your", "r": "are", "b4": "before", "hw": "how",
    "wat": "what", "wht": "what", "wen": "when", "whn": "when", "wer": "where", "wich": "which",
    "pls": "please", "plz": "please", "thx": "thanks", "thnx": "thanks", "abt": "about",
    "bcoz": "because", "coz": "because", "cud": "could", "wud": "would", "shud": "should",
    "hav": "have", "gud": "good", "nd": "and", "n": "and",
    "nite": "night", "tonite": "tonight", "lite": "light", "thru": "through", "cuz": "because",
    "tht": "that", "thr": "there", "wid": "with",
    "msg": "message", "appt": "appointment", "mins": "minutes", "hrs": "hours", "dr": "dr",
}  # fmt: skip
# One of these, and the question is typed in Hindi or Marathi: its words are no slips of English.
_NO_ENGLISH = frozenset(
    """
    aahe aani ahe ahet aur chahiye hai hain hoga hota hoti hotay hua hui ka kaay kadhi kaise kasa
    kashi kay ke ki kiti kitna kitne kitni ko koi kya kyun kuthe madhye main mazya mein mera mere
    meri mujhe nahi nahin nai sakta sakte sakti se tha thi tumhi yeh
    """.split()  # noqa: SIM905
)
_LITTLE = STOP_WORDS | GENERIC_WORDS | _ASKING
_ENOUGH_FOREIGN = 2


class Speller:
    """Knows the words of the documents, and English; a word that it knows is left as it is.

    The documents' words come first: what a patient means is most likely there. But English stands
    between them and a word that merely looks alike: "salary" is no slip of "saliva".

    >>> Speller(["price", "denture"]).mend("wat is teh prise of a dentchure for a horse?")
    'what is the price of a denture for a horse?'
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        """Take the words of the documents, in lower case; English is loaded when it is needed."""
        self._vocabulary = frozenset(vocabulary)
        self._by_letter = _by_letter(self._vocabulary)
        self._found: dict[str, str | None] = {}

    def mend(self, text: str) -> str:
        """Return the text with each unknown word put as the known one that it is a slip of."""
        told = _WORD.findall(text)
        if sum(word.lower() in _NO_ENGLISH for word in told) >= _ENOUGH_FOREIGN:
            return text
        # a capital behind the first word is a name or an abbreviation
        small = [w for at, w in enumerate(told) if w.islower() or not (at or w[1:2].isupper())]
        doubtful = [word for word in dict.fromkeys(small) if not self._knows(word.lower())][:_MOST]
        meant = {word: self._meant_by(word.lower()) for word in doubtful}
        return _WORD.sub(lambda found: meant.get(found[0]) or found[0], text)

    def _knows(self, word: str) -> bool:
        if word in _SHORTHAND:
            return False
        if len(word) < _SHORTEST or word in self._vocabulary:
            return True
        # so rare a word is less likely meant than one of the documents that is a slip away
        is_rare = _english()[word] <= _RARE
        return word in _english() and not (is_rare and self._nearest(word) in self._vocabulary)

    def _meant_by(self, word: str) -> str | None:
        if word not in self._found:  # another thread may work it out, or clear, at the same time
            if len(self._found) > _REMEMBERED:
                self._found.clear()
            self._found[word] = _SHORTHAND.get(word) or self._nearest(word)
        return self._found.get(word)

    def _nearest(self, word: str) -> str | None:
        if not word.isascii() or not word.isalpha():
            return None
        # a slip hardly ever hits the first letter (Pollock & Zamora 1984)
        told, english = self._by_letter.get(word[0], ()), _english_by_letter().get(word[0], ())
        near = _alike(word, told, 1) or _alike_little(word)
        near = near or _sound_alike(word, told) or _alike(word, english, 1)
        if not near and len(word) >= _LONG:
            near = _alike(word, told, 2) or _alike(word, english, 2)
        return max(near, key=lambda each: (_sounds_as(word, each), _english()[each]), default=None)


def _alike(word: str, words: Sequence[str], slips: int) -> list[str]:
    found = process.extract(word, words, scorer=OSA.distance, score_cutoff=slips, limit=None)
    near = [each for each, _, _ in found if len(each) >= _SHORTEST]
    if len(word) > _SHORT:
        return near
    # so short a word is near to many: "chai" is no slip of "chair", nor "paan" of "pan"
    return [each for each in near if len(each) >= len(word) and _sounds_as(word, each)]


def _alike_little(word: str) -> list[str]:
    """Return the little words that are a slip away: "whqt", "doez", "mukh"."""
    little = _little_by_letter().get(word[0], ())
    return [each for each in little if OSA.distance(word, each, score_cutoff=1) <= 1]


def _sound_alike(word: str, words: Sequence[str]) -> list[str]:
    """Return the words with two other vowels: who spells by ear gets those wrong together."""
    if len(word) <= _SHORT:
        return []
    return [each for each in _alike(word, words, 2) if _sounds_as(word, each)]


def _sounds_as(word: str, other: str) -> bool:
    """Tell whether two words have the same consonants: hurry leaves vowels out, or turns letters.

    >>> _sounds_as("crwn", "crown"), _sounds_as("teh", "the"), _sounds_as("chai", "chair")
    (True, True, False)
    >>> _sounds_as("staf", "staff"), _sounds_as("copys", "copies"), _sounds_as("cozt", "cost")
    (True, True, True)
    """
    return sorted(word) == sorted(other) or _consonants(word) == _consonants(other)


def _consonants(word: str) -> str:
    return _VOWELS.sub("", _DOUBLED.sub(r"\1", word.replace("ph", "f").translate(_ONE_SOUND)))


def load_english() -> None:
    """Load now what the first unknown word would have to wait for."""
    _english_by_letter()


@cache
def _little_by_letter() -> Mapping[str, Sequence[str]]:
    return _by_letter(each for each in _LITTLE if len(each) >= _SHORTEST)


@cache
def _english() -> WordFrequency:
    return SpellChecker(language="en", distance=1).word_frequency


@cache
def _english_by_letter() -> Mapping[str, Sequence[str]]:
    words = _english()
    return _by_letter(word for word in words.words() if words[word] > _RARE)


def _by_letter(words: Iterable[str]) -> Mapping[str, Sequence[str]]:
    by_letter: dict[str, list[str]] = {}
    for word in words:
        by_letter.setdefault(word[:1], []).append(word)
    return by_letter
