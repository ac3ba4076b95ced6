"""Framing: tells signs that are there now from denied, past, supposed or asked ones. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import or_

from agentic_rag.safety.lexicon import Lexicon
from agentic_rag.safety.spelling import COMMA, STOP, TURN, cut

THERE, ABSENT, CANNOT = 0, 1, 2
"""A sign is there; is denied as one of several; or has a "not" of its own, maybe the alarm."""

_REACH = 8  # words that a "not" looks over
_LOOKS_BACK = 1000  # words that an "it is over now" may concern: what is older stays an alarm
_NEUTRAL = [
    "site",
    "mouth",
    "face",
    "soft",
    "jaw",
    "tooth",
    "gum",
    "dental",
    "child",
    "medically",
    "medicine",
    "object",
    "thinner",
    "head",
    "throat",
    "chest",
    "arm",
    "one_side",
    "itself",
    "gauze",
    "phone",
    "thing",
    "mishap",
    "long",
    "hot",
    "mild",
    "heavy",
    "sudden",
    "spread",
    "too_many",
    "took",
]
_ABLE = ["stop", "swallow", "open_", "respond", "breath", "speech", "weak", "live"]
_EVENTS = [
    "knocked",
    "faint",
    "seizure",
    "gulped",
    "overdose",
    "drank",
    "suicide",
    "tooth_fell",
    "blow",
    "head",
    "heart_attack",
]
_FRAMES_A_SENTENCE = [
    "past",
    "recently",
    "if_so",
    "if",
    "scared",
    "never_person",
    "maybe",
    "ask",
    "asks",
]
_QUESTION_WORDS = frozenset(["kya", "kyaa", "kia", "ka", "क्या", "का"])
_OF_HABIT = ("ta", "ti", "te", "to", "tat", "na", "ता", "ती", "ते", "तो", "तात", "ना", "णं", "णे")
_BE = frozenset(["hai", "h", "he", "hain", "ahe", "aahe", "है", "हैं", "आहे", "normal", "नॉर्मल"])
_ASKING = frozenset(
    ["can", "could", "do", "does", "did", "is", "are", "will", "would", "should", "may", "might"]
)
_OF_A_KIND = frozenset(["a", "an", "any", "some", "one", "people", "children", "anyone", "teeth"])
_BEGINS_A_TOPIC = frozenset(
    ["for", "in", "about", "after", "regarding", "during", "with", "when", "re"]
)


@dataclass(slots=True)
class Reading:
    """The words of a conversation: their concepts, the break in front, and how each is meant."""

    texts: list[str]
    concepts: list[int]
    gaps: list[int]
    meant: list[int]
    muted: list[bool]

    def spans(self, gap: int) -> Iterator[tuple[int, int]]:
        """Cut where a break of at least this size stands."""
        cuts = [at for at, size in enumerate(self.gaps) if at and size >= gap]
        starts = [0, *cuts]
        return zip(starts, [*cuts, len(self.gaps)], strict=True)


class Framing:
    """Reads conversations with one lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._is = {name: lexicon.bits[name] for name in lexicon.bits}
        self._neutral = lexicon.mask(*_NEUTRAL)
        self._able = lexicon.mask(*_ABLE)
        self._events = lexicon.mask(*_EVENTS)
        self._frames_a_sentence = lexicon.mask(*_FRAMES_A_SENTENCE)
        frames = lexicon.frames | lexicon.mask("later", "habit", "anaesthetised", "harmless")
        self._signs = ((1 << len(lexicon.bits)) - 1) & ~(frames | self._neutral)

    def read(self, turns: Sequence[str]) -> Reading:
        """Read what one person said, oldest turn first."""
        reading = self._concepts(turns)
        nots = self._is["no"] | self._is["not"] | self._is["nahi"]
        for at, concepts in enumerate(reading.concepts):
            if concepts & nots:
                self._negate(reading, at)
        for start, end in reading.spans(TURN):
            self._frame_turn(reading, start, end)
        self._resolve(reading)
        return reading

    # --- concepts --------------------

    def _concepts(self, turns: Sequence[str]) -> Reading:
        words: list[str] = []
        gaps: list[int] = []
        for turn in turns:
            said, breaks = cut(turn)
            words += said
            gaps += [TURN, *breaks[1:]][: len(said)]
        concepts = list(map(self._lexicon.look, words))
        self._take_phrases(words, concepts, gaps)
        for at, text in enumerate(words):
            if text in _QUESTION_WORDS and _asks_of_habit(words, gaps, at):
                concepts[at] |= self._is["asks"]
            elif gaps[at] >= STOP and text in _ASKING and _is_any(words[at + 1 : at + 2]):
                concepts[at] |= self._is["ask"]
        return Reading(words, concepts, gaps, [THERE] * len(words), [False] * len(words))

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

    # --- not --------------------

    def _negate(self, reading: Reading, at: int) -> None:
        here = reading.concepts[at]
        if here & self._is["no"]:
            found = self._after(reading, at)
            for each in found:
                reading.meant[each] = max(reading.meant[each], ABSENT)
            if not found and self._ends(reading, at) and at and reading.gaps[at] < COMMA:
                reading.meant[at - 1] = ABSENT
        if here & self._is["not"]:
            self._mark(reading, self._after(reading, at, only_or=True))
        elif here & self._is["nahi"]:
            if self._comes_first(reading, at):
                reading.meant[at + 1] = CANNOT
            else:
                self._mark(reading, self._before(reading, at))

    def _comes_first(self, reading: Reading, at: int) -> bool:
        """Tell whether the verb follows: "nahi ruk raha"."""
        ahead = at + 1
        follows = ahead < len(reading.texts) and not reading.gaps[ahead]
        return follows and bool(reading.concepts[ahead] & self._able)

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
        if not first & self._able:
            linked = self._linked(reading, found)
            for each in linked:
                reading.meant[each] = max(reading.meant[each], ABSENT)

    def _linked(self, reading: Reading, found: list[int]) -> list[int]:
        links = self._is["or"] | self._is["and"]
        low, high = min(found), max(found)
        if not any(reading.concepts[at] & links for at in range(low, high + 1)):
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
                and not here & self._signs
            ):
                break
            if here & self._signs:
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
        links = self._is["or"] | self._is["and"]
        linked = True
        for each in range(at - 1, max(-1, at - 1 - _REACH), -1):
            gap = reading.gaps[each + 1]
            if gap >= STOP or (gap == COMMA and not linked) or (gap == COMMA and not found):
                break
            here = reading.concepts[each]
            if found and here & self._is["but"]:
                break
            if here & self._signs:
                found.append(each)
                linked = False
            elif here & links:
                linked = True
            elif not here & passes:
                break
        return found

    # --- when, whether, who --------------------

    def _frame_turn(self, reading: Reading, start: int, end: int) -> None:
        sentences = list(_cut(reading, start, end, STOP))
        whole = self._all(reading, start, end)
        if whole & self._is["pet"] and not self._somebody(reading, start, end, beside_pets=True):
            self._mute(reading, start, end)
            return
        told = False
        for at, (low, high) in enumerate(sentences):
            said = self._all(reading, low, high)
            here = bool(said & self._is["fiction"])
            now = said & self._is["now"]
            if not now and (here or (told and not said & self._is["someone"])):
                self._mute(reading, low, high)
            told = here or told
            if said & self._frames_a_sentence:
                after = sentences[at + 1] if at + 1 < len(sentences) else (high, high)
                goes_on = self._is_told_now(reading, *after)
                self._frame_sentence(reading, low, high, goes_on=goes_on)

    def _is_told_now(self, reading: Reading, low: int, high: int) -> bool:
        """A question may be about what comes next: "Can teeth cause chest pain? I have it now"."""
        said = self._all(reading, low, high)
        other = self._is["admin"] | self._is["ask"] | self._is["asks"]
        if said & (self._is["not"] | self._is["nahi"]) and not said & self._signs:
            return False  # "so far it never did"
        return bool(said & self._is["soon"] and said & self._is["present"] and not said & other)

    def _frame_sentence(self, reading: Reading, low: int, high: int, *, goes_on: bool) -> None:
        said = self._all(reading, low, high)
        segments = list(self._segments(reading, low, high))
        if said & (self._is["past"] | self._is["recently"]):
            self._past(reading, segments)
        if goes_on or (said & self._is["now"] and not said & self._is["maybe"]):
            return
        self._suppose(reading, segments, said)
        self._ask(reading, segments, said)

    def _suppose(self, reading: Reading, segments: list[tuple[int, int]], said: int) -> None:
        low, high = segments[0][0], segments[-1][1]
        if said & self._is["if_so"]:
            at = self._where(reading, low, high, "if_so")
            self._mute(reading, next(s for s, e in segments if s <= at < e), at + 2)
        if said & self._is["if"]:
            self._supposed(reading, segments)
        for start, end in segments:
            if self._all(reading, start, end) & self._is["scared"]:
                self._mute(reading, self._where(reading, start, end, "scared"), end)

    def _ask(self, reading: Reading, segments: list[tuple[int, int]], said: int) -> None:
        low, high = segments[0][0], segments[-1][1]
        if said & self._is["never_person"]:
            self._mute_question(reading, self._where(reading, low, high, "never_person"), high)
        if said & self._is["maybe"] and not said & self._is["now"]:
            self._asked(reading, segments, "maybe")
        asks = self._is["ask"] | self._is["asks"]
        if said & asks and not self._somebody(reading, low, high):
            self._asked(reading, segments, "ask" if said & self._is["ask"] else "asks")

    def _past(self, reading: Reading, segments: list[tuple[int, int]]) -> None:
        now = self._is["present"] | self._is["now"]
        is_past = False
        muted = []
        for low, high in segments:
            said = self._all(reading, low, high)
            when = said & self._is["past"] and not self._since(reading, low, high)
            when = when or (
                said & self._is["recently"] and said & self._is["was"] and not said & now
            )
            is_past = bool(when) or (is_past and not said & now)
            muted.append(is_past)
        for at in range(len(segments) - 2, -1, -1):
            said = self._all(reading, *segments[at])
            muted[at] = muted[at] or (muted[at + 1] and not said & now)
        for (low, high), yes in zip(segments, muted, strict=True):
            if yes:
                self._mute(reading, low, high)

    def _since(self, reading: Reading, low: int, high: int) -> bool:
        at = self._where(reading, low, high, "past")
        around = reading.texts[max(low, at - 1) : at] + reading.texts[at + 1 : at + 3]
        return any(word in {"since", "from", "se", "से", "pasun", "पासून"} for word in around)

    def _supposed(self, reading: Reading, segments: list[tuple[int, int]]) -> None:
        going = False
        for low, high in segments:
            said = self._all(reading, low, high)
            if said & self._is["if"]:
                at = self._where(reading, low, high, "if")
                if any(
                    each & self._is["whether"]
                    for each in reading.concepts[max(low, at - 1) : at + 1]
                ):
                    continue
                going = True
                self._mute(reading, at, high)
            elif going and reading.gaps[low] and said & (self._is["present"] | self._is["someone"]):
                going = False
            elif going:
                self._mute(reading, low, high)

    def _asked(self, reading: Reading, segments: list[tuple[int, int]], how: str) -> None:
        """What is asked about is not told; what was told before it in the sentence stays."""
        asking = False
        for low, high in segments:
            said = self._all(reading, low, high)
            asking = asking or bool(said & self._is[how])
            topic = reading.texts[low] in _BEGINS_A_TOPIC
            if asking or topic or not said & self._is["present"]:
                self._mute_question(reading, low, high)

    def _somebody(
        self, reading: Reading, low: int, high: int, *, beside_pets: bool = False
    ) -> bool:
        ahead = self._is["admin"] | (self._is["pet"] if beside_pets else 0)
        for at in range(low, high):
            if not reading.concepts[at] & self._is["someone"]:
                continue
            if beside_pets and reading.texts[at] in _COULD_BE_A_PET:
                continue
            if not self._all(reading, at + 1, min(at + 3, high)) & ahead:
                return True
        return False

    # --- over --------------------

    def _resolve(self, reading: Reading) -> None:
        for start, end in reading.spans(TURN):
            for low, high in _cut(reading, start, end, STOP):
                if self._all(reading, low, high) & self._is["resolved"]:
                    self._over(reading, start, low, high)
            if start:
                self._deny_earlier(reading, start, end)
                self._date_earlier(reading, start, end)

    def _over(self, reading: Reading, turn: int, low: int, high: int) -> None:
        for seg_low, seg_high in self._segments(reading, low, high):
            if not self._all(reading, seg_low, seg_high) & self._is["resolved"]:
                continue
            at = self._where(reading, seg_low, seg_high, "resolved")
            nots = self._is["not"] | self._is["nahi"]
            if (
                self._all(reading, max(seg_low, at - 2), at) & nots
                or CANNOT in reading.meant[at : at + 4]
            ):
                continue
            if self._all(reading, at, high) & self._is["again"]:
                continue
            named = self._all(reading, seg_low, seg_high) & self._signs
            named &= ~(self._is["stop"] | self._is["resolved"] | self._is["trouble"])
            for each in range(max(0, seg_high - _LOOKS_BACK), seg_high):
                here = reading.concepts[each]
                lasting = here & self._events and each >= turn
                if not lasting and (not named or here & named):
                    reading.muted[each] = True

    def _deny_earlier(self, reading: Reading, start: int, end: int) -> None:
        denied = 0
        for at in range(start, end):
            if reading.meant[at] and not reading.concepts[at] & self._able:
                denied |= reading.concepts[at] & self._signs
        for at in range(start):
            if reading.concepts[at] & denied:
                reading.muted[at] = True

    def _date_earlier(self, reading: Reading, start: int, end: int) -> None:
        """An answer such as "no, two years ago" says when it was."""
        said = self._all(reading, *next(_cut(reading, start, end, STOP)))
        if said & self._is["past"] and not said & (self._is["someone"] | self._signs):
            self._mute(reading, 0, start)

    # --- small things --------------------

    def _segments(self, reading: Reading, low: int, high: int) -> Iterator[tuple[int, int]]:
        cuts = self._is["and"] | self._is["but"] | self._is["soon"]
        begin = low
        for at in range(low + 1, high):
            if reading.gaps[at] or reading.concepts[at] & cuts:
                yield begin, at
                begin = at
        if begin < high:
            yield begin, high

    def _all(self, reading: Reading, low: int, high: int) -> int:
        return reduce(or_, reading.concepts[low:high], 0)

    def _where(self, reading: Reading, low: int, high: int, concept: str) -> int:
        bit = self._is[concept]
        return next(at for at in range(low, high) if reading.concepts[at] & bit)

    def _mute_question(self, reading: Reading, low: int, high: int) -> None:
        """A question how to die is no mere question."""
        for at in range(low, high):
            reading.muted[at] |= not reading.concepts[at] & self._is["suicide"]

    def _mute(self, reading: Reading, low: int, high: int) -> None:
        reading.muted[low:high] = [True] * (high - low)


