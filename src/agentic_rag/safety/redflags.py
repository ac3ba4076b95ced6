"""Red flags: finds an emergency in a patient's words by rules that need nothing else. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import accumulate
from operator import or_
from pathlib import Path
from typing import Any

import yaml

from agentic_rag.errors import BadPack
from agentic_rag.safety.conversation import CANNOT, THERE, Reading
from agentic_rag.safety.framing import Framing
from agentic_rag.safety.hunch import Hunch, read_hunches, views_of
from agentic_rag.safety.lexicon import Lexicon, read_lexicon
from agentic_rag.safety.spelling import STOP, read_words
from agentic_rag.yaml_files import read_yaml

SHIPPED_RULES = Path(__file__).with_name("redflags.yaml")
SELF_HARM = "self_harm"

_NEAR = 8  # words between the parts of a sign
_LATELY = 64  # conversations: each is soon looked at again, and a long one is large
_APART = 4  # what the end of a sentence counts for, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One red flag.

    Attributes:
        signs: each in the words of the lexicon: `swelling + site`; `-stop` is "does not stop".
        unless: concepts that make it none where they stand near.
        source: the guideline that it rests on.
        examples: what it has to find, and `counter_examples` what no rule may.
    """

    name: str
    category: str
    reason: str
    source: str
    signs: tuple[str, ...]
    unless: str = ""
    near: int = _NEAR
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A red flag that was found."""

    category: str
    reason: str
    source: str = ""
    rule: str = ""

    @property
    def is_crisis(self) -> bool:
        """Tell whether somebody may harm themselves."""
        return self.category == SELF_HARM


@dataclass(frozen=True, slots=True)
class _Term:
    """A part of a sign: any of some concepts, and how it is meant."""

    concepts: int
    meant: int


@dataclass(frozen=True)
class RedFlags:
    """A rule table with its lexicon; `find` takes well under a millisecond for a usual message."""

    rules: tuple[Rule, ...]
    lexicon: Lexicon
    hunches: Mapping[str, Hunch]

    @cached_property
    def _framing(self) -> Framing:
        return Framing(self.lexicon)

    @cached_property
    def _signs(self) -> tuple[tuple[Rule, tuple[tuple[_Term, ...], ...], int], ...]:
        return tuple(
            (
                rule,
                tuple(_read_sign(sign, self.lexicon) for sign in rule.signs),
                self.lexicon.mask(*rule.unless.split()),
            )
            for rule in self.rules
        )

    @cached_property
    def _alarms(self) -> Callable[[tuple[str, ...]], Alarm | None]:
        """What was found lately: a message is looked at on its way in, and again in the graph."""
        return lru_cache(maxsize=_LATELY)(self._find)

    def find(self, turns: Iterable[str]) -> Alarm | None:
        """Return the gravest alarm in what a person said, oldest turn first, or None."""
        return self._alarms(tuple(turns))

    def read(self, turns: Iterable[str]) -> Reading:
        """Read what a person said: what is there, and how it is meant."""
        return self._framing.read(tuple(turns))

    def _find(self, turns: tuple[str, ...]) -> Alarm | None:
        reading = self.read(turns)
        return self.by_rule(reading) or self._have_a_hunch(reading)

    def by_rule(self, reading: Reading) -> Alarm | None:
        """Return the gravest alarm that a rule raises."""
        page = _Page(reading)
        for rule, signs, unless in self._signs:
            for sign in signs:
                if page.holds(sign, unless, rule.near):
                    return Alarm(rule.category, rule.reason, rule.source, rule.name)
        return None

    def _have_a_hunch(self, reading: Reading) -> Alarm | None:
        """Where no rule speaks, what was said last may still sound like an alarm."""
        views = list(views_of(reading))
        if not self.hunches["emergency"].speaks(views):
            return None
        return _HUNCHES["crisis" if self.hunches["crisis"].speaks(views) else "emergency"]


_OF_A_PACK = "pack: "
_HUNCHES = {
    "crisis": Alarm(
        SELF_HARM, "it sounds as if somebody may harm themselves", "the project's own set", "hunch"
    ),
    "emergency": Alarm(
        "unclear", "what you describe sounds urgent", "the project's own set", "hunch"
    ),
}


class _Page:
    """The concepts of a reading that are not muted, ready to be looked up."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        pairs = zip(reading.concepts, reading.muted, strict=True)
        self._told = [at for at, (concepts, muted) in enumerate(pairs) if concepts and not muted]
        self._all = reduce(or_, map(reading.concepts.__getitem__, self._told), 0)
        self._found: dict[_Term, list[int]] = {}

    @cached_property
    def _at(self) -> list[int]:
        """Return where each word stands, a new sentence being farther than a word."""
        gaps = self._reading.gaps
        apart = accumulate(_APART if gap >= STOP and at else 0 for at, gap in enumerate(gaps))
        return [at + shift for at, shift in enumerate(apart)]

    def holds(self, sign: Sequence[_Term], unless: int, near: int) -> bool:
        """Tell whether all parts of a sign stand near each other."""
        if any(not self._all & term.concepts for term in sign):
            return False
        first, *others = sign
        for at in self._where(first):
            spots = [self._nearest(term, at, near) for term in others]
            if None in spots:
                continue
            if not unless or not self._stands_by(unless, at, near):
                return True
        return False

    def _where(self, term: _Term) -> list[int]:
        if term not in self._found:
            reading = self._reading
            self._found[term] = [
                at
                for at in self._told
                if reading.concepts[at] & term.concepts
                and (term.meant < 0 or reading.meant[at] == term.meant)
            ]
        return self._found[term]

    def _nearest(self, term: _Term, at: int, near: int) -> int | None:
        found = self._where(term)
        low, high = bisect_left(found, at - near), bisect_right(found, at + near)
        here = self._at[at]
        for each in found[low:high]:
            if each != at and abs(self._at[each] - here) <= near:
                return each
        return None

    def _stands_by(self, unless: int, at: int, near: int) -> bool:
        low, high = max(0, at - near), at + near + 1
        return any(
            concepts & unless and abs(self._at[low + n] - self._at[at]) <= near
            for n, concepts in enumerate(self._reading.concepts[low:high])
        )


