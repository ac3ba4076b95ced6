"""Red flags: finds an emergency in a patient's words by rules that need nothing else. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Any

import yaml

from agentic_rag.errors import BadPack
from agentic_rag.safety.conversation import Reading
from agentic_rag.safety.framing import Framing
from agentic_rag.safety.hunch import Hunch, read_hunches, views_of
from agentic_rag.safety.lexicon import Lexicon, read_lexicon
from agentic_rag.safety.network import SEEN, Network, read_network
from agentic_rag.safety.signs import Page, Term, read_sign
from agentic_rag.safety.spelling import read_words
from agentic_rag.yaml_files import read_yaml

SHIPPED_RULES = Path(__file__).with_name("redflags.yaml")
SELF_HARM = "self_harm"

HINTED = 0.5  # what a hint counts for beside the hunch and the network

_NEAR = 8  # words between the parts of a sign
_PLAIN = 6  # words of a sentence that has no room to make a sign none
_SURE = 2.0  # what a sentence has to sound like by itself: what stands beside it may explain it
_DESPAIR = 3.5  # what a crisis has to sound like where a hint tells of a body in danger
_LATELY = 64  # conversations: each is soon looked at again, and a long one is large


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One red flag.

    Attributes:
        signs: each in the words of the lexicon: `swelling + site`; `-stop` is "does not stop".
        hints: signs that are often none: in a sentence of over six words what is learned has to
            agree, but where so much is said that it cannot be asked.
        unless: concepts that make it none where they stand near.
        source: the guideline that it rests on.
        examples: what it has to find, and `counter_examples` what no rule may.
    """

    name: str
    category: str
    reason: str
    source: str
    signs: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
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


_Sought = tuple[Rule, tuple[tuple[Term, ...], ...], int]
"""A rule, the parts of each of its signs or hints, and what makes them none."""


@dataclass(frozen=True)
class RedFlags:
    """A rule table with its lexicon; `find` takes about a millisecond for a usual message."""

    rules: tuple[Rule, ...]
    lexicon: Lexicon
    hunches: Mapping[str, Hunch]
    network: Network

    @cached_property
    def _framing(self) -> Framing:
        return Framing(self.lexicon)

    @cached_property
    def _signs(self) -> tuple[_Sought, ...]:
        return tuple(self._seek(rule, rule.signs) for rule in self.rules)

    @cached_property
    def _signs_and_hints(self) -> tuple[_Sought, ...]:
        return tuple(self._seek(rule, (*rule.signs, *rule.hints)) for rule in self.rules)

    @cached_property
    def _begins_a_sign(self) -> int:
        """The concepts without which nothing is a sign."""
        firsts = (sign[0].concepts for _, signs, _ in self._signs_and_hints for sign in signs)
        return reduce(or_, firsts, 0)

    def _seek(self, rule: Rule, signs: Sequence[str]) -> _Sought:
        terms = tuple(read_sign(sign, self.lexicon) for sign in signs)
        return rule, terms, self.lexicon.mask(*rule.unless.split())

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
        hinted, raised = self.by_hint(reading), self.by_sign(reading)
        if raised:
            return hinted or raised
        if hinted and len(reading.texts) > SEEN:
            return hinted
        if not self._hears(reading, hinted) and not self._hears_a_sentence(reading):
            return None
        if self.hunches["crisis"].highest(views_of(reading)) > _DESPAIR * (hinted is not None):
            return _HUNCHES["crisis"]
        return hinted or _HUNCHES["emergency"]

    def _hears_a_sentence(self, reading: Reading) -> bool:
        """Tell whether a sentence is an alarm by itself, so that none beside it can hide it."""
        for said in reading.short_sentences(SEEN):
            hinted = self.by_hint(said)
            if hinted and self._hears(said, hinted, _SURE):
                return True
        return False

    def _hears(self, said: Reading, hinted: Alarm | None, limit: float = 0) -> bool:
        heard = self.hunches["emergency"].highest(views_of(said)) + HINTED * (hinted is not None)
        return heard + (self.network.score(said) if len(said.texts) <= SEEN else 0) > limit

    def by_sign(self, reading: Reading) -> Alarm | None:
        """Return the gravest alarm that a sign raises alone, or a hint that is said plainly."""
        lessens = self.lexicon.mask("lessening")
        plain = (
            self.by_hint(said)
            for said in reading.short_sentences(_PLAIN)
            if not said.all(0, len(said.texts)) & lessens
        )
        return _find_any(self._signs, Page(reading)) or next(filter(None, plain), None)

    def by_hint(self, reading: Reading) -> Alarm | None:
        """Return the gravest alarm that a sign raises or a hint tells of."""
        if not reading.all(0, len(reading.texts)) & self._begins_a_sign:
            return None
        return _find_any(self._signs_and_hints, Page(reading))


def _find_any(sought: Sequence[_Sought], page: Page) -> Alarm | None:
    for rule, signs, unless in sought:
        for sign in signs:
            if page.holds(sign, unless, rule.near):
                return Alarm(rule.category, rule.reason, rule.source, rule.name)
    return None


_OF_A_PACK = "pack: "
_HUNCHES = {
    "crisis": Alarm(
        SELF_HARM, "it sounds as if somebody may harm themselves", "the project's own set", "hunch"
    ),
    "emergency": Alarm(
        "unclear", "what you describe sounds urgent", "the project's own set", "hunch"
    ),
}


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
        first, *others = map(_read_rule, table)  # what a pack adds is less grave than a crisis
        lexicon = read_lexicon(phrases)
        concepts = list(lexicon.bits)
        flags = RedFlags(
            (first, *added, *others),
            lexicon,
            read_hunches(concepts),
            read_network(concepts),
        )
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
        signs=tuple(row.get("signs", ())),
        hints=tuple(row.get("hints", ())),
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
