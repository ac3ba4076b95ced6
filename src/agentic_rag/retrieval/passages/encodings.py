"""Bytes to text, whatever encoding a file came in; the only room that knows charset-normalizer."""

import codecs
import re
import unicodedata
from collections.abc import Sequence

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16's, so it is asked first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_GUESSES = (
    *("cp1252", "cp1250", "cp1254"),
    *("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
"""What files come in that are not Unicode; where two fit alike, the first."""

_OTHER_LETTERS = {"cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"}
"""One byte a letter, and none of it Latin: any bytes make words in them, if not in a language."""

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_SPACES = (b" ", b"\n")
_SAMPLE_BYTES, _CONTEXT_BYTES = 50_000, 300
_FEW = 0.1
"""The share of its odd characters that may be broken in a text that is UTF-8 all the same."""

_Rank = tuple[float, float, float, int]
"""Strangeness, disorder, unlikeness to a language, place among the guesses: the least is best."""

_TELLING = 0.3
"""How much like a language such words must look."""


def decode(content: bytes, *, declared: str = "") -> str:
    r"""Return the text, without its byte order mark and with `\n` as its only line end.

    In order: the byte order mark, UTF-8, the encoding that the file `declared`, the likeliest.

    Raises:
        ValueError: it is no text, or nothing tells its encoding; says what to do.

    >>> decode("Größe".encode("utf-16")), decode("Öffnen Sie weit\r\n".encode("cp1252"))
    ('Größe', 'Öffnen Sie weit\n')
    """
    text = _decode(content, declared)
    return re.sub("\r\n?", "\n", text) if "\r" in text else text


def _decode(content: bytes, declared: str) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strictly(content[len(mark) :], encoding)
    if b"\0" in content:
        return _strictly(content, _wide_without_mark(content))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        fault = error
    if fault.reason == "unexpected end of data" and not content[: fault.start].isascii():
        return content[: fault.start].decode("utf-8")  # cut off within its last character
    if declared and (text := _as_declared(content, declared)) is not None:
        return text
    if _is_damaged_utf8(content):
        raise ValueError(f"is damaged UTF-8 text: {fault.reason} at byte {fault.start}")
    return content.decode(_likeliest(content))


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is damaged {encoding.upper()} text: {error.reason} at byte {error.start}"
        ) from error


def _wide_without_mark(content: bytes) -> str:
    """Tell UTF-16 by where its zero bytes stand; in Western text every second byte is one."""
    sample = content[:_SAMPLE_BYTES]
    odd, even = sample[1::2].count(0), sample[::2].count(0)
    if max(odd, even) < 0.4 * len(sample) / 2 or min(odd, even) > 0.1 * max(odd, even):
        raise ValueError("is not text: it holds zero bytes")
    return "utf-16-le" if odd > even else "utf-16-be"


def _as_declared(content: bytes, declared: str) -> str | None:
    try:
        name = codecs.lookup(declared).name
        # who declares Latin-1 means what Windows makes of it; so do browsers
        return content.decode("cp1252" if name in {"iso8859-1", "ascii"} else name)
    except (LookupError, ValueError):
        return None


def _is_damaged_utf8(content: bytes) -> bool:
    text = _sample(content).decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken < _FEW * sum(character > "\x7f" for character in text)


def _sample(content: bytes) -> bytes:
    """Return what stands around the bytes beyond ASCII, from space to space, so much of it."""
    kept, size, at = [], 0, 0
    while size < _SAMPLE_BYTES and (odd := _BEYOND_ASCII.search(content, at)):
        low, high = max(at, odd.start() - _SAMPLE_BYTES), odd.end() + _SAMPLE_BYTES
        starts = [content.rfind(s, low, max(low, odd.start() - _CONTEXT_BYTES)) for s in _SPACES]
        ends = [content.find(space, odd.end() + _CONTEXT_BYTES, high) for space in _SPACES]
        at = min((end for end in ends if end >= 0), default=high)
        start = max(low, *starts)
        kept.append(content[start : min(at, start + 2 * _SAMPLE_BYTES)])
        size += len(kept[-1])
    return b"".join(kept)


def _likeliest(content: bytes) -> str:
    """Return the encoding that makes the most sensible words of the bytes.

    Raises:
        ValueError: none does, or several do and nothing tells which is meant.
    """
    from charset_normalizer import from_bytes  # 0.1 s: only who reads such a file pays

    found = from_bytes(_sample(content), cp_isolation=list(_GUESSES), enable_fallback=False)
    ranked = sorted(
        (
            round(_strangeness(str(match)), 1),
            round(match.chaos, 1),
            -round(match.coherence, 1),
            _GUESSES.index(name),
        )
        for match in found
        for name in match.could_be_from_charset
        if name in _GUESSES
    )
    for rank in ranked:
        name = _GUESSES[rank[-1]]
        if rank[0] > _FEW or (name in _OTHER_LETTERS and not _is_told(rank, ranked)):
            break  # the best is not good: what follows is not either
        if _decodes(content, name):
            return name
    raise ValueError("is not UTF-8 text, and its encoding cannot be told; save it as UTF-8")


def _is_told(best: _Rank, ranked: Sequence[_Rank]) -> bool:
    """Tell whether letters that are not Latin look like a language, and only like one."""
    rivals = [rank for rank in ranked if rank[:2] == best[:2] and rank[2] - best[2] <= _FEW]
    likewise = _OTHER_LETTERS & {_GUESSES[at] for *_, at in rivals}
    return -best[2] >= _TELLING and len(likewise) == 1


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _strangeness(text: str) -> float:
    """Return the share of words beyond ASCII that no language writes: two scripts, or symbols.

    Where there are no letters, or the accents outnumber the plain ones, none is.

    >>> _strangeness("après midi ½"), _strangeness("aprиs midi"), _strangeness("gor¹cych")
    (0.0, 1.0, 1.0)
    """
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    letters = [c for c in text if c.isalpha()]
    accented = sum(c > "\x7f" and unicodedata.name(c, "?").startswith("LATIN") for c in letters)
    if not letters or accented > sum(map(str.isascii, letters)):
        return 1.0
    return sum(map(_is_strange, words)) / len(words) if words else 0.0


_WORD = re.compile(r"[^\W\d_](?:[^\s\x00-\x40]*[^\W\d_])?")


def _is_strange(word: str) -> bool:
    scripts = {unicodedata.name(c, "?").split()[0] for c in word if c.isalpha()}
    japanese = scripts & {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK", "IDEOGRAPHIC"}
    symbols = any(unicodedata.category(c) in {"No", "So", "Sm", "Sk", "Cc", "Co"} for c in word[1:])
    return symbols or len(scripts - japanese) + bool(japanese) > 1 or "HALFWIDTH" in scripts