_COULD_BE_A_PET = frozenset(
    [
        "he",
        "she",
        "it",
        "him",
        "his",
        "her",
        "hers",
        "hes",
        "shes",
        "us",
        "we",
        "they",
        "them",
        "our",
        "usko",
        "uska",
        "uski",
        "uske",
        "use",
        "tyala",
        "tila",
        "tyacha",
        "उसको",
        "उसका",
        "उसकी",
        "उसके",
        "उसे",
        "त्याला",
        "तिला",
        "त्याचा",
        "त्याची",
        "तिचा",
        "तिची",
        "तिचे",
        "hamare",
        "hamara",
        "हमारे",
        "हमारा",
        "amchya",
        "आमच्या",
    ]
)


def _is_any(after: Sequence[str]) -> bool:
    """Tell whether a verb in front asks about things of a kind: "can braces ...", "is a ..."."""
    return any(
        word in _OF_A_KIND or (len(word) > 4 and word[-1] == "s" != word[-2])  # noqa: PLR2004
        for word in after
    )


def _asks_of_habit(words: Sequence[str], gaps: Sequence[int], at: int) -> bool:
    """Tell whether a question is about what happens as a rule: "sujta hai kya?", "yete ka?"."""
    if at + 1 < len(words) and gaps[at + 1] < COMMA:
        return False
    verb = at - 1
    while verb > 0 and words[verb] in _BE:
        verb -= 1
    return verb > 0 and words[verb].endswith(_OF_HABIT)


def _cut(reading: Reading, start: int, end: int, gap: int) -> Iterator[tuple[int, int]]:
    begin = start
    for at in range(start + 1, end):
        if reading.gaps[at] >= gap:
            yield begin, at
            begin = at
    if begin < end:
        yield begin, end
