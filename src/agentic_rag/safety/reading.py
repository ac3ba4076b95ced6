"""Reads a statement: its words and numbers, and under which "not" or "if" each stands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from agentic_rag.safety.grammar import (
    BE,
    BREAKS,
    COMPARED,
    FINITE,
    FRAMES,
    FRONTING,
    GUESTS,
    HEDGES,
    HOUSE,
    LIGHT,
    MARKERS,
    MARKING_PAIRS,
    MODALS,
    NARROW_ENDS,
    NEEDLESS,
    NEGATORS,
    NOUN_GOES_ON,
    OBJECTS,
    OPPOSITES,
    ORDERED,
    PARTICLES,
    POINTING,
    PRICES,
    PUT_OFF,
    RECEIVING,
    ROLES,
    SHUNNING,
    SHUNNING_PAIRS,
    SOMEBODY,
    STOPS,
    SUBJECTS,
    VERBAL,
)
from agentic_rag.safety.numbers import quantities
from agentic_rag.safety.phrasing import plainer
from agentic_rag.safety.pieces import Piece, bounding, pieces_of
from agentic_rag.safety.polarity import Figure, Parse, Word
from agentic_rag.safety.quantity import Quantity, lent
from agentic_rag.safety.units import ADVERBS, UNITS
from agentic_rag.safety.wording import Dictionary, plain, root, words_of

_TERSE = NEGATORS | OPPOSITES.keys()
_FEW = 4
_FAR = 6  # words from a verb to its "away"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement says, taken apart.

    Attributes:
        flags: modals and hedges ("must", "usually"), each with the clause that it is in.
        meanings: of all its words.
        lendable: of its words as they stand: what a heading lends to what stands below it.
        roots: of all its words, in order, for comparing statements whole.
        field_roots: of the name of the field that it is the value of.
        is_active: whether there is no "is" and no "are" that could turn it round.
        is_order: whether it tells what to do: "rinse the mouth".
        has_verb: whether there is a small word that stands for one: "is", "may", "you".
    """

    words: tuple[Word, ...]
    figures: tuple[Figure, ...]
    flags: frozenset[tuple[str, int]]
    meanings: frozenset[str] = field(repr=False)
    lendable: frozenset[str] = field(repr=False)
    roots: tuple[str, ...] = field(repr=False)
    field_roots: frozenset[str] = frozenset()
    is_active: bool = True
    has_verb: bool = True
    is_order: bool = False

    def flags_in(self, clauses: frozenset[int] | None = None) -> frozenset[str]:
        """Return the flags of some clauses, or of all."""
        return frozenset(f for f, clause in self.flags if clauses is None or clause in clauses)

    @property
    def says_enough(self) -> bool:
        """Tell whether it can be judged by its words: more than one counts, a phrase as one."""
        return len(self.figures) + len({w.meanings for w in self.words if not w.is_light}) > 1

    @property
    def amounts(self) -> list[tuple[object, ...]]:
        """What its numbers say, wherever they stand."""
        quantities = (figure.quantity for figure in self.figures)
        return [(q.kind, q.low, q.high, q.bound, q.per) for q in quantities]


@lru_cache(maxsize=8192)
def read(text: str, dictionary: Dictionary, field_name: str = "") -> Reading:
    """Read a statement; `field_name` lends a bare number its unit."""
    text = plainer(plain(text))
    pieces = pieces_of(text, dictionary)
    phrased = [(piece.start, piece.end) for piece in pieces if piece.is_counted]
    numbers = [
        lent(quantity, field_name) if field_name else quantity
        for quantity in quantities(text)
        if not any(start <= quantity.start < end for start, end in phrased)
    ]
    parse = _Walk(pieces, numbers, dictionary).go()
    return Reading(
        words=tuple(_weighed(parse.words)),
        figures=tuple(parse.figures),
        flags=frozenset(parse.flags),
        meanings=frozenset(m for word in parse.words for m in word.meanings),
        lendable=frozenset(
            meaning
            for piece in pieces
            if piece.text[0].isalpha() and piece.text not in STOPS
            for meaning in (piece.root, *piece.groups)
        ),
        roots=tuple(piece.root for piece in pieces if piece.is_word),
        field_roots=frozenset(map(root, words_of(plain(field_name).lower()))),
        is_active=BE.isdisjoint(piece.text for piece in pieces),
        is_order=_is_order([piece.text for piece in pieces]),
        has_verb=not (VERBAL | MODALS.keys()).isdisjoint(piece.text for piece in pieces),
    )


