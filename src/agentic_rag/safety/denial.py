"""Denial: what a "not" takes back, and what is said to be well. Pure."""

from agentic_rag.safety.conversation import ABSENT, CANNOT, Reading
from agentic_rag.safety.lexicon import Lexicon
from agentic_rag.safety.spelling import COMMA, STOP

_REACH = 8  # words that a "not" looks over
_PIECE = 30  # words that a "fine" is said of


class Denial:
    """Marks what is denied, with one lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._is, self._said = lexicon.bits, lexicon.particles
        self._neutral = lexicon.group("neutral")
        self.parts = lexicon.group("parts")
        self.able = lexicon.group("able")
        self._works = lexicon.group("works")
        self._bare = self.parts | lexicon.mask("filler", "someone", "or", "and")
        self._good = lexicon.mask("well", "unhurt")
        self._nots = lexicon.mask("no", "not", "nahi")
        self._links = lexicon.mask("or", "and")
        aside = lexicon.mask("later", "habit", "anaesthetised", "harmless", "unhurt")
        self.signs = lexicon.everything & ~(lexicon.frames | aside | self._neutral)

    def mark(self, reading: Reading) -> None:
        """Mark each sign that is denied, or that cannot be done."""
        marks = self._nots | self._good
        for at in [at for at, concepts in enumerate(reading.concepts) if concepts & marks]:
            if reading.concepts[at] & self._nots:
                self._negate(reading, at)
            if reading.concepts[at] & self._good:
                self._spare(reading, at)

    def _negate(self, reading: Reading, at: int) -> None:
        here = reading.concepts[at]
        if here & self._is["no"] and not self._answers(reading, at):
            found = self._after(reading, at)
            for each in found:
                reading.meant[each] = max(reading.meant[each], ABSENT)
            if not found and self._ends(reading, at) and at and reading.gaps[at] < COMMA:
                reading.meant[at - 1] = ABSENT
        if here & self._is["not"]:
            self._not(reading, at)
        elif here & self._is["nahi"]:
            if self._comes_first(reading, at):
                reading.meant[at + 1] = CANNOT
            else:
                self._mark(reading, self._before(reading, at))

    def _not(self, reading: Reading, at: int) -> None:
        found = self._after(reading, at, only_or=True)
        if found and self._did_not_swallow(reading, at, found[0]):
            reading.meant[found[0]] = ABSENT
            return
        self._mark(reading, found)
        if not found and reading.texts[at] == "not":  # "her knee, not her head or teeth"
            self._mute_parts(reading, self._listed(reading, at, 1))

    def _answers(self, reading: Reading, at: int) -> bool:
        """Tell a "no" that answers from one that denies: "no it is swollen", "no swelling"."""
        return reading.texts[at] == "no" and not self._said["answered"].isdisjoint(
            reading.texts[at + 1 : at + 2]
        )

    def _did_not_swallow(self, reading: Reading, at: int, sign: int) -> bool:
        """Tell what did not happen from what cannot be done: "I didn't swallow the crown"."""
        did = (
            reading.texts[at] in self._said["did"]
            or reading.texts[max(0, at - 1)] in self._said["have"]
        )
        thing = reading.all(sign + 1, sign + 5) & (self._is["object"] | self._is["harmless"])
        return bool(did and thing and reading.concepts[sign] & self._is["swallow"])

    def _comes_first(self, reading: Reading, at: int) -> bool:
        """Tell whether the verb follows: "nahi ruk raha"."""
        ahead = at + 1
        follows = ahead < len(reading.texts) and not reading.gaps[ahead]
        return follows and bool(reading.concepts[ahead] & self.able)

    def _ends(self, reading: Reading, at: int) -> bool:
        return at + 1 >= len(reading.texts) or reading.gaps[at + 1] >= COMMA

    def _mark(self, reading: Reading, found: list[int]) -> None:
        """The first sign, or the trouble with it, has the "not"; others are denied with it."""
        if not found:
            return
        first = reading.concepts[found[0]]
        near = [each for each in found if abs(each - found[0]) <= 4]  # noqa: PLR2004
        for wanted in (self._is["stop"], self._is["trouble"] & ~first):
            target = next((each for each in near if reading.concepts[each] & wanted), None)
            if target is not None:
                reading.meant[target] = CANNOT
                return
        reading.meant[found[0]] = CANNOT
        if not first & self.able:
            linked = self._linked(reading, found)
            for each in linked:
                reading.meant[each] = max(reading.meant[each], ABSENT)

    def _linked(self, reading: Reading, found: list[int]) -> list[int]:
        low, high = min(found), max(found)
        if not any(reading.concepts[at] & self._links for at in range(low, high + 1)):
            return [each for each in found[1:] if abs(each - found[0]) <= 2]  # noqa: PLR2004
        return found[1:]

    def _after(self, reading: Reading, at: int, *, only_or: bool = False) -> list[int]:
        """Return the signs that a "no" in front takes: up to a word of another kind."""
        found: list[int] = []
        passes = self._is["filler"] | self._neutral | self._is["or"]
        if not only_or:
            passes |= self._is["and"]
        end = min(at + 1 + _REACH, len(reading.texts))
        for each in range(at + 1, end):
            here, gap = reading.concepts[each], reading.gaps[each]
            if gap >= STOP or (gap and not (found and self._or_ahead(reading, each, end))):
                break
            if (
                found
                and here & (self._is["someone"] | self._is["present"])
                and not here & self.signs
            ):
                break
            if here & self.signs:
                found.append(each)
            elif not here & passes:
                break
        return found

    def _or_ahead(self, reading: Reading, start: int, end: int) -> bool:
        for each in range(start, end):
            if reading.concepts[each] & self._is["or"]:
                return True
            if reading.gaps[each] >= STOP or reading.concepts[each] & self._is["someone"]:
                return False
        return False

    def _before(self, reading: Reading, at: int) -> list[int]:
        """Return the signs that a "nahi" behind takes back."""
        found: list[int] = []
        passes = self._is["filler"] | self._neutral | self._is["someone"]
        listed = bool(reading.all(max(0, at - 3), at) & self._is["whatever"])
        linked = True
        for each in range(at - 1, max(-1, at - 1 - _REACH), -1):
            gap = reading.gaps[each + 1]
            if (
                gap >= STOP
                or (gap == COMMA and not linked)
                or (gap == COMMA and not found and not listed)
            ):
                break
            here = reading.concepts[each]
            if found and here & self._is["but"]:
                break
            if here & self.signs:
                found.append(each)
                linked = listed and not here & self.able
            elif here & self._links:
                linked = True
            elif not here & passes:
                break
        return found

    # --- well --------------------

    def _spare(self, reading: Reading, at: int) -> None:
        """What is well has no sign: "mouth and head are fine", "nothing happened to his teeth"."""
        low, high = self._piece(reading, at)
        if reading.all(low, high) & self._is["was"]:
            return
        if reading.concepts[at] & self._is["unhurt"]:
            self._mute_parts(reading, [*range(low, high), *self._listed(reading, high - 1, 1)])
        elif not self.is_well(reading, low, at, high):
            return
        reading.mute_concepts(low, at, self._works)
        self._mute_parts(reading, [*range(low, at), *self._listed(reading, low, -1)])

    def is_well(self, reading: Reading, low: int, at: int, high: int) -> bool:
        """Tell whether a "fine" is said of something: at the end, with no "not" beside it."""
        if (
            reading.all(low, min(high, at + 3)) & self._nots
            or reading.texts[low] in self._said["asks"]
        ):
            return False
        rest = reading.texts[at + 1 : high]
        return (
            not rest
            or rest[0] in self._said["says_so"]
            or all(word in self._said["after_all"] for word in rest)
        )

    def _piece(self, reading: Reading, at: int) -> tuple[int, int]:
        low, high = at, at + 1
        cuts = self._links | self._is["but"]
        first, last = max(0, at - _PIECE), min(len(reading.texts), at + _PIECE)
        while low > first and not reading.gaps[low] and not reading.concepts[low - 1] & cuts:
            low -= 1
        while high < last and not reading.gaps[high] and not reading.concepts[high] & cuts:
            high += 1
        return low, high

    def _listed(self, reading: Reading, at: int, step: int) -> list[int]:
        """Return the words beside a piece that only name parts, up to the end of the sentence."""
        found: list[int] = []
        each = at + step
        end = min(len(reading.texts), at + _PIECE)
        while max(0, at - _PIECE) <= each < end and reading.concepts[each] & self._bare:
            if reading.gaps[max(each, each - step)] >= STOP:
                break
            if reading.concepts[each] & self._is["but"]:
                return found
            found.append(each)
            each += step
        if step < 0 and each >= 0 and reading.gaps[each + 1] < COMMA:
            return self._since_comma(reading, found)  # "I cut my lip and the tooth is fine"
        return found

    def _since_comma(self, reading: Reading, found: list[int]) -> list[int]:
        """Leave out the words of a clause that says something else."""
        commas = [n for n, each in enumerate(found) if reading.gaps[each] >= COMMA]
        return found[: commas[-1] + 1] if commas else []

    def _mute_parts(self, reading: Reading, places: list[int]) -> None:
        for at in places:
            if reading.concepts[at] & self.parts:
                reading.muted[at] = True
