"""Grade: keeps what answers, names what is missing."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, zip_longest

from langgraph.runtime import Runtime

from agentic_rag.agent.deps import Deps, Relevant
from agentic_rag.agent.planning.aspects import heavy
from agentic_rag.agent.state import Journey
from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import Degraded, Likeness, Passage, rank_among
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.kinds import could_answer
from agentic_rag.language import stem, topic_words, words
from agentic_rag.safety.conflicts import claims_of, disagree

_SEARCHED = 0.3  # search knows the whole collection, relevance the question: what it adds to that
_AS_GOOD = 0.15  # passages that rank so near to the best are ordered by the pack's precedence
_MAY_CONTRADICT = 0.15  # below `enough`: a trusted passage that fits less well still knows better
_MOST_MISSING, _NAMED_WORDS, _NAMED_CHARS = 8, 4, 24
_MOST_CLAIMS, _CLAIM_CHARS = 2, 200


@dataclass(frozen=True, slots=True)
class _Graded:
    """A passage, its relevance to one want, and the rank of what it contradicts."""

    passage: Passage
    relevance: Relevant
    lifted: float = 0.0

    @property
    def rank(self) -> float:
        # what was expected tells what may answer; of those the documents' own words tell the best
        return max(self.lifted, self.relevance.by_words + _SEARCHED * self.passage.score)

    @property
    def kept(self) -> Passage:
        return replace(self.passage, score=self.relevance.score)


async def grade(state: Journey, runtime: Runtime[Deps]) -> Journey:
    """Write `relevant`, best first with `score` set to the relevance, and what is missing.

    What was relevant before is looked at again, so that a second look can only add. Of several
    wants each gets its best passage before any gets its second.
    """
    deps, wants = runtime.context, state["wants"]
    passages = _together((*state["passages"], *state.get("beside", ())), state.get("relevant", ()))
    if not passages:
        return _nothing(state)
    try:
        readings = [(want, *state.get("readings", {}).get(want, ())) for want in wants]
        read = await asyncio.gather(*(_read(each, passages, deps) for each in readings))
    except RetrievalUnavailable:
        return {**_nothing(state), "trouble": Degraded.RETRIEVAL_UNAVAILABLE}
    graded = [each.graded for each in read]
    fits = [_Fit.of(each.want, each.graded, deps) for each in read]
    disputed = {label for fit in fits for label in fit.disputed}
    told = [
        _in_order([g for g in fit.kept if g.passage.label not in disputed], deps.profile.precedence)
        for fit in fits
    ]
    lacking = [at for at, kept in enumerate(told) if not kept]
    if state.get("doubtful") and not state.get("missing") and not disputed:
        return {**_nothing(state), "held": state["held"]}  # nobody knew better: all stands
    held = [(read[at].want, kept) for at, kept in enumerate(told) if kept]
    doubts = (_doubtful(want, kept, deps.profile.precedence) for want, kept in held)
    return {
        "relevant": _in_turn(told),
        "held": tuple(want for want, _ in held),
        "expected": {each.want: each.expected for each in read},
        "unheld": tuple(_named(state, lacking, graded)),
        "missing": _missing([graded[at] for at in lacking]),
        "doubtful": tuple(dict.fromkeys(chain.from_iterable(doubts))),
        "disputed": tuple(sorted(disputed | set(state.get("disputed", ())))),
    }


@dataclass(frozen=True, slots=True)
class _Read:
    """A want as it was read, and what was found, graded by that."""

    want: str
    graded: Sequence[_Graded]
    expected: Likeness


async def _read(readings: Sequence[str], passages: Sequence[Passage], deps: Deps) -> _Read:
    """Judge the passages by each reading of a want; return the one that something fits best.

    One that also holds what was told around the question comes first, if nothing of it is lacking:
    who is pregnant, and asks whether scaling is safe, asks for more than whether it is.
    """
    read = []
    likenesses = await deps.retriever.expects(readings, passages)
    for reading, expected in zip(readings, likenesses, strict=True):
        judged = await deps.judge.judge(reading, passages, expected)
        graded = [_Graded(p, each) for p, each in zip(passages, judged, strict=True)]
        read.append(_Read(reading, graded, expected))

    def fit(each: _Read) -> tuple[bool, float]:
        best = max(each.graded, key=lambda graded: graded.relevance.score)
        score, missing = best.relevance.score, best.relevance.missing
        is_fuller = each.want != readings[0] and each.want.endswith(readings[0])
        is_met = score >= deps.limits.enough and not missing
        return is_fuller and is_met and could_answer(each.want, [best.passage.text]), score

    return max(read, key=fit)


@dataclass(frozen=True, slots=True)
class _Fit:
    """What answers a want, and the labels of what a more trusted passage contradicts."""

    kept: tuple[_Graded, ...]
    disputed: frozenset[str]

    @classmethod
    def of(cls, want: str, graded: Sequence[_Graded], deps: Deps) -> "_Fit":
        """Keep what fits; a trusted passage that contradicts it is kept in its place."""
        enough = deps.limits.enough
        kept = [g for g in graded if g.relevance.score >= enough]
        if not could_answer(want, (f"{g.passage.heading}\n{g.passage.text}" for g in kept)):
            kept = []
        near = [g for g in graded if g.relevance.score >= enough - _MAY_CONTRADICT]
        disputed, lifted = set(), dict[tuple[str, int], float]()
        for old in kept:
            surest = max(near, key=lambda new: _contradicts(new, old, deps.profile), default=old)
            if _contradicts(surest, old, deps.profile):
                disputed.add(old.passage.label)
                place = _place(surest.passage)
                lifted[place] = max(old.rank, lifted.get(place, 0.0))
        told = [
            replace(each, lifted=lifted.get(_place(each.passage), 0.0))
            for each in near
            if each in kept or _place(each.passage) in lifted
        ]
        return cls(tuple(told), frozenset(disputed))


def _contradicts(new: _Graded, old: _Graded, profile: Profile) -> float:
    """Return how surely a passage that is more trusted than another contradicts it."""
    mine, theirs = new.passage, old.passage
    if _trust(mine, profile.precedence) >= _trust(theirs, profile.precedence):
        return 0.0
    return disagree((mine.heading, mine.text), (theirs.heading, theirs.text))


def _doubtful(want: str, kept: Sequence[Passage], precedence: tuple[str, ...]) -> list[str]:
    """Return what the fittest passage says in numbers, if there are more trusted documents.

    One of them may know better, and say it in words that are nearer to these than to the question.
    The upper half of the precedence is believed as it is.
    """
    asked = {stem(word) for word in _topic(want)}
    return [
        said[:_CLAIM_CHARS]
        for passage in sorted(kept, key=lambda passage: -passage.score)[:1]
        if precedence and 2 * _trust(passage, precedence) >= len(precedence)
        for about, said in claims_of(passage.heading, passage.text)
        if asked & about
    ][:_MOST_CLAIMS]


def _trust(passage: Passage, precedence: tuple[str, ...]) -> int:
    """Return the place of a passage's document in the pack's precedence, 0 first."""
    return _rank_among(precedence, passage.doc_id)


_rank_among = lru_cache(maxsize=4096)(rank_among)


def _in_order(kept: Sequence[_Graded], precedence: tuple[str, ...]) -> list[Passage]:
    """Put the passages with the best rank first; among the equally good, the most trusted.

    What contradicts an older passage that fits goes before all.
    """
    top = max((each.rank for each in kept), default=0.0) - _AS_GOOD

    def place(each: _Graded) -> tuple[bool, bool, int, float]:
        behind = each.rank < top
        trusted = 0 if behind else _trust(each.passage, precedence)
        return not each.lifted, behind, trusted, -each.rank

    return [each.kept for each in sorted(kept, key=place)]


def _in_turn(by_want: Sequence[Sequence[Passage]]) -> tuple[Passage, ...]:
    """Take of each want's passages one in turn, each once, with its best score."""
    best: dict[tuple[str, int], Passage] = {}
    for passage in filter(None, chain.from_iterable(zip_longest(*by_want))):
        known = best.get(_place(passage))
        if known is None or known.score < passage.score:
            best[_place(passage)] = passage
    return tuple(best.values())


