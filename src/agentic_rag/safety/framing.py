"""Framing: tells signs that are there now from denied, past, supposed or asked ones. Pure."""

from collections.abc import Sequence

from agentic_rag.safety.conversation import Reading
from agentic_rag.safety.denial import Denial
from agentic_rag.safety.ear import Ear
from agentic_rag.safety.lexicon import Lexicon
from agentic_rag.safety.over import Over

_SHORT = 6  # words of an aside


class Framing:
    """Reads conversations with one lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._is, self._said = lexicon.bits, lexicon.particles
        self._ear = Ear(lexicon)
        self._denial = Denial(lexicon)
        self._over = Over(lexicon, self._denial)
        self._signs = self._denial.signs
        self._cuts = lexicon.mask("and", "but", "soon")
        self._frames_a_sentence = lexicon.mask(
            "if_so", "if", "scared", "never_person", "hearsay", "says", "maybe", "ask", "asks"
        )

    def read(self, turns: Sequence[str]) -> Reading:
        """Read what one person said, oldest turn first."""
        reading = self._ear.hear(turns)
        self._denial.mark(reading)
        for start, end in reading.turns:
            self._frame_turn(reading, start, end)
            self._over.date(reading, start, end)
        self._over.end(reading)
        return reading

    # --- when, whether, who --------------------

    def _frame_turn(self, reading: Reading, start: int, end: int) -> None:
        sentences = reading.sentences(start, end)
        whole = reading.all(start, end)
        if whole & self._is["pet"] and not self._somebody(reading, start, end, beside_pets=True):
            reading.mute(start, end)
            return
        told = False
        for at, (low, high) in enumerate(sentences):
            said = reading.all(low, high)
            here = bool(said & self._is["fiction"])
            now = said & self._is["now"]
            if not now and (here or (told and not said & self._is["someone"])):
                reading.mute(low, high)
            told = here or told
            if said & self._frames_a_sentence:
                after = sentences[at + 1] if at + 1 < len(sentences) else (high, high)
                goes_on = self._is_told_now(reading, *after)
                if said & self._is["says"] and self._is_doubt(reading, *after):
                    self._mute_question(reading, low, high)
                self._frame_sentence(reading, low, high, goes_on=goes_on)

    def _is_told_now(self, reading: Reading, low: int, high: int) -> bool:
        """A question may be about what comes next: "Can teeth cause chest pain? I have it now"."""
        said = reading.all(low, high)
        other = self._is["admin"] | self._is["ask"] | self._is["asks"]
        if said & self._is["someone"] and said & self._is["now"] and said & self._signs:
            return not said & other  # "Is a swollen neck normal? Mine is swollen since last night"
        if said & (self._is["not"] | self._is["nahi"]) and not said & self._signs:
            return False  # "so far it never did"
        return bool(said & self._is["soon"] and said & self._is["present"] and not said & other)

    def _is_doubt(self, reading: Reading, low: int, high: int) -> bool:
        """Tell whether what was said before is only hearsay: "..., is that true?"."""
        return high - low < _SHORT and bool(reading.all(low, high) & self._is["rumour"])

    def _frame_sentence(self, reading: Reading, low: int, high: int, *, goes_on: bool) -> None:
        said = reading.all(low, high)
        segments = reading.clauses(low, high, self._cuts)
        if said & self._is["if_so"]:
            self._if_so(reading, segments)
        if goes_on or (said & self._is["now"] and not said & self._is["maybe"]):
            return
        self._suppose(reading, segments, said)
        self._ask(reading, segments, said)

    def _if_so(self, reading: Reading, segments: list[tuple[int, int]]) -> None:
        for low, high in segments:
            said = reading.all(low, high)
            if said & self._is["if_so"] and not said & self._is["now"]:
                reading.mute(low, min(high, reading.where(low, high, self._is["if_so"]) + 2))

    def _suppose(self, reading: Reading, segments: list[tuple[int, int]], said: int) -> None:
        if said & self._is["if"]:
            self._supposed(reading, segments)
        for start, end in segments:
            if reading.all(start, end) & self._is["scared"]:
                reading.mute(reading.where(start, end, self._is["scared"]), end)

    def _ask(self, reading: Reading, segments: list[tuple[int, int]], said: int) -> None:
        low, high = segments[0][0], segments[-1][1]
        if said & self._is["says"] and self._is_doubt(reading, *segments[-1]):
            self._mute_question(reading, low, high)
        for how in ("never_person", "hearsay"):
            if said & self._is[how]:
                self._asked(reading, segments, how)
        if said & self._is["maybe"] and not said & self._is["now"]:
            self._asked(reading, segments, "maybe")
        asks = self._is["ask"] | self._is["asks"]
        if said & asks and not self._somebody(reading, low, high):
            self._asked(reading, segments, "ask" if said & self._is["ask"] else "asks")

    def _supposed(self, reading: Reading, segments: list[tuple[int, int]]) -> None:
        going = False
        for low, high in segments:
            said = reading.all(low, high)
            if said & self._is["if"]:
                at = reading.where(low, high, self._is["if"])
                if any(
                    each & self._is["whether"]
                    for each in reading.concepts[max(low, at - 1) : at + 1]
                ):
                    continue
                going = True
                reading.mute(at, high)
            elif going and reading.gaps[low] and said & (self._is["present"] | self._is["someone"]):
                going = False
            elif going:
                reading.mute(low, high)

    def _asked(self, reading: Reading, segments: list[tuple[int, int]], how: str) -> None:
        """What is asked about is not told; what was told before it in the sentence stays."""
        asking = False
        for low, high in segments:
            said = reading.all(low, high)
            told = self._tells(reading, low, said)
            asking = bool(said & self._is[how]) or (asking and not told)
            topic = reading.texts[low] in self._said["begins_a_topic"]
            if asking or topic or not said & self._is["present"]:
                self._mute_question(reading, low, high)

    def _tells(self, reading: Reading, low: int, said: int) -> bool:
        """Tell whether a clause leaves the question: ", but his words are slurred"."""
        now, who = said & self._is["present"], said & self._is["someone"]
        if reading.concepts[low] & self._is["but"]:
            return bool(now or who)
        return bool(reading.gaps[low] and now and who)

    def _somebody(
        self, reading: Reading, low: int, high: int, *, beside_pets: bool = False
    ) -> bool:
        ahead = self._is["admin"] | (self._is["pet"] if beside_pets else 0)
        for at in range(low, high):
            if not reading.concepts[at] & self._is["someone"]:
                continue
            if beside_pets and reading.texts[at] in self._said["maybe_a_pet"]:
                continue
            if not reading.all(at + 1, min(at + 3, high)) & ahead:
                return True
        return False

    def _mute_question(self, reading: Reading, low: int, high: int) -> None:
        """A question how to die is no mere question."""
        for at in range(low, high):
            reading.muted[at] |= not reading.concepts[at] & self._is["suicide"]
