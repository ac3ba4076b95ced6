"""Reads a statement: its words, and under which "not", "before" or "if" each of them stands. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from agentic_rag.language import STOP_WORDS
from agentic_rag.safety.numbers import Quantity, lent, quantities
from agentic_rag.safety.units import ORDINALS
from agentic_rag.safety.wording import Dictionary, plain, root, words_of

_PIECE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d(?:[\w.,:/-]*\w)?|[,;:.!?()|-]")

_NEGATORS = frozenset(
    "not no never none neither nor without cannot nobody nothing nowhere hardly".split()  # noqa: SIM905
)
_SHUNNING = frozenset(map(root, "avoid refrain forbidden prohibited banned skip".split()))  # noqa: SIM905
_PERMITS = frozenset(
    map(root, "allowed permitted recommended advised advisable needed required necessary possible safe"
        " suitable acceptable available covered included used done taken given".split())  # noqa: SIM905
)  # fmt: skip
_BE = frozenset("be is are was were been being isn't aren't wasn't get gets".split())  # noqa: SIM905

MODALS = {
    **dict.fromkeys(("must", "mandatory", "compulsory", "obligatory", "shall"), "must"),
    **dict.fromkeys(("required", "requires", "require", "necessary", "need", "needs", "needed"), "need"),
    **dict.fromkeys(("should", "ought"), "should"),
    **dict.fromkeys(("recommended", "recommend", "recommends", "advised", "advise", "advisable", "ideally", "preferably", "encouraged"), "advise"),
    **dict.fromkeys(("may", "might", "could", "possibly", "perhaps", "maybe"), "may"),
    **dict.fromkeys(("can", "able", "possible", "allowed", "permitted", "allow", "optional", "welcome", "option"), "can"),
    **dict.fromkeys(("will", "would"), ""),
}  # fmt: skip
HEDGES = {
    **dict.fromkeys(("always", "invariably"), "always"),
    **dict.fromkeys(("usually", "usual", "normally", "generally", "typically", "often", "commonly", "common", "mostly", "frequently", "tend", "tends", "likely", "mainly"), "usually"),
    **dict.fromkeys(("sometimes", "occasionally", "occasional"), "sometimes"),
    **dict.fromkeys(("rarely", "seldom", "rare", "uncommon"), "rarely"),
    **dict.fromkeys(("only", "solely", "exclusively"), "only"),
    **dict.fromkeys(("all", "every", "everyone", "everybody"), "all"),
    **dict.fromkeys(("most",), "most"),
    **dict.fromkeys(("some", "certain"), "some"),
    **dict.fromkeys(("almost", "nearly"), "almost"),
}  # fmt: skip
_MARKERS = {
    "before": "before", "prior": "before",
    "after": "after", "following": "after", "once": "after", "since": "after", "afterwards": "",
    "until": "until", "till": "until",
    "if": "if", "when": "if", "whenever": "if", "whether": "if", "provided": "if",
    "unless": "unless", "except": "except", "excluding": "except", "excepting": "except",
    "because": "because", "since ": "because",
    "than": "than", "instead": "instead", "rather": "instead",
    "while": "while", "during": "while", "despite": "despite", "although": "despite",
}  # fmt: skip
_LIGHT = frozenset(
    map(root, """
    take last cost need require be become have get make do go come give provide offer receive want
    like please note also however therefore general about around approximately roughly patient
    clinic total able ensure sure remember mean available case document information lot thing way
    time call know let people due stay remain out aim best suit ideal see run serve ready pay result plan put keep set place buy look here each today way person someone anyone everyone client want wish will possible involve
    happen occur say tell own so still just then even really very actually simply currently usually
    kind type certain part done use used using count amount charge price fee further
    person practice place team staff
    """.split())  # noqa: SIM905
) | {"clinic's", "patient's"}  # fmt: skip
_STOPS = STOP_WORDS - {"before", "after", "until", "if", "because", "while", "during", "no", "not", "nor",
    "above", "below", "over", "under", "off", "out", "up", "down", "more", "most", "only", "further", "again"}  # fmt: skip
_STOPS |= {"there", "along", "apart", "ahead", "afterwards", "anything", "something", "beforehand", "per", "carried", "upon", "onto", "within", "without", "via", "the", "us", "they", "everything", "ll", "ve",
    "s", "t", "re", "among", "towards", "whom", "dear", "hello", "yes", "although", "though", "either", "whereas",
    "up", "out", "off", "down", "over", "one", "ones", "too", "is", "it", "its", "least", "inr", "rs", "rupees",
    "am", "pm", "ist"}  # fmt: skip
_OPPOSITES = {"closed": "open", "unsafe": "safe", "unavailable": "available",
    "impossible": "possible", "unable": "able", "unlikely": "likely", "untreated": "treated",
    "unnecessary": "necessary", "unsuitable": "suitable", "unopened": "opened", "uncommon": "common",
    "painless": "painful", "harmless": "harmful", "unused": "used"}  # fmt: skip
_COMPARED = {"more": "more", "less": "less", "higher": "more", "lower": "less", "longer": "more",
    "shorter": "less", "fewer": "less", "better": "better", "worse": "worse", "above": "more",
    "below": "less", "earlier": "earlier", "later": "later", "faster": "faster", "slower": "slower",
    "cheaper": "cheaper", "increase": "more", "decrease": "less", "cheapest": "cheaper"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """A word that says something.

    Attributes:
        meanings: its root, and the groups of words and phrases that it belongs to.
        negated: whether it stands under a "not".
        tag: before, after, until, if ... where it stands behind such a word.
        clause: which clause it is in.
        group: which of the tags it is.
        depth: how many words stand between it and the tag.
        is_light: whether nobody misses it.
    """

    root: str
    meanings: frozenset[str]
    negated: bool
    tag: str
    clause: int
    group: int
    depth: int
    is_light: bool
    at: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity, and how it stands in the statement."""

    quantity: Quantity
    negated: bool
    tag: str
    clause: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement says, taken apart.

    Attributes:
        flags: modals and hedges ("must", "usually"), each with the clause that it is in.
        meanings: of all its words.
        roots: of all its words, in order, for comparing statements whole.
    """

    words: tuple[Word, ...]
    figures: tuple[Figure, ...]
    flags: frozenset[tuple[str, int]]
    meanings: frozenset[str] = field(repr=False)
    lendable: frozenset[str] = field(repr=False)
    roots: tuple[str, ...] = field(repr=False)
    field_roots: frozenset[str] = frozenset()
    is_active: bool = True

    def flags_in(self, clauses: frozenset[int] | None) -> frozenset[str]:
        """Return the flags of some clauses, or of all."""
        return frozenset(f for f, c in self.flags if clauses is None or c in clauses)


_CONTRACTED = re.compile(r"(?<=\w)'(?:re|ll|d|ve|m|s)$")


class _Piece:
    """A word or a sign of a text."""

    __slots__ = ("text", "root", "start", "end", "group", "swallowed", "numbered", "phrased")

    def __init__(self, found: "re.Match[str]") -> None:
        self.text = _CONTRACTED.sub("", found[0].lower())
        self.start, self.end = found.span()
        self.root = root(self.text)
        self.group: tuple[str, ...] = ()
        self.swallowed = False
        self.numbered = False
        self.phrased = False


@lru_cache(maxsize=8192)
def read(text: str, dictionary: Dictionary, field_name: str = "") -> Reading:
    """Read a statement."""
    plain_text = plain(text)
    numbers = [lent(q, field_name) if field_name else q for q in quantities(plain_text)]
    pieces = [_Piece(found) for found in _PIECE.finditer(plain_text)]
    _find_phrases(pieces, dictionary)
    spoken = [(p.start, p.end) for p in pieces if p.numbered]
    numbers = [q for q in numbers if not any(a <= q.start < b for a, b in spoken)]
    walk = _Walk(pieces, numbers, dictionary)
    walk.go()
    walk.words = _weighed(walk.words)
    meanings = frozenset().union(*(w.meanings for w in walk.words)) if walk.words else frozenset()
    return Reading(
        words=tuple(walk.words),
        figures=tuple(walk.figures),
        flags=frozenset(walk.flags),
        meanings=meanings,
        lendable=frozenset(
            m
            for p in pieces
            for m in (p.root, *p.group)
            if p.text[0].isalpha() and p.text not in _STOPS
        ),
        roots=tuple(p.root for p in pieces if p.text[0].isalnum()),
        is_active=not _BE & {p.text for p in pieces},
        field_roots=frozenset(root(each) for each in words_of(plain(field_name).lower())),
    )


def _weighed(words: Sequence[Word]) -> list[Word]:
    """Have somebody miss the light words behind a "before" that has no others."""
    full = {word.group for word in words if word.tag and not word.is_light}
    return [
        replace(word, is_light=word.is_light and (word.tag in ("", "if") or word.group in full))
        for word in words
    ]


def _find_phrases(pieces: Sequence[_Piece], dictionary: Dictionary) -> None:
    """Mark the pieces that are part of a phrase; a phrase with a "no" in it speaks as one."""
    worded = [p for p in pieces if p.text[0].isalnum()]
    roots = [p.root for p in worded]
    at = 0
    while at < len(worded):
        step = 1
        for phrase in dictionary.phrases_at(roots, at):
            inside = worded[at : at + len(phrase.roots)]
            swallow = (
                any(p.text in _NEGATORS or p.text == "free" for p in inside) and len(inside) > 1
            )
            for piece in inside:
                piece.group += (phrase.group,)
                piece.swallowed |= swallow
                piece.phrased = True
                piece.numbered |= "day" in phrase.roots and any(p.text in ORDINALS for p in inside)
            step = max(step, len(phrase.roots)) if swallow else step
        at += step


_BOUND_WORDS = frozenset(
    "more less than least most at up to over under above below older younger longer later earlier fewer minimum "
    "maximum no not or and a of greater higher lower only exceeding as long much many high".split()  # noqa: SIM905
)


_PARTICLES = frozenset(
    "up down in out on off above below over under inside outside upstairs downstairs".split()
)  # noqa: SIM905
_PUT_OFF = frozenset(map(root, ("postponed", "delayed", "deferred", "wait")))
_FINITE = frozenset("may can must should will is are was were".split())  # noqa: SIM905
_VERBAL = frozenset(
    "is are was were can may must should will you we it they do does please there has have which who that".split()  # noqa: SIM905
)


class _Walk:
    """Goes through the pieces of a statement once, keeping what stands over them."""

    def __init__(
        self, pieces: Sequence[_Piece], numbers: Sequence[Quantity], dictionary: Dictionary
    ) -> None:
        self.words: list[Word] = []
        self.figures: list[Figure] = []
        self.flags: set[tuple[str, int]] = set()
        self._pieces = pieces
        self._numbers = numbers
        self._dictionary = dictionary
        self._skipped = self._bounds()
        self._clause = 0
        self._tag = ""
        self._negated = False
        self._narrow = False  # a "no" or "without" negates its noun only
        self._run = (0, 0)  # where in words and figures the clause began
        self._main = 0  # the clause that the last boundary began
        self._list = 0  # where in words the list began that the clause is the end of
        self._has_verb = False  # whether the clause has one already
        self._led = ""  # the "until" or "unless" that the statement begins with
        self._leading = False
        self._depth = 0
        self._group = 0
        self._negated_in = -1  # the clause of the last "not"
        self._since = 0  # words behind it

    def go(self) -> None:
        """Read every piece."""
        numbers = list(self._numbers)
        end = -1
        for at, piece in enumerate(self._pieces):
            if piece.start < end:
                continue
            if numbers and numbers[0].start < piece.end:
                quantity = numbers.pop(0)
                end = max(quantity.end, piece.end)
                self.figures.append(Figure(quantity, self._negated, self._tag, self._clause))
                self._narrow_ends()
            elif at not in self._skipped:
                self._take(at, piece)
        self._boundary()

    def _bounds(self) -> set[int]:
        """Return the pieces that only bound a number, as in "no more than 5": it has them."""
        skipped: set[int] = set()
        for quantity in self._numbers:
            if quantity.side:
                skipped |= {
                    i for i, p in enumerate(self._pieces)
                    if p.start >= quantity.end and p.text in ("later", "earlier", "ahead", "ago")
                }  # fmt: skip
            if not quantity.bound:
                continue
            before = [i for i, p in enumerate(self._pieces) if p.end <= quantity.start]
            behind = [i for i, p in enumerate(self._pieces) if p.start >= quantity.end]
            for side in (reversed(before), iter(behind)):
                for i in side:
                    if self._pieces[i].text not in _BOUND_WORDS:
                        break
                    skipped.add(i)
        return skipped

    def _text(self, at: int) -> str:
        return self._pieces[at].text if 0 <= at < len(self._pieces) else ""

    def _take(self, at: int, piece: _Piece) -> None:
        text = piece.text
        if not text[0].isalnum():
            self._sign(at, text)
        elif piece.swallowed:
            self._word(piece, light=False)
        elif text in ("and", "or", "nor"):
            self._joined(at)
        elif text in ("but", "so", "then", "yet", "whereas", "however", "which", "who"):
            self._boundary()
        elif piece.phrased and text in _MARKERS:
            self._word(piece, light=False)
        elif self._negator(at, text) or self._marker(at, text):
            pass
        else:
            self._plain(at, piece)

    def _plain(self, at: int, piece: _Piece) -> None:
        text = piece.text
        if self._narrow and text in (
            "for",
            "in",
            "at",
            "on",
            "to",
            "with",
            "is",
            "are",
            "by",
            "from",
        ):
            self._narrow_ends()
        if (
            self._leading
            and self._tag in ("after", "before", "until", "while")
            and text in ("you", "we", "they")
            and self._depth
        ):
            self._boundary()
        if text in _FINITE and self._negated and not self._narrow and self._since:
            self._boundary()  # "who cannot wait | may rebook"
        self._has_verb |= text in _VERBAL or text in MODALS
        if text in ("it", "them", "they", "its", "one", "this"):
            self.flags.add(("@it", self._clause))
        if text in ("other", "another", "opposite") and not piece.group:
            self.flags.add(("other", self._clause))
        if text in _PARTICLES:
            self.flags.add((f"~{text}", self._clause))
        self._flag(at, text)
        if (
            text in MODALS
            or text in HEDGES
            or (text == "asked" and self._text(at + 1) in ("to", "not"))
        ):
            return
        if text in _STOPS or len(piece.root) < 2 and not text.isdigit():
            return
        if piece.root in _SHUNNING:
            self._shun(at)
            return
        if text in _OPPOSITES and not piece.group:
            self._negated = not self._negated
            self._mark_run(passive=True)
            self.words.append(
                Word(
                    root(_OPPOSITES[text]),
                    self._dictionary.meanings(root(_OPPOSITES[text])),
                    self._negated,
                    self._tag,
                    self._clause,
                    self._group,
                    self._depth,
                    False,
                    len(self.words),
                )
            )
            return
        per = {figure.quantity.per for figure in self.figures}
        is_light = piece.root in _LIGHT
        self._word(
            piece,
            light=is_light
            or (piece.root in per)
            or (text in ("daily", "weekly", "monthly") and bool(per)),
        )

    def _flag(self, at: int, text: str) -> None:
        if text in ("like", "wish", "want", "prefer") and self._text(at - 2) == "if":
            self.flags.add(("can", self._clause))
        base = text.removesuffix("n't") if text.endswith("n't") else text
        base = {"ca": "can", "wo": "will", "cannot": "can"}.get(base, base)
        after = self._text(at + 1)
        if base in ("have", "has") and after == "to":
            base = "must"
        if base == "supposed":
            base = "should"
        kind = MODALS.get(base) or HEDGES.get(base)
        if not kind:
            return
        self.flags.add((kind, self._clause))
        if (
            self._negated
            and kind in ("need",)
            or (
                self._negated
                and base in ("must", "mandatory", "compulsory", "obligatory")
                and text != "must"
            )
        ):
            self.flags.add(("neednot", self._clause))
        if base == "optional":
            self.flags.add(("neednot", self._clause))

    def _word(self, piece: _Piece, *, light: bool) -> None:
        own = frozenset() if piece.swallowed else self._dictionary.meanings(piece.root)
        if piece.text in _COMPARED:
            own |= {f"#{_COMPARED[piece.text]}"}
        self.words.append(
            Word(piece.root, own | frozenset(piece.group), self._negated, self._tag, self._clause,
                 self._group, self._depth, light, len(self.words))
        )  # fmt: skip
        self._depth += 1
        self._since += 1

    def _sign(self, at: int, sign: str) -> None:
        piece = self._pieces[at]
        if sign == "-":
            spaced = (
                at
                and self._pieces[at - 1].end < piece.start
                and self._text(at + 1)
                and self._pieces[at + 1].start > piece.end
            )
            if spaced:
                self._boundary()
        elif sign == ",":
            if self._list_goes_on(at) and (not self._leading or self._leads_on(at)):
                self._next_clause(new_run=not self._negated, in_list=True)
            else:
                self._boundary()
        else:
            self._boundary()

    def _leads_on(self, at: int) -> bool:
        """Tell whether a list goes on in "if you smoke, drink or are pregnant, tell us"."""
        behind = [self._text(at + n) for n in range(1, 4)]
        return bool({"or", "and"} & set(behind)) and "," in {p.text for p in self._pieces[at + 3 :]}

    def _list_goes_on(self, at: int) -> bool:
        """Tell whether a comma stands in a list, under the same "not" as before."""
        behind = [self._text(at + n) for n in range(1, 7)]
        if behind[0] in ("and", "or", "but"):
            return not _VERBAL.intersection(behind[1:5])
        for text in behind:
            if text in (",", "or", "and", "nor"):
                return True
            if (
                not text
                or text in ".;:!?"
                or text in _MARKERS
                or text in MODALS
                or text in ("you", "we", "it", "they", "is", "are", "but", "not", "please", "which")
            ):
                return False
        return False

    def _joined(self, at: int) -> None:
        after = self._text(at + 1)
        if (
            after
            in (
                "you",
                "we",
                "it",
                "they",
                "he",
                "she",
                "there",
                "please",
                "then",
                "must",
                "should",
                "can",
                "may",
                "will",
                "is",
                "are",
                "so",
            )
            and not self._text(at) == "or"
        ):
            self._boundary()
        else:
            self._next_clause(new_run=not self._negated, in_list=True)

    def _next_clause(self, *, new_run: bool, in_list: bool = False) -> None:
        self._clause += 1
        self._narrow_ends()
        if new_run:
            self._run = (len(self.words), len(self.figures))
            if not in_list or self._has_verb:
                self._list = len(self.words)
            self._has_verb = False

    def _boundary(self) -> None:
        if self._tag and not self._depth:
            self.flags.add((f"@{self._tag}", self._clause))
        if self._leading and self._tag in ("until", "unless", "without"):
            self._led = self._tag
        self._negated = self._narrow = False
        self._tag, self._leading = "", False
        self._next_clause(new_run=True)
        self._main = self._clause

    def _narrow_ends(self) -> None:
        if self._narrow:
            self._negated = self._narrow = False

    def _negator(self, at: int, text: str) -> bool:
        """Begin what stands under a "not"; the rest of its clause stands under it, too."""
        passive = (
            bool(_BE & {self._text(at - 1), text, self._text(at + 1)})
            or self._text(at - 1) in MODALS
            or text.endswith("n't")
        )
        if text.endswith("n't") or text == "cannot":
            self._negate(passive=passive)
            self._flag(at, text)
            return True
        if text == "not" and self._text(at + 1) in ("only", "just", "merely", "simply"):
            self.flags.add(("not only", self._clause))
            return True
        if text not in _NEGATORS or self._text(at - 1) == "or":
            return False
        if text == "without" and self._negated and not self._narrow:
            self._only_if()
            return True
        if text in ("no", "without") and self._text(at + 1) not in ("one", "longer"):
            self._negated = self._narrow = True
            if text == "no":
                self._mark_run()
            return True
        self._negate(passive=passive)
        base = self._text(at - 1)
        if (
            base == "need"
            or self._text(at + 1)
            in ("required", "necessary", "mandatory", "compulsory", "obligatory", "need")
            or self._text(at + 2) == "necessary"
        ):
            self.flags.add(("neednot", self._clause))
        return True

    def _passive(self, at: int) -> bool:
        return any(
            self._text(at + n).endswith(("ed", "en", "done", "safe", "able")) for n in (1, 2, 3)
        )

    def _negate(self, *, passive: bool) -> None:
        if self._led:
            self.words = [
                replace(w, tag="only if") if w.tag == self._led else w for w in self.words
            ]
            self._led = ""
            return
        self._negated = not (self._negated and self._negated_in == self._clause)
        self._negated_in, self._since = self._clause, 0
        self._mark_run(passive=passive)

    def _only_if(self) -> None:
        """Read "not without" and "not until" as "only if"."""
        self._negated = False
        self._mark_run()
        for at in range(len(self.words)):
            if self.words[at].clause >= self._main:
                self.words[at] = replace(self.words[at], negated=False)
        self.figures = [
            replace(f, negated=False) if f.clause >= self._main else f for f in self.figures
        ]
        self._boundary()
        self._tag, self._depth = "only if", 0
        self._group += 1

    def _mark_run(self, *, passive: bool = False) -> None:
        """Put what stands before a "not" in the same clause under it: "scaling is not painful"."""
        words, figures = self._run
        if passive and words < len(self.words):
            words = self._list
        for at in range(words, len(self.words)):
            if self.words[at].tag == self._tag:
                self.words[at] = replace(self.words[at], negated=self._negated)
        for at in range(figures, len(self.figures)):
            self.figures[at] = replace(self.figures[at], negated=self._negated)

    def _shun(self, at: int) -> None:
        """Read "avoid hot food", and "tea and hot food should be avoided"."""
        self._negated = not self._negated
        self._mark_run(passive=bool(_BE & {self._text(at - 1), self._text(at - 2)}))

    def _marker(self, at: int, text: str) -> bool:
        tag = _MARKERS.get(text)
        if text == "case" and self._text(at - 1) == "in":
            tag = "if"
        if text == "with" and self._text(at - 1) == "together":
            tag = "if"
        if (
            text == "from"
            and self._text(at - 1) == "apart"
            or text == "than"
            and self._text(at - 1) == "other"
        ):
            tag = "except"
        before = self._text(at - 1)
        if text in ("with", "by", "on") and before == "only":
            tag = "only if"
        if tag is None or (text == "following" and before in ("the", "a", "of")):
            return False
        if tag in ("until", "unless") and self._negated and not self._narrow:
            self._only_if()
            return True
        if tag == "after" and self._tag in ("until", "only if") and before in ("until", "till"):
            return True
        put_off = self.words[-1:] and self.words[-1].root in _PUT_OFF
        if tag == "until" and put_off:
            tag = "only if"
        if before == "only" and tag in ("if", "after"):
            tag = "only if"
        if text in ("than", "rather") and (tag == "than" and self._at_number(at + 1)):
            return True
        if before in ("or", "nor"):
            self.flags.add((f"@or {self._group + 1}", self._clause))
        was_empty = not self.words and not self.figures
        self._boundary()
        self._tag, self._leading, self._depth = tag, was_empty, 0
        self._group += 1
        return True

    def _at_number(self, at: int) -> bool:
        return at < len(self._pieces) and any(
            q.start <= self._pieces[at].start < q.end for q in self._numbers
        )