def _read_sign(sign: str, lexicon: Lexicon) -> tuple[_Term, ...]:
    terms = []
    for part in sign.split("+"):
        name = part.strip()
        concepts = name.lstrip("-").split("|")
        meant = CANNOT if name.startswith("-") else THERE
        mask = lexicon.mask(*concepts)
        if not mask & ~lexicon.group("either_way"):
            meant = -1
        terms.append(_Term(mask, meant))
    return tuple(terms)


def pack_rule(row: Mapping[str, Any]) -> Rule:
    """Return a rule as a pack gives it: its signs are phrases."""
    return Rule(
        name=f"{_OF_A_PACK}{row['category']}",
        category=row["category"],
        reason=row["reason"],
        source=row.get("source", "the clinic"),
        signs=tuple(row["patterns"]),
        examples=tuple(row.get("examples", ())),
        counter_examples=tuple(row.get("counter_examples", ())),
    )


def read_rules(extra: Sequence[Rule] = (), *, examples: bool = True) -> RedFlags:
    """Read the shipped rules, add those of a pack, and try every example (training has yet to).

    Raises:
        BadPack: the rules cannot be read, or one fails its own examples.
    """
    phrases = {f"pack{at}": _as_phrases(rule.signs) for at, rule in enumerate(extra)}
    added = [_of_pack(rule, name) for rule, name in zip(extra, phrases, strict=True)]
    try:
        table = read_yaml(SHIPPED_RULES)["rules"]
        shipped = [_read_rule(row) for row in table]
        crisis = [rule for rule in shipped if rule.category == SELF_HARM]
        others = [rule for rule in shipped if rule.category != SELF_HARM]
        lexicon = read_lexicon(phrases)
        flags = RedFlags((*crisis, *added, *others), lexicon, read_hunches(list(lexicon.bits)))
        flags.find(["warm up"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        told = f"{SHIPPED_RULES.name}: the red-flag rules cannot be read: {error}"
        raise BadPack(told) from error
    for rule in flags.rules if examples else ():
        _try_examples(flags, rule)
    return flags


def _try_examples(flags: RedFlags, rule: Rule) -> None:
    for example in rule.examples:
        if flags.find([example]) is None:
            raise BadPack(f"red flag {rule.category}: its own example is not found: {example}")
    for example in rule.counter_examples:
        if flags.find([example]) is not None:
            raise BadPack(f"red flag {rule.category}: its counter-example is found: {example}")


def _read_rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        name=row["name"],
        category=row["category"],
        reason=row["reason"],
        source=row["source"],
        signs=tuple(row["signs"]),
        unless=row.get("unless", ""),
        near=row.get("near", _NEAR),
        examples=tuple(row["examples"]),
        counter_examples=tuple(row["counter_examples"]),
    )


def _as_phrases(phrases: Sequence[str]) -> list[str]:
    return ["_".join(word.text for word in read_words(phrase)) for phrase in phrases]


def _of_pack(rule: Rule, concept: str) -> Rule:
    """A pack gives phrases; each is a concept of its own, and an example."""
    return Rule(
        name=rule.name,
        category=rule.category,
        reason=rule.reason,
        source=rule.source,
        signs=(concept,),
        examples=(*rule.signs, *rule.examples),
        counter_examples=rule.counter_examples,
    )
