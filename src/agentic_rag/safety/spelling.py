"""Spelling: cuts a message into words and spells each in one way, whatever the script. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

COMMA, STOP, TURN = 1, 2, 3
"""What may stand in front of a word: a comma, the end of a sentence, the end of a turn."""

_LETTER = r"[^\W\d_]"
_MARKS = "\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
_PIECE = re.compile(  # letter by letter; a word; the end of a sentence, but not in 38.5; a comma
    rf"(?<!\w){_LETTER}(?:[ .\-*]{_LETTER}(?![\w{_MARKS}])){{3,}}"
    rf"|[\w{_MARKS}]+(?:'\w+)*"
    r"|(?:[!?;\n\u0964\u0965\u2026]|[.:](?!\d)|(?<!\d)[.:])+|,|\s[-\u2013\u2014]+\s|[()/&+]"
)
_BETWEEN_LETTERS = frozenset(" .-*")
_COMMAS = frozenset(",()/&+ \t")
_INSTEAD = {
    "_": " ",
    **dict.fromkeys("\u2019\u2018\u02bc`\u00b4\uff07", "'"),
    **dict.fromkeys("\u00ad\u093c\u034f", ""),  # soft hyphen, nukta, grapheme joiner
    **{chr(0x0966 + digit): str(digit) for digit in range(10)},
}
_REPLACED = re.compile(f"[{''.join(_INSTEAD)}]")
_FOREIGN = re.compile(
    "[^\\x00-\\x7f\\u0900-\\u0957\\u0960-\\u097f]+"
)  # may look like other letters
# What nobody sees (controls, joiners, selectors, tags), and the accents of Latin letters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
_ACCENTS = re.compile("[\u0300-\u036f]")
_ACCENTED = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]")
_IN_PLACE_OF_LETTERS = str.maketrans("013457@$", "oieastas")


class Word(NamedTuple):
    """A word of a message, in lower case, and the break in front of it."""

    text: str
    gap: int


def read_words(message: str) -> Iterator[Word]:
    """Cut a message into words.

    >>> [word.text for word in read_words("I CAN\u2019T breathe!! \uff28elp")]
    ['i', 'cant', 'breathe', 'help']
    >>> [word.text for word in read_words("b l e e d i n g now, at 38.5")]
    ['bleeding', 'now', 'at', '38', '5']
    """
    return map(Word, *cut(message))


def cut(message: str) -> tuple[list[str], list[int]]:
    """Return the words of a message, and the break in front of each."""
    texts: list[str] = []
    gaps: list[int] = []
    gap = STOP
    for text, pause in map(_text_or_pause, _PIECE.findall(tidy(message))):
        if text:
            texts.append(text)
            gaps.append(gap)
            gap = 0
        elif pause > gap:
            gap = pause
    return texts, gaps


@lru_cache(maxsize=1 << 16)
def _text_or_pause(piece: str) -> tuple[str, int]:
    first = piece[0]
    if first.isalnum() or piece[-1].isalnum():
        spelt = first.isalpha() and piece[1:2] in _BETWEEN_LETTERS
        return _plain_word("".join(piece[::2]) if spelt else piece), 0
    return "", COMMA if first in _COMMAS else STOP


def tidy(message: str) -> str:
    """Bring look-alike characters into one form and drop those that nobody sees."""
    if message.isascii():
        return message.lower().replace("_", " ").replace("`", "'")
    text = _FOREIGN.sub(lambda found: unicodedata.normalize("NFKC", found[0]), message).casefold()
    text = _UNSEEN.sub("", _REPLACED.sub(lambda found: _INSTEAD[found[0]], text))
    if _ACCENTED.search(text):
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return text


_IS = frozenset(["it's", "he's", "she's", "there's", "that's", "what's", "who's"])
"""Where the "'s" is a verb: "he's" is "hes", and "his son's" is "his son"."""


def _plain_word(text: str) -> str:
    if text not in _IS:
        text = text.removesuffix("'s")
    text = text.replace("'", "")
    if text.isascii() and not text.isalpha() and text[0].isalpha() and text[-1].isalpha():
        return text.translate(_IN_PLACE_OF_LETTERS)
    return text


_RUNS = re.compile(r"([^\W\d_])\1+")
_INDIC = [
    (re.compile(pattern), to)
    for pattern, to in (
        ("ee", "i"), ("oo", "u"), ("au|ou", "o"), ("sh", "s"), ("ph", "f"), ("w", "v"), ("q", "k"),
        ("chh", "ch"), ("x", "ks"), ("z|jh", "j"), ("([bdgt])h", r"\1"), ("yi", "i"), ("y$", "i"),
        (r"([^\W\d_])\1+", r"\1"),
        # what nobody says nobody types: ughadat, ughdat
        ("(?<=[aeiou][^aeiou])a(?=[^aeiou][aeiou])", ""), (r"([^\W\d_])\1+", r"\1"),
    )
]  # fmt: skip


def english(word: str) -> str:
    """Spell an English word with single letters.

    >>> english("bleeeeding") == english("bleeding")
    True
    """
    return _RUNS.sub(r"\1", word)


_SHORT = dict(
    pair.split("=")
    for pair in [
        "gya=gaya",
        "gyi=gai",
        "gye=gaye",
        "rha=raha",
        "rhi=rahi",
        "rhe=rahe",
        "bnd=band",
        "khn=khun",
        "sns=sans",
        "nkl=nikal",
        "bht=bahut",
        "dnt=dant",
        "dwai=davai",
        "dwa=dava",
        "kr=kar",
        "hua=hua",
        "mje=muje",
        "chkr=chakkar",
        "sjn=sujan",
        "bkhr=bukhar",
        "gle=gale",
        "chng=change",
        "utr=utar",
        "nikl=nikal",
        "chla=chala",
        "gla=gala",
        "thuk=thook",
        "mrna=marna",
        "mrun=marun",
        "jkdan=jakdan",
        "nhii=nahi",
    ]
)


@lru_cache(maxsize=1 << 16)
def indic(word: str) -> str:
    """Spell a Hindi or Marathi word as one would hear it, from either script.

    >>> indic("\u0938\u0942\u091c\u0928"), indic("soojan"), indic("sujan")
    ('sujan', 'sujan', 'sujan')
    """
    word = _in_latin(word) if is_devanagari(word) else _SHORT.get(word, word)
    for pattern, to in _INDIC:
        word = pattern.sub(to, word)
    return word


_ONE_LENGTH = str.maketrans(
    "\u0940\u0942\u0937\u0908\u090a", "\u093f\u0941\u0936\u0907\u0909", "\u0901\u0902\u0903"
)


def devanagari(word: str) -> str:
    """Spell a word in Devanagari with one length of vowels and no nasal signs."""
    return unicodedata.normalize("NFD", word).translate(_ONE_LENGTH).replace("\u093c", "")


def is_devanagari(word: str) -> bool:
    """Tell whether a word starts in Devanagari."""
    return "\u0900" <= word[:1] <= "\u097f"


_CONSONANTS = dict(
    zip(
        "\u0915\u0916\u0917\u0918\u0919\u091a\u091b\u091c\u091d\u091e\u091f\u0920\u0921\u0922\u0923"
        "\u0924\u0925\u0926\u0927\u0928\u092a\u092b\u092c\u092d\u092e\u092f\u0930\u0932\u0933\u0935"
        "\u0936\u0937\u0938\u0939",
        [
            "k",
            "kh",
            "g",
            "g",
            "n",
            "ch",
            "ch",
            "j",
            "j",
            "n",
            "t",
            "t",
            "d",
            "d",
            "n",
            "t",
            "t",
            "d",
            "d",
            "n",
            "p",
            "f",
            "b",
            "b",
            "m",
            "y",
            "r",
            "l",
            "l",
            "v",
            "s",
            "s",
            "s",
            "h",
        ],
        strict=True,
    )
)
_VOWELS = dict(
    zip(
        "\u0905\u0906\u0907\u0908\u0909\u090a\u090b\u090f\u0910\u0913\u0914\u0911\u090d\u0972",
        ["a", "a", "i", "i", "u", "u", "ri", "e", "ai", "o", "o", "o", "e", "e"],
        strict=True,
    )
)
_SIGNS = dict(
    zip(
        "\u093e\u093f\u0940\u0941\u0942\u0943\u0947\u0948\u094b\u094c\u0949\u0945\u094a\u0946",
        ["a", "i", "i", "u", "u", "ri", "e", "ai", "o", "o", "o", "e", "o", "e"],
        strict=True,
    )
)
_VIRAMA, _NASAL = "\u094d", "\u0902\u0901"


def _in_latin(word: str) -> str:
    said = []
    for at, letter in enumerate(word):
        after = word[at + 1 : at + 2]
        if letter in _CONSONANTS:
            said.append(_CONSONANTS[letter])
            if after and after not in _SIGNS and after != _VIRAMA:
                said.append("a")
        elif letter in _NASAL:
            said.append(_nasal_before(_CONSONANTS.get(after, "")))
        else:
            said.append(_VOWELS.get(letter) or _SIGNS.get(letter) or _digit(letter))
    if len(word) == 1 and word in _CONSONANTS:
        said.append("a")
    return "".join(said)


def _nasal_before(sound: str) -> str:
    if not sound or sound in {"h", "v", "y", "r", "l"}:
        return ""
    return "m" if sound in {"p", "b", "m", "f"} else "n"


def _digit(letter: str) -> str:
    return str(unicodedata.digit(letter)) if letter.isdigit() else ""
