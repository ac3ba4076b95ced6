"""Over: what was, and what was and is no more. Pure."""

from agentic_rag.safety.conversation import CANNOT, Reading
from agentic_rag.safety.denial import Denial
from agentic_rag.safety.lexicon import Lexicon
from agentic_rag.safety.spelling import TURN

_LOOKS_BACK = 400  # words that an "it is over now" may concern: what is older stays an alarm
_BESIDE = 40  # words of a sentence that one of its clauses may take up


class Over:
    """Mutes what is over, with one lexicon."""

    def __init__(self, lexicon: Lexicon, denial: Denial) -> None:
        self._is, self._said = lexicon.bits, lexicon.particles
        self._upto = lexicon.endings["upto"]
        self._denial = denial
        self._signs = denial.signs
        self._now = lexicon.mask("present", "now")
        self._cuts = lexicon.mask("and", "but", "soon")
        self._dates = lexicon.mask("past", "recently", "season")
        self._ends = lexicon.mask("resolved", "ceased", "subsides", "treated", "found", "well")
        self._found = lexicon.mask("gulped", "swallow")
        self._ceases = lexicon.group("ceases")
        self._events = lexicon.group("events")
        self._treats = self._signs & ~lexicon.mask("suicide")
        self._fades = self._signs & ~lexicon.group("stays")
        self._others = lexicon.mask("someone", "medicine", "thinner", "dental")
        self._aside = lexicon.mask("stop", "respond", "trouble")
        self._not = lexicon.mask("not", "nahi", "no")
        self._when = self._not | self._dates | lexicon.mask("was", "that_was", "filler", "present")

    # --- it was --------------------

    def date(self, reading: Reading, start: int, end: int) -> None:
        """Mute what a turn tells of another time."""
        telling = False
        for low, high in reading.sentences(start, end):
            said = reading.all(low, high)
            if said & self._dates:
                told = self._date_sentence(reading, low, high)
                telling = told and bool(said & self._is["past"]) and not said & self._now
                if told and self._dates_back(reading, low, high):
                    reading.mute(max(0, low - _LOOKS_BACK), low)
            elif telling and said & self._is["was"] and not said & self._now:
                reading.mute(low, high)
            else:
                telling = False

    def _date_sentence(self, reading: Reading, low: int, high: int) -> bool:
        clauses = reading.clauses(low, high, self._cuts)
        is_past = False
        muted = []
        for begin, end in clauses:
            said = reading.all(begin, end)
            is_past = self._is_dated(reading, begin, end) or (is_past and not said & self._now)
            muted.append(is_past)
        far = reading.all(low, high) & (self._is["past"] | self._is["season"])
        for at in range(len(clauses) - 2, -1, -1):
            said = reading.all(*clauses[at])
            muted[at] = muted[at] or (muted[at + 1] and bool(far) and not said & self._now)
        for clause, yes in zip(clauses, muted, strict=True):
            if yes:
                reading.mute(*clause)
        return any(muted)

    def _is_dated(self, reading: Reading, low: int, high: int) -> bool:
        said = reading.all(low, high)
        for when in ("past", "season"):
            if said & self._is[when] and self._is_since(reading, low, high, self._is[when]):
                return False
        if said & self._is["past"]:
            return True
        if said & self._now or not said & self._dates:
            return False
        return bool(said & self._is["was"]) or self._is_during(reading, low, high, said)

    def _is_during(self, reading: Reading, low: int, high: int, said: int) -> bool:
        if not said & self._is["season"]:
            return False
        at = reading.where(low, high, self._is["season"])
        return not self._said["during"].isdisjoint(reading.texts[max(low, at - 2) : at])

    def _is_since(self, reading: Reading, low: int, high: int, when: int) -> bool:
        at = reading.where(low, high, when)
        around = reading.texts[max(low, at - 1) : at] + reading.texts[at + 1 : at + 3]
        if around[:1] == ["from"] and reading.texts[at].isdigit():
            return False  # "the abscess from 2023"
        return not self._said["since"].isdisjoint(around)

    def _dates_back(self, reading: Reading, low: int, high: int) -> bool:
        """Tell whether a sentence only says when it was: "it has been five years"."""
        said = reading.all(low, high)
        points = reading.all(low, low + 3) & self._is["that_was"]
        return bool(points and not said & self._signs & ~self._is["medically"])

    # --- it is no more --------------------

    def end(self, reading: Reading) -> None:
        """Mute what is said later to be over."""
        for start, end in reading.turns:
            for low, high in reading.sentences(start, end):
                if reading.all(low, high) & self._ends:
                    self._end_sentence(reading, (start, end), low, high)
            if start:
                self._deny_earlier(reading, start, end)
                self._date_earlier(reading, start, end)

    def _end_sentence(self, reading: Reading, turn: tuple[int, int], low: int, high: int) -> None:
        for begin, end in reading.clauses(low, high, self._cuts):
            said = reading.all(begin, end)
            if not said & self._ends or said & self._is["rest"]:
                continue
            at = reading.where(begin, end, self._ends)
            place = (max(low, begin - _BESIDE), begin, at, end)
            over = self._is_over(reading, place, is_answer=turn[0] > 0)
            if over and not self._returns(reading, at, end, turn[1]):
                self._mute_back(reading, turn[0], end, over)

    def _returns(self, reading: Reading, at: int, end: int, stop: int) -> bool:
        """Tell whether it came back: "it had gone, now it is here again"."""
        stop = min(stop, end + _LOOKS_BACK)
        again = reading.all(at + 2, stop) & self._is["again"]
        return bool(again or reading.all(end, stop) & self._is["spread"])

    def _is_over(
        self, reading: Reading, place: tuple[int, int, int, int], *, is_answer: bool
    ) -> int:
        """Return the signs that a clause takes back."""
        _, low, at, high = place
        here = reading.concepts[at]
        if self._is_denied(reading, low, at, high):
            return 0
        if here & self._is["found"]:
            return self._found
        if here & self._is["treated"]:
            return self._treats
        if here & self._is["resolved"]:
            return reading.all(low, high) & self._signs & ~self._aside or -1
        if here & (self._is["ceased"] | self._is["subsides"]):
            return self._is_ceased(reading, place, is_answer=is_answer)
        return self._is_well(reading, low, at, high)

    def _is_ceased(
        self, reading: Reading, place: tuple[int, int, int, int], *, is_answer: bool
    ) -> int:
        """What stopped is named, or stands in front: "my cheek was up, it went down by night"."""
        sentence, low, at, high = place
        said = reading.all(low, high)
        if reading.all(at, high) & self._denial.parts or self._is_upto(reading, low, at):
            return 0  # "it has gone down into my neck", "manepryant utarli"
        can = self._ceases if reading.concepts[at] & self._is["ceased"] else self._is["swelling"]
        named = said & self._signs & ~self._aside
        if reading.concepts[low] & self._is["and"] and self._is_bare(reading.all(sentence, low)):
            named |= reading.all(sentence, low)  # "swelling and fever went by Tuesday"
        if not named and not said & self._others:
            named = reading.all(sentence, low) & can or can * is_answer
        return named & can

    def _is_upto(self, reading: Reading, low: int, at: int) -> bool:
        """Tell whether words in front say how far something got: "gardan tak", "manepryant"."""
        for each in range(low, at):
            if reading.concepts[each] & self._denial.parts:
                after = reading.texts[each + 1 : each + 2]
                upto = reading.texts[each].endswith(self._upto)
                if upto or not self._said["upto"].isdisjoint(after):
                    return True
        return False

    def _is_bare(self, said: int) -> bool:
        """Tell whether words only name signs."""
        return not said & (self._denial.parts | self._now | self._is["someone"])

    def _is_denied(self, reading: Reading, low: int, at: int, high: int) -> bool:
        """Tell whether it is not over: "has not gone", "utarli nahi"."""
        answers = reading.gaps[low] == TURN  # "no, it has stopped"
        if (
            reading.all(max(low + answers, at - 2), at) & self._not
            or CANNOT in reading.meant[at : min(at + 4, high)]
        ):
            return True
        after = at + 1
        while after < at + 4 and not reading.all(after, after + 1) & ~self._is["filler"]:
            after += 1
        return bool(reading.all(after, after + 1) & self._is["nahi"] and after <= at + 3)

    def _is_well(self, reading: Reading, low: int, at: int, high: int) -> int:
        """Who is well has no more of what comes and goes; what had happened stays."""
        said = reading.all(low, high)
        whole = said & (self._is["someone"] | self._is["soon"] | self._is["whole"])
        if said & self._is["was"] or said & self._denial.parts or not whole:
            return 0
        return self._fades if self._denial.is_well(reading, low, at, high) else 0

    def _mute_back(self, reading: Reading, turn: int, end: int, over: int) -> None:
        begin = max(0, end - _LOOKS_BACK)
        for at in range(begin, turn):
            if reading.concepts[at] & over:
                reading.muted[at] = True
        if over in (self._fades, self._treats):  # in the same breath only what is told as past
            for clause in reading.clauses(max(turn, begin), end, self._cuts):
                said = reading.all(*clause)
                was = said & self._is["was"] or over == self._treats
                if was and not said & self._is["present"]:
                    reading.mute_concepts(*clause, over)
            return
        dated = reading.all(max(turn, begin), end) & self._is["recently"]
        lasting = 0 if dated or over == self._found else self._events
        for at in range(max(turn, begin), end):
            if reading.concepts[at] & over and not reading.concepts[at] & lasting:
                reading.muted[at] = True

    def _deny_earlier(self, reading: Reading, start: int, end: int) -> None:
        denied = 0
        for at in range(start, end):
            if reading.meant[at] and not reading.concepts[at] & self._denial.able:
                denied |= reading.concepts[at] & self._signs
        reading.mute_concepts(0, start, denied)

    def _date_earlier(self, reading: Reading, start: int, end: int) -> None:
        """An answer such as "no, two years ago" says when it was."""
        first = reading.sentences(start, end)[0]
        low, high = next(
            (c for c in reading.clauses(*first, self._cuts) if reading.all(*c) & self._is["past"]),
            (start, start),
        )
        said = reading.all(low, high)
        only = self._is_only_a_date(reading, start, high)
        if only and said and self._said["also"].isdisjoint(reading.texts[start:high]):
            reading.mute(0, start)

    def _is_only_a_date(self, reading: Reading, low: int, high: int) -> bool:
        """Tell "that was two years ago" from "I had a filling two years ago"."""
        return all(
            reading.concepts[at] & self._when or reading.texts[at] in self._said["of_time"]
            for at in range(low, high)
            if not reading.texts[at].isdigit()
        )
