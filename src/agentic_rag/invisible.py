"""Invisible: takes out of a text what a program reads and a person does not see. Pure."""

import re

_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")

# controls, soft hyphens, bidi marks and embeddings, zero widths, variation selectors, tags, private
# use and lone surrogates; a tab and a line break are seen
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ue000-\uf8ff\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)

# Hindi, Marathi and their neighbours are spelled with joiners, but only behind a virama
_JOINERS = re.compile(
    "(?<![\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d])[\u200c\u200d]"
    "|(?<=[\u200c\u200d])[\u200c\u200d]"
)


def visible(text: str) -> str:
    r"""Return a text without what nobody sees; every line break is a line feed.

    >>> visible("ig\u200bnore \u202ethis\r\n")
    'ignore this\n'
    """
    return _JOINERS.sub("", _UNSEEN.sub("", _BREAKS.sub("\n", text)))
