"""Knows which words can stand for one another: their stems, and a small dictionary. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from agentic_rag.language import groups_in, stem

_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_PLAIN = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"), **dict.fromkeys("\u201c\u201d\u201e", '"')}
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
_SPELLING = (
    (re.compile(r"is(ation|e|ed|es|ing|er)s?$"), r"iz\1"),
    (re.compile(r"(?<=[a-z]{3})our"), "or"),
    (re.compile(r"ae|oe"), "e"),
    (
        re.compile(r"(cancel|label|travel|counsel|model|level|signal|dial)l(ed|ing|er|ation)$"),
        r"\1\2",
    ),
    (re.compile(r"yse"), "yze"),
    (re.compile(r"(?<=[a-z]{3})tre$"), "ter"),
)
_SHORT = 6  # a shorter word is spelled the same everywhere, or means another thing
_FORMS = """
    tooth: teeth; child: children; foot: feet; woman: women; man: men; person: people persons;
    take: took taken; go: went gone goes; break: broke broken; eat: ate eaten; give: gave given;
    do: did done does; pay: paid; keep: kept; bring: brought; leave: left; lose: lost;
    feel: felt; hold: held; tell: told; swell: swelled swollen; bleed: bled; wear: wore worn;
    drink: drank drunk; drive: drove driven; know: knew known; see: saw seen; send: sent;
    show: shown; sell: sold; speak: spoke spoken; throw: threw thrown; make: made;
    choose: chose chosen; write: wrote written; come: came; get: got gotten; begin: began begun;
    grow: grew grown; say: said; sleep: slept; stand: stood; lie: lay lain lying;
    rise: rose risen; fall: fell fallen; find: found; build: built; teach: taught; buy: bought;
    understand: understood; hide: hid hidden; wake: woke woken; freeze: frozen; have: had has;
    mean: meant; meet: met; shake: shook shaken; draw: drawn; stick: stuck; bite: bit bitten;
    tear: torn; wash: washed; lend: lent; withdraw: withdrew withdrawn; catch: caught;
    think: thought; lead: led; feed: fed; burn: burnt; learn: learnt;
    lay: laid; ride: rode ridden; run: ran; sing: sang sung; sit: sat; shrink: shrank shrunk;
    spend: spent; spill: spilt; swim: swam swum; sweep: swept;
    blow: blew blown; fly: flew flown; forget: forgot forgotten; hear: heard;
    leap: leapt; light: lit; shine: shone; sink: sank sunk; spring: sprang sprung;
    steal: stolen; strike: struck; undo: undone; redo: redone; undergo: underwent undergone;
    become: became; win: won; bend: bent; dig: dug; fight: fought; sew: sewn;
    overdo: overdone; arise: arose arisen; weave: woven; deal: dealt;
"""
_IRREGULAR = {
    form: word
    for word, _, forms in (each.strip().partition(": ") for each in _FORMS.split(";"))
    for form in forms.split()
}


_ADVERB = re.compile(r"(?<=[a-z]{3})ly$")
_NO_ADVERBS = frozenset(
    """
    early daily weekly monthly yearly hourly nightly only family reply apply supply july italy
    hardly nearly lately shortly directly likely elderly friendly barely scarcely rarely mostly
    reapply resupply jelly belly ugly assembly anomaly butterfly
    """.split()  # noqa: SIM905  # a list of words reads best as words
)
"""What ends in "ly" and is no adverb, or says another thing than its adjective."""
_UNSTEMMED = frozenset({"consultant", "consultants"})  # no consultation


def visible(text: str) -> str:
    """Return a text without characters that nobody sees."""
    return _HIDDEN.sub("", text)


def plain(text: str) -> str:
    """Return a text without what only looks different: signs of one meaning, hidden characters.

    >>> plain("2\u20133\u00a0days, don\u2019t")
    "2-3 days, don't"
    """
    return unicodedata.normalize("NFKC", visible(text)).translate(_PLAIN)


@lru_cache(maxsize=65_536)
def root(word: str) -> str:
    """Return the stem of a lower-case word, however it is inflected or spelled.

    >>> root("teeth") == root("tooth"), root("sterilization") == root("sterilised")
    (True, True)
    """
    word = word.removesuffix("'s").replace("'", "")
    word = _IRREGULAR.get(word, word)
    if word in _UNSTEMMED:
        return "consultant"
    if word not in _NO_ADVERBS:
        word = _ADVERB.sub("" if word[-3:-2] != "b" else "le", word)
    if len(word) >= _SHORT:
        for pattern, spelled in _SPELLING:
            word = pattern.sub(spelled, word)
    return stem(word)


class Phrase(NamedTuple):
    """A phrase of the dictionary, and the name of its group."""

    roots: tuple[str, ...]
    group: str


class Dictionary:
    """Groups of words and phrases that say the same."""

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._words: dict[str, set[str]] = {}
        self._phrases: dict[str, list[Phrase]] = {}
        for at, forms in enumerate(groups):
            for form in forms:
                self._add(tuple(root(word) for word in words_of(plain(form).lower())), f"={at}")

    def _add(self, roots: tuple[str, ...], group: str) -> None:
        if len(roots) == 1:
            self._words.setdefault(roots[0], set()).add(group)
        elif roots:
            self._phrases.setdefault(roots[0], []).append(Phrase(roots, group))

    @lru_cache(maxsize=65_536)  # noqa: B019  # one or two dictionaries live as long as the process
    def meanings(self, word_root: str) -> frozenset[str]:
        """Return what a word can stand for: itself, and its groups."""
        return frozenset({word_root, *self._words.get(word_root, ())})

    def phrases_at(self, roots: Sequence[str], at: int) -> list[Phrase]:
        """Return the phrases that begin at a place, longest first."""
        begun = self._phrases.get(roots[at], ())
        found = [p for p in begun if tuple(roots[at : at + len(p.roots)]) == p.roots]
        return sorted(found, key=lambda p: -len(p.roots))


_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|%")


def words_of(text: str) -> list[str]:
    """Return the words of a lower-case text, "24/7" in its parts."""
    return _WORD.findall(text)


@lru_cache(maxsize=8)  # one a clinic
def dictionary(synonyms: tuple[tuple[str, ...], ...] = ()) -> Dictionary:
    """Return what any English text shares, and a clinic's own groups of synonyms."""
    return Dictionary([*paraphrases(), *synonyms])


def paraphrases() -> list[list[str]]:
    """Return the groups of words and phrases that say the same in any English text about care."""
    return groups_in(files(__package__).joinpath("paraphrases.txt").read_text(encoding="utf-8"))


def groups_of(synonyms: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return a pack's synonyms as groups.

    >>> groups_of({"crown": ["cap"]})
    (('crown', 'cap'),)
    """
    return tuple((term, *others) for term, others in synonyms.items())
