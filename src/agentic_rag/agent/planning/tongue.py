"""Tongue: tells which language a patient writes, and puts it in the documents' English. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from agentic_rag.yaml_files import read_yaml

_LEXICON = Path(__file__).with_name("lexicon.yaml")
_MARKS = "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u200c\u200d"
_TOKEN = re.compile(rf"(?:[^\W_]|[{_MARKS}])+(?:['\u2019][^\W_]+)?")
_DEVANAGARI = re.compile("[\u0904-\u0939]")
_LONGEST_PHRASE = 3  # words
_STEM_CHARS = 3  # of Devanagari, from which a word may go on with an ending
_SURE = 0.2  # share of words in a Latin message that are Hindi or Marathi, from which it is

ENGLISH, HINDI, MARATHI = "en", "hi", "mr"


def tokens(text: str) -> list[str]:
    """Return a text's words in lower case; Devanagari vowel signs stay with their letters.

    >>> tokens("RCT कितना?")
    ['rct', 'कितना']
    """
    return [word.lower().replace("\u2019", "'") for word in _TOKEN.findall(text)]


def language_of(text: str) -> str:
    """Tell the language, en, hi or mr, and whether it is in Latin letters; in doubt it is English.

    >>> language_of("scaling ka price kitna hai"), language_of("What is a crown?")
    ('hi-Latn', 'en')
    """
    said = tokens(text)
    marathi, hindi = (sum(word in _marks_of(each) for word in said) for each in (MARATHI, HINDI))
    if _DEVANAGARI.search(text):
        return MARATHI if marathi > hindi else HINDI
    if marathi + hindi < max(1.0, _SURE * len(said)):
        return ENGLISH
    return f"{MARATHI if marathi > hindi else HINDI}-Latn"


def in_english(text: str) -> str:
    """Put the words that the lexicon knows in English; loan words stay, other Devanagari goes.

    >>> in_english("रूट कॅनलचा खर्च किती?")
    'root canal price how much'
    """
    said, forms = tokens(text), _forms()
    found: list[str] = []
    at = 0
    while at < len(said):
        for size in range(min(_LONGEST_PHRASE, len(said) - at), 0, -1):
            english = _english_of(" ".join(said[at : at + size]), forms)
            if english is not None:
                found.append(english)
                at += size
                break
        else:
            if not _DEVANAGARI.search(said[at]):
                found.append(said[at])
            at += 1
    return " ".join(dict.fromkeys(word for each in found for word in each.split()))


def _english_of(said: str, forms: Mapping[str, str]) -> str | None:
    known = forms.get(said)
    if known is not None or not _DEVANAGARI.search(said):
        return known
    shortest = said.rfind(" ") + 1 + _STEM_CHARS  # an ending of the last word only
    # endings are written together with their word in Marathi: the longest beginning that is known
    ends = range(len(said) - 1, shortest - 1, -1)
    return next((forms[said[:end]] for end in ends if said[:end] in forms), None)


@lru_cache(maxsize=1)
def _lexicon() -> dict[str, dict[str, str]]:
    read: dict[str, dict[str, str]] = read_yaml(_LEXICON)
    return read


@lru_cache(maxsize=1)
def _forms() -> dict[str, str]:
    """Return the English of every form; of a word that only joins others, nothing."""
    groups = _lexicon()
    joining = {form: "" for said in groups["joining"].values() for form in _split(said)}
    return joining | {form: term for term, said in groups["words"].items() for form in _split(said)}


@lru_cache(maxsize=2)
def _marks_of(language: str) -> frozenset[str]:
    return frozenset(_split(_lexicon()["joining"][language]))


def _split(said: str) -> list[str]:
    return [" ".join(tokens(form)) for form in said.split(",") if form.strip()]
