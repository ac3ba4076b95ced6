"""Ear: which concepts the words of a conversation stand for. Pure."""

from collections.abc import Sequence
from itertools import islice

from agentic_rag.safety.conversation import THERE, Reading
from agentic_rag.safety.lexicon import Lexicon
from agentic_rag.safety.spelling import COMMA, STOP, TURN, cut, indic

_PLURAL_FROM = 5  # letters
_ECHOES = frozenset("vbw")
_VOWELS = "aeiou"


class Ear:
    """Hears with one lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._is, self._said, self._ends = lexicon.bits, lexicon.particles, lexicon.endings
        particles = ("question", "was", "then", "par", "asking", "denying")
        self._telling = frozenset(["was"]).union(*(self._said[name] for name in particles))

    def hear(self, turns: Sequence[str]) -> Reading:
        """Cut turns into words and find what each stands for."""
        words: list[str] = []
        gaps: list[int] = []
        for turn in turns:
            said, breaks = cut(turn)
            words += map(self._lexicon.righted, said)
            gaps += [TURN, *breaks[1:]][: len(said)]
        concepts = list(map(self._lexicon.look, words))
        self._skip_echoes(words, concepts, gaps)
        for at in [at for at, each in enumerate(concepts) if each & self._is["pet"]]:
            if self._is_likened(words, at):
                concepts[at] &= ~self._is["pet"]  # "panting like a dog"
        self._take_phrases(words, concepts, gaps)
        for at in [at for at, text in enumerate(words) if text in self._telling]:
            self._hear_particle(words, concepts, gaps, at)
        return Reading(words, concepts, gaps, [THERE] * len(words), [False] * len(words))

    def _skip_echoes(self, words: list[str], concepts: list[int], gaps: list[int]) -> None:
        """An echo says "or the like": "ulti vulti nahi", "chhati biti dukhat nahi"."""
        for at in range(1, len(words)):
            if not concepts[at] and concepts[at - 1] and not gaps[at]:
                concepts[at] |= self._is["filler"] * _is_echo(words[at - 1], words[at])

    def _hear_particle(
        self, words: list[str], concepts: list[int], gaps: list[int], at: int
    ) -> None:
        """What small words say, the word beside them decides."""
        word, before = words[at], words[at - 1] if at and not gaps[at] else ""
        if word in self._said["was"] and before.endswith(self._ends["habit"]):
            concepts[at] |= self._is["past"]  # "ho jata tha": it used to
        elif word == "was" and "when" in words[max(0, at - 3) : at]:
            concepts[at] |= self._is["past"] * self._is_age(words[at + 1 : at + 3])
        elif word in self._said["par"] and (not before or before in self._said["verb"]):
            concepts[at] |= self._is["but"]  # not "upon"
        elif word in self._said["then"] and self._is_done(before):
            concepts[at - 1] |= self._is["if_so"]  # "padla tar"
        elif word in self._said["question"] and self._asks_of_habit(words, gaps, at):
            concepts[at] |= self._is["asks"]
        elif word in self._said["asking"] and gaps[at] >= STOP:
            concepts[at] |= self._is["ask"] * self._is_any(words[at + 1 : at + 2])
        elif word in self._said["denying"] and words[at + 1 : at + 2] == ["not"]:
            concepts[at] &= ~self._is["ask"]  # "it does not stop"

    def _take_phrases(self, words: list[str], concepts: list[int], gaps: list[int]) -> None:
        """Let a phrase take its words, the longest first; one that frames leaves them their own."""
        taken = 0
        begun = map(self._lexicon.pairs, words, islice(words, 1, None))
        for at in [at for at, phrases in enumerate(begun) if phrases]:
            frames = longest = meaning = 0
            for length, bits in self._lexicon.phrases_at(words, at):
                if max(gaps[at + 1 : at + length]) >= STOP:
                    continue
                if bits & self._lexicon.frames:
                    frames |= bits
                elif length >= longest:
                    longest, meaning = length, bits | (meaning if length == longest else 0)
            if longest and at >= taken:
                concepts[at] = meaning | concepts[at] & self._is["ask"]
                rest = slice(at + 1, at + longest)
                concepts[rest] = [each & self._is["maybe"] for each in concepts[rest]]
                taken = at + longest
            concepts[at] |= frames

    def _is_done(self, verb: str) -> bool:
        """Tell "padla tar", if he falls, from "uthlo tar", when I got up."""
        return verb.endswith(self._ends["done"]) and not verb.startswith(self._ends["looked"])

    def _is_likened(self, words: Sequence[str], at: int) -> bool:
        """Tell whether somebody is only like that: "like a dog", "kutte jaise"."""
        return (
            words[at].endswith(self._ends["like"])
            or not self._said["like"].isdisjoint(words[at + 1 : at + 2])
            or words[max(0, at - 2) : at] == ["like", "a"]
        )

    def _is_age(self, after: Sequence[str]) -> bool:
        """Tell whether somebody was so old: "when I was six", "when he was in school"."""
        if after[:1] == ["in"]:
            return after[-1] in self._said["school"]
        return not self._said["age"].isdisjoint(after[:1])

    def _is_any(self, after: Sequence[str]) -> bool:
        """Tell whether a verb asks about things of a kind: "can braces ...", "is a ..."."""
        return any(
            word in self._said["of_a_kind"]
            or (len(word) >= _PLURAL_FROM and word[-1] == "s" != word[-2])
            for word in after
        )

    def _asks_of_habit(self, words: Sequence[str], gaps: Sequence[int], at: int) -> bool:
        """Tell whether a question is about what happens as a rule: "sujta hai kya?", "yete ka?"."""
        if at + 1 < len(words) and gaps[at + 1] < COMMA:
            return False
        verb = at - 1
        while verb > 0 and words[verb] in self._said["be"]:
            verb -= 1
        return verb > 0 and words[verb].endswith(self._ends["habit"])


def _is_echo(word: str, after: str) -> bool:
    """Tell whether a word repeats the one before it but for how that begins.

    >>> _is_echo("ulti", "vulti"), _is_echo("chhati", "biti"), _is_echo("gaal", "band")
    (True, True, False)
    """
    begun = indic(after)[:1]
    return begun in _ECHOES and begun != indic(word)[:1] and _rhyme(word) == _rhyme(after)


def _rhyme(word: str) -> str:
    """Return what follows the first vowel of a word, as it is heard."""
    heard = indic(word)
    first = next((at for at, letter in enumerate(heard) if letter in _VOWELS), len(heard))
    return heard[first + 1 :] or heard