def _is_order(texts: Sequence[str]) -> bool:
    """Tell whether the first word is a verb: what follows is no noun's, and there is no other."""
    begins = len(texts) > 1 and (texts[1] in OBJECTS or texts[1][0].isdigit())
    return begins and texts[0] not in STOPS and (FINITE | BE).isdisjoint(texts)


def _weighed(words: Sequence[Word]) -> list[Word]:
    """Have the light words missed behind a "before" that has no others."""
    full = {word.group for word in words if word.tag and not word.is_light}
    return [
        replace(word, is_light=word.is_light and (word.tag in ("", "if") or word.group in full))
        for word in words
    ]


class _Walk:
    """Goes through the pieces of a statement once."""

    def __init__(
        self, pieces: Sequence[Piece], numbers: Sequence[Quantity], dictionary: Dictionary
    ) -> None:
        self._pieces = pieces
        self._numbers = numbers
        self._dictionary = dictionary
        self._parse = Parse()

    def go(self) -> Parse:
        """Read every piece; those of a number are read with it."""
        skipped, left, end = bounding(self._pieces, self._numbers), list(self._numbers), -1
        for at, piece in enumerate(self._pieces):
            if piece.start < end:
                continue
            if left and left[0].start < piece.end:
                quantity = left.pop(0)
                end = max(quantity.end, piece.end)
                self._parse.add_figure(quantity)
            elif at not in skipped:
                self._take(at, piece)
        self._parse.end_clause()
        return self._parse

    def _text(self, at: int) -> str:
        return self._pieces[at].text if 0 <= at < len(self._pieces) else ""

    def _take(self, at: int, piece: Piece) -> None:
        text = piece.text
        self._note_contrast(at, text)
        if text in PRICES:
            self._parse.flag("free" if piece.is_swallowed else "paid")
        if not piece.is_word:
            self._sign(at, text)
        elif piece.is_swallowed or (piece.is_phrased and text in MARKERS):
            self._word(piece, is_light=False)
        elif text in ("and", "or", "nor"):
            self._joined(at)
        elif text in BREAKS:
            if text == "then":
                self._parse.flag("@then")
            self._parse.end_clause()
        elif not (self._negator(at, text) or self._marker(at, text)):
            self._plain(at, piece)

    def _sign(self, at: int, sign: str) -> None:
        if sign == "-":
            spaced = 0 < at < len(self._pieces) - 1 and (
                self._pieces[at - 1].end < self._pieces[at].start
                and self._pieces[at].end < self._pieces[at + 1].start
            )
            if not spaced:  # within a word
                return
        if sign == "(" and self._parse.figures and self._parse.ended_in_figure:
            return  # "1 (composite)"
        if sign == ":" and self._text(at + 1) in _TERSE and len(self._pieces) - at <= _FEW:
            return  # "Sunday: closed"
        if sign == ":" and self._parse.is_negated and self._lists_behind(at):
            return  # "Avoid: hot drinks", "Not suitable for: children"
        if sign == "," and not self._parse.clause and self._text(0) in FRONTING:
            self._parse.flag("@front")
        if sign == "," and self._list_goes_on(at):
            self._parse.next_in_list(sign)
            return
        self._parse.end_clause()

    def _lists_behind(self, at: int) -> bool:
        """Tell whether nothing has been said in front of a colon but that it is not so."""
        return not self._parse.in_clause() or self._text(at - 1) in NARROW_ENDS

    def _list_goes_on(self, at: int) -> bool:
        """Tell whether a comma stands in a list, under the same "not" as before."""
        behind = [self._text(at + n) for n in range(1, 7)]
        if self._parse.is_leading and not (
            {"or", "and"} & set(behind[:3]) and "," in {p.text for p in self._pieces[at + 3 :]}
        ):
            return False  # "if you smoke, tell us"
        is_order = behind[1] not in STOPS and behind[2] in OBJECTS | {"to"}
        if behind[0] == "and" and is_order and not self._parse.in_commas:
            return False  # "avoid hot drinks, and take the tablets with food"
        if behind[0] in ("and", "or", "but"):
            return VERBAL.isdisjoint(behind[1:5])
        for text in behind:
            if text in (",", "or", "and", "nor"):
                return True
            if not text or text in ".;:!?" or text in MARKERS or text in MODALS or (
                text in ("you", "we", "it", "they", "is", "are", "but", "not", "please", "which")
            ):  # fmt: skip
                return False
        return False

    def _joined(self, at: int) -> None:
        is_order = self._text(at) == "and" and self._text(at + 2) in ORDERED
        if self._text(at) != "or" and (self._text(at + 1) in SUBJECTS or is_order):
            self._parse.end_clause()
        else:
            self._parse.next_in_list(self._text(at))

    def _note_contrast(self, at: int, text: str) -> None:
        """Note a "not" without a verb of its own: "in cool water, never hot"."""
        is_apart = self._text(at - 1) in (",", "but") and self._text(at + 1) not in VERBAL
        if is_apart and text in ("not", "never", "no"):
            self._parse.flag("@contrast")

    def _negator(self, at: int, text: str) -> bool:
        """Read a "not" of any kind; False where it is none."""
        parse, before, after = self._parse, self._text(at - 1), self._text(at + 1)
        if text == "not" and after in ("only", "just", "merely", "simply"):
            parse.flag("not only")
        elif text.endswith("n't") or text == "cannot":
            parse.negate(list_too=True)
            self._flag(at, text)
        elif text not in NEGATORS or (before == "or" and text == "not"):
            return False
        elif text == "without" and parse.is_negated and not parse.is_narrow:
            parse.only_if()
        elif text == "without" and not parse.words and not parse.figures:
            parse.begin_tag("without", is_alternative=False)
        elif text in ("no", "without") and after not in ("one", "longer"):
            parse.negate_noun(verb_too=text == "no" and before != "with")
        else:
            parse.negate(list_too=bool(BE & {before, after}) or before in MODALS)
            if before == "need" or after in NEEDLESS or self._text(at + 2) == "necessary":
                parse.flag("need not")
        return True

    def _marker(self, at: int, text: str) -> bool:
        """Read a "before", an "if" ...; False where it is none."""
        parse, before = self._parse, self._text(at - 1)
        tag = MARKING_PAIRS.get((before, text)) or MARKERS.get(text)
        if text == "with":
            tag = tag or self._condition_of(at)
        if tag is None or (text == "following" and before in ("the", "a", "of")):
            return False
        put_off = any(w.root in PUT_OFF and w.clause == parse.clause for w in parse.words)
        if tag in ("until", "unless") and parse.is_negated and not put_off:
            parse.only_if()
            return True
        if before in ("until", "till") or (tag == "than" and self._at_number(at + 1)):
            return True
        if (tag == "until" and put_off) or (before == "only" and tag in ("if", "after")):
            tag = "only if"
        parse.begin_tag(tag, is_alternative=before in ("or", "nor"))
        return True

    def _condition_of(self, at: int) -> str | None:
        """Tell whether a "with" says on what terms, or whom: "patients with diabetes should"."""
        if not at:
            return "if"  # "with your consent we share it"
        is_whom = at == 1 or self._text(at - 2) in FRONTING | {"of", "to"}
        return "with" if self._text(at - 1) in SOMEBODY and is_whom else None

    def _at_number(self, at: int) -> bool:
        return at < len(self._pieces) and any(
            number.start <= self._pieces[at].start < number.end for number in self._numbers
        )

    def _plain(self, at: int, piece: Piece) -> None:
        """Read a word that is neither a sign, a "not" nor a "before"."""
        text = piece.text
        self._end_what_ends(at, text)
        self._note(at, piece)
        is_asked = text == "asked" and self._text(at + 1) in ("to", "not")
        if text in MODALS or text in HEDGES or is_asked:
            return
        is_away = self._shuns(at, text)
        if (self._text(at - 1), text) in SHUNNING_PAIRS:
            self._parse.take_back(root(self._text(at - 1)), text)
        if not is_away and (text in STOPS or (len(piece.root) == 1 and not text.isdigit())):
            return
        if piece.root in SHUNNING or is_away:
            self._parse.turn(list_too=bool(BE & {self._text(at - 1), self._text(at - 2)}))
        elif text in OPPOSITES and (text != "shut" or self._text(at - 1) in BE):
            meant = root(OPPOSITES[text])
            self._parse.turn(list_too=True)
            self._parse.add_word(meant, self._dictionary.meanings(meant), is_light=False)
        elif [self._text(at + n) for n in (1, 2)] == ["-", "free"]:
            self._parse.negate_one(piece.root, self._dictionary.meanings(piece.root))
        elif text == "free" and self._text(at - 1) == "-":
            return
        else:
            is_bodily = text == "person" and self._text(at - 1) == "in"
            is_light = not is_bodily and (piece.root in LIGHT or self._is_per(piece))
            self._word(piece, is_light=is_light)

    def _shuns(self, at: int, text: str) -> bool:
        """Tell whether a particle makes a verb say "not": "stay off", "keep it away from"."""
        if text == "away" and self._text(at + 1) == "from":
            return any((self._text(at - n), text) in SHUNNING_PAIRS for n in range(1, _FAR))
        return (self._text(at - 1), text) in SHUNNING_PAIRS

    def _begins_main(self, at: int, text: str) -> bool:
        """Tell whether a main clause begins without a comma: "before the scan | the nurse"."""
        before = self._text(at - 1)
        if text in ("you", "we", "they"):
            return bool(self._parse.depth) or before in POINTING
        is_in_it = before in NOUN_GOES_ON or before.endswith("ing")
        return text == "the" and bool(self._parse.depth) and not is_in_it

    def _end_what_ends(self, at: int, text: str) -> None:
        parse = self._parse
        if parse.is_narrow and text in NARROW_ENDS:
            if text in BE and parse.began_narrow:
                parse.widen()
            else:
                parse.end_narrow()
        begins = parse.is_leading and self._begins_main(at, text)
        if begins and parse.tag in ("after", "before", "until", "while"):
            parse.end_clause()  # "after a sedative | you may not drive"
        has_said = parse.since_not if parse.is_negated else parse.depth
        is_over = parse.tag in ("who", "with") or (parse.is_negated and not parse.is_narrow)
        is_relative = self._text(at - 1) == "that" and parse.tag not in ("who", "with")
        if text in FINITE | {"need", "needs"} and is_over and has_said and not is_relative:
            parse.end_clause()  # "who cannot wait | may rebook"

    def _note(self, at: int, piece: Piece) -> None:
        text, parse = piece.text, self._parse
        if (who := self._doer(at, piece)) and not parse.in_clause():
            parse.flag(who)
        parse.has_verb |= text in VERBAL or text in MODALS
        parse.role = text if text in ROLES else parse.role
        self._note_frame(at, text)
        if text in ("other", "another", "opposite") and not piece.groups:
            parse.flag("other")
        if text in ("next", "following") and self._text(at + 1) in UNITS:
            parse.flag("next")
        if text in PARTICLES and not (text == "off" and parse.ended_in_figure):
            parse.flag(f"~{text}")
        if text in ("like", "wish", "want", "prefer") and self._text(at - 2) == "if":
            parse.flag("can")
        self._flag(at, text)

    def _note_frame(self, at: int, text: str) -> None:
        """Note what tells how the words beside it are meant: "it", "anything", "probably"."""
        if text in POINTING:
            self._parse.flag("@it")
        is_narrowed = self._text(at + 1) in ("who", "whose", "with", "over", "under", "above")
        if (frame := FRAMES.get(text)) and not is_narrowed:
            self._parse.flag(frame)

    def _doer(self, at: int, piece: Piece) -> str:
        """Tell whether we do something, or you; not what is only done to you."""
        if piece.root not in HOUSE | GUESTS or piece.end - piece.start > len(piece.text):
            return ""  # "you're told"
        while self._text(at + 1) in MODALS or (
            self._text(at + 2) == "to" and self._text(at + 1) in ("need", "needs", "have", "has")
        ):
            at += 1 if self._text(at + 1) in MODALS else 2
        does = root(self._text(at + 1))
        is_done = self._text(at + 1) in BE or does in map(root, RECEIVING)
        return "" if is_done else "@we" if piece.root in HOUSE else "@you"

    def _flag(self, at: int, text: str) -> None:
        """Note a modal or a hedge."""
        base = text.removesuffix("n't")
        base = {"ca": "can", "wo": "will", "cannot": "can", "supposed": "should"}.get(base, base)
        if base in ("have", "has") and self._text(at + 1) == "to":
            base = "must"
        kind = MODALS.get(base) or HEDGES.get(base)
        if not kind:
            return
        if kind == "all" and self._pieces[at].is_phrased:
            kind = "every"  # day
        if kind == "may" and self._text(at - 1) == "you":
            self._parse.flag("you may")
        self._parse.flag(kind)
        is_needless = self._parse.is_negated and (
            kind == "need" or (kind == "must" and text not in ("must", "mustn't", "shall"))
        )
        if is_needless or base == "optional":
            self._parse.flag("need not")

    def _is_per(self, piece: Piece) -> bool:
        """Tell whether a word only says what a number before it is counted for."""
        per = {figure.quantity.per for figure in self._parse.figures} - {""}
        return bool(per) and (piece.root in per or piece.text in ADVERBS)

    def _word(self, piece: Piece, *, is_light: bool) -> None:
        own = frozenset() if piece.is_swallowed else self._dictionary.meanings(piece.root)
        if piece.text in COMPARED:
            own |= {f"#{COMPARED[piece.text]}"}
        self._parse.add_word(piece.root, own | frozenset(piece.groups), is_light=is_light)
