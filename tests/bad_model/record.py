"""What the bad model wrote, and what it knows about it: the ground truth."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

How = Literal["verbatim", "paraphrase", ""]

UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Characters that nobody sees, or that turn the order round."""
_MARKER = re.compile(r"\s*\[\d+\]")
_DECORATION = re.compile(r"[*_`#]+|</?[a-z][^>]*>|^\s*[-\u2022>]\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One statement as it was written.

    Attributes:
        text: what it says, without markers.
        draft: how it stands in the reply, with markers and whatever is around it.
        fault: what is wrong with it; nothing where it is true.
        source: the sentence, or the value of a field, that it rests on or was made from.
        how: how a true one was made.
        numeric: whether a number, a unit or what it counts is wrong.
    """

    text: str
    draft: str
    fault: str = ""
    source: str = ""
    how: How = ""
    numeric: bool = False

    @property
    def is_true(self) -> bool:
        """Tell whether the documents carry it."""
        return not self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One reply: the system prompt and labels it was given, and all that it says."""

    question: str
    system: str
    labels: tuple[str, ...]
    passages: tuple[str, ...]
    said: tuple[Said, ...]


@lru_cache(maxsize=65_536)
def plain(text: str) -> str:
    """Bring a statement into the form in which two are compared.

    >>> plain("**Scaling** takes 40\u200b minutes. [1]")
    'scaling takes 40 minutes'
    """
    shown = unicodedata.normalize("NFKC", UNSEEN.sub("", text))
    bare = _DECORATION.sub("", _MARKER.sub("", shown))
    return " ".join(bare.replace("\u2019", "'").split()).strip(" .!,;:\u2013-").casefold()
