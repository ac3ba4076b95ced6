"""Takes a draft apart into claims: its sentences, without what could do harm or forge. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from agentic_rag.language import sentence_spans
from agentic_rag.safety.wording import visible

MOST_CHARS = 20_000
"""Of a draft are looked at: some 3,000 words, ten times what a model is asked for."""

MOST_CLAIMS = 60
"""Of a draft are judged; what comes behind them is not shown."""

_MARKER = re.compile(r"\s*\[(\d{1,3})\]")
_FORGED = re.compile(
    r"^(?:[\W_]*(?:\d+[.)])?[\W_]*(?:sources?|references?|citations?)[\W_]*[:\uff1a]|\s*#{1,6}\s).*$",
    re.IGNORECASE | re.MULTILINE,
)
_UNSAFE = (
    (re.compile(r"<(script|style|iframe|svg|object)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.I | re.S), " "),
    (re.compile(r"<!--.*?(?:-->|\Z)", re.S), " "),
    (re.compile(r"</?[a-zA-Z!][^<>]{0,2000}>"), " "),
    (re.compile(r"!\[[^\]\n]{0,500}\]\s?(?:\([^)\n]{0,2000}\)?|\[[^\]\n]{0,200}\])"), " "),
    (re.compile(r"\[([^\]\n]{1,500})\]\([^)\n]{0,2000}\)?"), r"\1"),
    (re.compile(r"^\s*\[[^\]\n]{1,200}\]:\s*\S.*$", re.M), " "),
    (re.compile(r"[`|<>{}\\]+|\*\*|__|~~"), " "),
)  # fmt: skip
_LINK = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|(?:javascript|data|mailto):)\S+"
    r"|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|io|co\.in|ru|xyz|info|example|test)\b(?:/\S*)?",
    re.IGNORECASE,
)
_ENDS = (".", "!", "?", ":", ")", '"', "\u0964")
_CODE = re.compile(r"\"\s*:|^\s*\W*\w+\s*=|\(\)\s*;?$")  # a call of a tool
_STRANGE = "\ue000"  # where a link was that no document has
_LEAD = re.compile(r"^(?:[-*+\u2022>\s]+|\d{1,2}[.)]\s+)+")
_ODD_MARKERS = re.compile(r"\[[^\]\n]{0,40}\]")
_SAYS_WHERE = re.compile(  # the citation says that
    r"^(?:according to|as per|based on) (?:the|our) (?:[\w'\u2019]+ ){0,2}"
    r"(?:documents?|information|polic(?:y|ies)|records|leaflets?),\s+",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of a draft, and the numbers in its `[n]`."""

    text: str
    named: tuple[int, ...]


def claims(draft: str, known: str = "") -> list[Claim]:
    """Return the first MOST_CLAIMS sentences of a draft, each once, made safe to show.

    A sentence with a link is left out whole, for without it it would say another thing; so is one
    with an e-mail address that is not in the `known` text.

    >>> claims("See ![x](http://e.vil/?q) scaling. [2]" + chr(10) + "Source: me")
    [Claim(text='See scaling.', named=(2,))]
    """
    found: dict[str, Claim] = {}
    for claim in _whole(safe_text(draft[:MOST_CHARS], known)):
        if claim.text and _STRANGE not in claim.text and not _CODE.search(claim.text):
            found.setdefault(claim.text, claim)
        if len(found) == MOST_CLAIMS:
            break
    return list(found.values())


def safe_text(draft: str, known: str) -> str:
    """Return a draft without markup, hidden characters and lines that pose as ours.

    A link, or an address that is not `known`, leaves a mark.
    """
    text = visible(unescape(draft))
    for pattern, instead in _UNSAFE:
        text = pattern.sub(instead, text)
    return _LINK.sub(lambda link: _known(link[0], known), _FORGED.sub("", text))


def _known(link: str, known: str) -> str:
    bare = link.rstrip(".,;:!?)'\"")
    is_ours = "@" in bare and "/" not in bare and bare in known
    return link if is_ours else _STRANGE + link[len(bare) :]


def _whole(text: str) -> list[Claim]:
    """Return all sentences but the last, where that breaks off and the others do not."""
    said = list(_all(text))
    *others, last = [claim.text.endswith(_ENDS) for claim in said] or [True]
    last = last or text.rstrip().endswith("]")  # who has given its number has ended it
    return said if last or not others or not all(others) else said[:-1]


def _all(text: str) -> Iterator[Claim]:
    for start, end in sentence_spans(text):
        raw = text[start:end]
        named = tuple(int(number) for number in _MARKER.findall(raw))
        bare = _ODD_MARKERS.sub("", _MARKER.sub("", raw))
        said = _SAYS_WHERE.sub("", _SPACES.sub(" ", _LEAD.sub("", bare)).strip())
        said = said[:1].upper() + said[1:]
        yield Claim(re.sub(r" ([.,;:!?])", r"\1", said), named)