def _together(found: Sequence[Passage], before: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return what was found now, and what was relevant before, each once."""
    places = {_place(passage) for passage in found}
    return (*found, *(passage for passage in before if _place(passage) not in places))


def _place(passage: Passage) -> tuple[str, int]:
    return passage.label, passage.start


def _missing(lacking: Sequence[Sequence[_Graded]]) -> tuple[str, ...]:
    """Return the words that even the nearest passages do not speak of."""
    nearest = (max(each, key=lambda g: g.relevance.score) for each in lacking if each)
    return tuple(dict.fromkeys(word for g in nearest for word in g.relevance.missing))[
        :_MOST_MISSING
    ]


def _named(
    state: Journey, lacking: Sequence[int], graded: Sequence[Sequence[_Graded]]
) -> Iterator[str]:
    """Name each want that nothing answers in a few of the patient's own words.

    Words that may have meant one thing with others are only named where no passage has them.
    """
    wants, loose = state["wants"], state.get("loose", ())
    said = words(state["question"].text)
    if len(lacking) == len(wants):
        return
    for at in lacking:
        own = [word for word in _topic(wants[at]) if not _stands_elsewhere(word, wants, at)]
        missing = _missing([graded[at]])
        lacks = [word for word in own if word in missing]
        if wants[at] in loose and (not own or lacks != own):
            continue
        name = [word for word in lacks or own or _topic(wants[at]) if _may_be_told(word)]
        name = [word for word in name if word in said] or name
        if name:
            yield " ".join(name[:_NAMED_WORDS])


def _topic(want: str) -> list[str]:
    return heavy(want) or list(topic_words(want))


def _stands_elsewhere(word: str, wants: Sequence[str], at: int) -> bool:
    return any(word in topic_words(other) for n, other in enumerate(wants) if n != at)


def _may_be_told(word: str) -> bool:
    """Tell whether a word of the patient's may be said back: no number, nothing endless."""
    return len(word) <= _NAMED_CHARS and not any(letter.isdigit() for letter in word)


def _nothing(state: Journey) -> Journey:
    """Return what was graded before, if anything was."""
    wants, held = state["wants"], state.get("held", ())
    return {
        "relevant": state.get("relevant", ()),
        "held": tuple(want for want in wants if want in held),
        "unheld": (),
        "missing": (),
        "doubtful": (),
        "disputed": state.get("disputed", ()),
    }
