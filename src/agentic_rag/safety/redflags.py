"""Red flags: finds an emergency in a patient's words by rules that need nothing else. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from agentic_rag.errors import BadPack

SHIPPED_RULES = Path(__file__).with_name("redflags.yaml")

_GAP = r"(?:\W+\w+){0,5}?\W*"
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})

# What takes an alarm back: a denial close in front of the match, or in it.
_DENIED = re.compile(
    r"\b(?:no|not|without|never had|don'?t have|do not have|doesn'?t have|haven'?t|isn'?t|is not)"
    r"(?:(?:\W+(?:any|a|an|the|much|have|had|really|signs? of|high|or|and|\w+ing|\w+,)){0,4}"
    r"|[^.;]{0,60}?\b(?:or|nor)(?:\W+(?:any|a|an|the))?)\W*$"
)
_DENIED_WITHIN = re.compile(r"\b(?:isn'?t|aren'?t|wasn'?t|not|no longer|never)\b")
# A question about emergencies in general has nobody in it; one that has is taken for an emergency.
_ASKS_ABOUT = re.compile(
    r"^\W*(?:what (?:counts|is|are|if)|which|is it normal|how (?:do|would) (?:i|you) (?:know|tell)|"
    r"do you (?:treat|handle)|can \w+ cause|does \w+ cause|what causes|how common)\b"
)
_SOMEBODY = re.compile(
    r"\b(?:i'?m|i'?ve|i can'?t|i have|my|me|mine|we|our|he|she|him|his|her|they|son|daughter|child"
    r"|baby|kid|wife|husband|mother|father|mom|dad|friend|right now|today)\b"
)
_OVER = re.compile(
    r"\b(?:last (?:year|month)|(?:years?|months?) ago|used to|as a child|has (?:now )?stopped"
    r"|went away|is gone)\b"
)
_CLAUSE = re.compile(r"(?<=[.!?;\n])\s+|\b(?:but|and then|and now|then|now|however)\b")


@dataclass(frozen=True, slots=True)
class Rule:
    """One red flag."""

    category: str
    reason: str
    patterns: tuple[re.Pattern[str], ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A red flag that was found."""

    category: str
    reason: str


@dataclass(frozen=True, slots=True)
class RedFlags:
    """A rule table; `find` takes far less than a millisecond for a usual message."""

    rules: tuple[Rule, ...]

    def find(self, messages: Iterable[str]) -> Alarm | None:
        """Return the first alarm in the messages, or None."""
        for message in messages:
            text = message.lower().translate(_APOSTROPHES)
            for sentence in _CLAUSE.split(text):
                alarm = self._find_in(sentence)
                if alarm:
                    return alarm
        return None

    def _find_in(self, sentence: str) -> Alarm | None:
        asks = _ASKS_ABOUT.search(sentence) and not _SOMEBODY.search(sentence)
        if asks or _OVER.search(sentence):
            return None
        for rule in self.rules:
            for pattern in rule.patterns:
                for found in pattern.finditer(sentence):
                    if not _is_denied(sentence, found):
                        return Alarm(rule.category, rule.reason)
        return None


def _is_denied(sentence: str, found: re.Match[str]) -> bool:
    if _DENIED.search(sentence[: found.start()]):
        return True
    says_not_itself = "not" in found.re.pattern  # "does not stop" is the alarm, not its denial
    return not says_not_itself and bool(_DENIED_WITHIN.search(found[0]))


def read_rules(extra: Sequence[tuple[str, str, Sequence[str]]] = ()) -> RedFlags:
    """Read the shipped rules, add (category, reason, phrases) of a pack, and try every example.

    Raises:
        BadPack: the rules cannot be read, or one does not find its own example.
    """
    try:
        table = yaml.safe_load(SHIPPED_RULES.read_text(encoding="utf-8"))["rules"]
        shipped = [
            Rule(
                category=row["category"],
                reason=row["reason"],
                patterns=tuple(_compile(pattern) for pattern in row["patterns"]),
                examples=tuple(row["examples"]),
            )
            for row in table
        ]
    except (OSError, KeyError, TypeError, yaml.YAMLError, re.error) as error:
        raise BadPack(
            f"{SHIPPED_RULES.name}: the red-flag rules cannot be read: {error}"
        ) from error
    added = [
        Rule(
            category, reason, tuple(_compile(re.escape(p.lower())) for p in phrases), tuple(phrases)
        )
        for category, reason, phrases in extra
    ]
    flags = RedFlags((*shipped, *added))
    for rule in flags.rules:
        for example in rule.examples:
            if flags.find([example]) is None:
                raise BadPack(f"red flag {rule.category}: its own example is not found: {example}")
    return flags


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + pattern.replace(" GAP ", _GAP) + r")(?!\w)")
