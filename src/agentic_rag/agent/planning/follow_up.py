"""Follow-ups: puts into a question what it leaves to the talk before it. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from agentic_rag.agent.planning.aspects import (
    NAMING_STEMS,
    PEOPLE_STEMS,
    TIME_STEMS,
    about,
    aspect_of,
    heavy,
    is_heavy,
    is_person_or_time,
)
from agentic_rag.agent.planning.small_talk import small_talk
from agentic_rag.domain import Turn
from agentic_rag.language import STOP_WORDS, stem, topic_words, words

_TURNS, _TURN_CHARS = 6, 400
_TOPIC_WORDS = 6
_FEW = 7  # words of a follow-up that only names another thing

_OPENER = re.compile(
    r"\s*(?:(?:ok(?:ay)?|and|but|so|also|then|or|oh|hmm+|sure|yes|yeah|no|well|alright|great"
    r"|thanks?(?: you)?|fine)\b"
    r"[\s,.!-]*)+",
    re.IGNORECASE,
)
_WHAT_ABOUT = re.compile(
    r"\s*(?:(?:what|how)(?: about|'s about|s about| if)|(?:the )?same (?:question "
    r"|thing )?(?:for|with|about)"
    r"|is it (?:the )?same (?:for|with)|(?:does|is) (?:that|it|this) (?:also )?(?:apply|go|true"
    r"|hold) (?:to|for)"
    r"|(?:and )?(?:in case of|regarding|about|as for))\s+",
    re.IGNORECASE,
)
_WHAT_IF = re.compile(r"\s*(?:(?:what|how)(?: about)? )?if\b", re.IGNORECASE)

# a sentence of its own: it asks or says something about its words
_CLAUSE = re.compile(
    r"^\W*(?:who|whom|whose|what|when|where|why|which|how|is|are|am|was|were|do|does|did|can|could|will|would|shall"
    r"|should|may|might|must|has|have|had|if|i|i'm|i've|we|he|she|they|my|tell|please|give|explain|you)\b"
    r"|\b(?:is|are|do|does|can|will|would|should)\b",
    re.IGNORECASE,
)

# words that stand for what was spoken of; "it" in "is it safe to ..." stands for nothing
_EXPLETIVE = re.compile(
    r"\b(?:(?:is|was|would|will|does|can|'s)\s+)?it\s*(?:'s|is|was|be|will be"
    r"|would be)?\s+(?:\w+\s+)?(?:safe|ok|okay|fine|possible|normal"
    r"|necessary|better|best|good|bad|important|compulsory|mandatory|allowed|common|true|painful|take|takes|hurt|cost)"
    r"\s+(?:to|for\s+\w+\s+to|that|if|when)\b|\bhow long does it take (?:to|for)\b",
    re.IGNORECASE,
)
_BEFORE_THAT = (
    r"is|are|was|were|do|does|did|will|would|can|could|should|has|have|for|after|before|about|with|during|of|on|in"
    r"|at|like|than|to|from|get|need|take|by|into|without|and|cover|covers|include|includes|doing|do|mean|prevent|avoid|makes?|cause|pay|use|afford|reschedule|cancel|change|book|avoid|see|bring|buy|try|stop|eat|drink|handle|treat|check|cost|told"
)
_POINTING = re.compile(
    rf"(?:\b(?P<after>after|before|following|during)\s+(?:it|that|this|them|those|these)\b"
    r"|\b(?P<adverb>afterwards?|after ?that|thereafter)\b"
    r"|\b(?:which|that|this|the other|the second|the first|another)\s+one\b|\bof (?:them|these"
    r"|those)\b"
    r"|\bits\b|\bit\b|\bthey\b|\bthem\b"
    rf"|\b(?:{_BEFORE_THAT})\s+(?P<that>that|this|these|those)\b(?=\W*(?P<next>[\w'-]*))"
    r"|^(?:\W*(?:and|but|so|ok|okay|then)\W+)*(?P<first>that|this|these|those)\s+(?:is|are|was|will|would|sounds?|seems?|hurts?|costs?|takes?)\b"
    r"|\b(?:the|this|that|these|those)\s+(?P<noun>treatments?|procedures?|operation|surgery|process|appointment|visit|test|scan|session|therapy|result|effect)\b)",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"\b(?P<adverb>before|after|later|again|there|instead|first)\s*[?.!]*\s*$", re.IGNORECASE
)
_DETERMINER = re.compile(r"\b(?:this|that|these|those|such|my|the other)\s+\w+", re.IGNORECASE)
_COMPARING = re.compile(
    r"\b(?:which|what)\b.{0,40}\b(?:\w+er|more|less|best|better|worse|\w+est)\b|\b(?:which one"
    r"|which of)\b"
    r"|\bwhich of the two\b|\bdifference between (?:them|the two|these|those)\b|\b(?:both"
    r"|either) of (?:them|these|those)\b|^\W*(?:and\W+)?both\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"\b(after|before|for|on|with|during|at|in|to|from|by|under|over|without)\s+((?:(?:a|an|the|my|your|his|her|our)\s+)?"
    r"[\w'-]+(?:\s+(?!(?:and|or|cost|take|hurt|need|is|are|do|does|if|when)\b)[\w'-]+){0,3})",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\s*(?:and|but|so|then|also)\b", re.IGNORECASE)
_AGAIN = re.compile(r"\b(?:again|still|already|too soon)\b", re.IGNORECASE)
_TO_THE_CLINIC = re.compile(
    r"\b(?:you|your|yours|(?:is|are) there|clinic|hospital|staff|price|cost|how much)\b",
    re.IGNORECASE,
)
_MANY = 3  # things that a question names, from which it stands alone

_ASIDE = re.compile(
    r"\s+(?:(?:for|with|of) (?:my |our |an? |the )?(?:old |elderly |aged )?(?:mother|father|mom"
    r"|mum|mummy|dad|papa|parents?"
    r"|wife|husband|family|friend|brother|sister|uncle|aunt|self|grandmother|grandfather|me|us)"
    r"|(?:at|in|to|of|from) (?:the|your|this) (?:clinic|hospital|place|centre|center|practice)"
    r"|(?:in|during|at) (?:the )?(?:mornings?|afternoons?|evenings?|nights?|moment))\b",
    re.IGNORECASE,
)
_PAY = re.compile(
    r"\b(?:what|how much) (?:do|will|would|must|should) (?:i|we) (?:have to )?pay\b", re.IGNORECASE
)
_ANCHOR = re.compile(r"\b(?:after|before|during)\s+([^,.?!;]{3,40})", re.IGNORECASE)
_MINE = re.compile(
    r"^\W*(?:hi\W+|hello\W+)?my\s+([\w' -]{3,40}?)(?:\s+[\w'-]+)?\s+"
    r"(?:on|in|at|into|against|is|are|was|has|keeps|hurts)\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    r"\b(?:an?|the)\s+([\w -]{3,30}?)\s+or\s+(?:an?|the)\s+([\w -]{3,30}?)(?=\s*[.,;:\[]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_DONE_WITH_IT = {"pay", "paying", "paid", "getting", "having", "doing"}
_ARTICLE = re.compile(r"(?:a|an|the|my|your)\s+", re.IGNORECASE)
_OR = re.compile(r"\s+(?:or|vs\.?|versus|and|than|compared (?:to|with))\s+|\s*,\s*", re.IGNORECASE)
_SOURCE = re.compile(r"^\s*Source:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_SUBJECT = re.compile(r"^\s*([^\n\u2013:]{3,60}?)\s+\u2013\s", re.MULTILINE)
_CODE = re.compile(r"^(?:L\d+|page=\d+|[A-Z0-9]+(?:-[A-Z0-9]+)+|.*\d.*)$")


@dataclass(frozen=True, slots=True)
class Context:
    """What a question may lean on.

    Attributes:
        asked: the last question, with what it leaned on put into it; empty where there was none.
        earlier: the topics of the talk, the last one first.
        cited: what the assistant's last answer was about, as far as it shows.
        items: those of them that are names of things, not headings.
        choice: two things between which it left the choice.
        labels: the sections that it cited.
    """

    asked: str = ""
    earlier: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    choice: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def after(self, resolved: str, told: str = "") -> "Context":
        """Return the context behind another question."""
        found = topic_of(resolved)
        earlier = self.earlier
        if found:
            earlier = (found, *(each for each in earlier if each != found))[:_TURNS]
        labels = tuple("#".join(filter(None, each)) for each in _labels(told))
        return Context(
            resolved, earlier, subjects_of(told), items_of(told), choice_of(told), labels
        )

    @property
    def topic(self) -> str:
        """What the talk is about: what was asked about last, else what was told."""
        return next(iter((*self.earlier, *self.cited)), "")


def context_of(history: Sequence[Turn]) -> Context:
    """Follow a conversation to its end."""
    context = Context()
    for turn, following in pairwise((*history[-2 * _TURNS :], None)):
        if turn is None or turn.role != "user" or small_talk(turn.text):
            continue
        told = following.text if following and following.role == "assistant" else ""
        context = context.after(resolved(" ".join(turn.text[:_TURN_CHARS].split()), context), told)
    return context


def resolved(question: str, context: Context) -> str:
    """Return the question with what it leaves out; as it is where it stands alone.

    >>> talk = Context().after("How much does a root canal cost?")
    >>> resolved("and how long does that take?", talk)
    'how long does root canal take?'
    >>> resolved("what about whitening?", talk)
    'How much does whitening cost?'
    >>> resolved("Do you have parking?", talk)
    'Do you have parking?'
    """
    if not context.topic:
        return question
    opener = _OPENER.match(question)
    bare = question[opener.end() :] if opener and opener.end() < len(question) else question
    another = None if _WHAT_IF.match(bare) else _WHAT_ABOUT.match(bare)
    if another and another.end() < len(bare):
        return _of_another(bare[another.end() :], context, bare) or question
    if not _CLAUSE.search(bare):
        return _elliptical(bare, context, begun=bool(opener)) or question
    if _WHAT_IF.match(bare):
        return _what_if(bare, context)
    goes_on = bool(_GOES_ON.match(question)) or bool(_AGAIN.search(bare))
    leans = goes_on and len(heavy_but_people(bare)) < _MANY and not _TO_THE_CLINIC.search(bare)
    return _pointed(bare, context) or (_with_topic(bare, context) if leans else question)


def leaning_on(question: str, headings: Sequence[str], context: Context) -> tuple[str, ...]:
    """Return the question in full as it is if it leans on sections with these headings.

    The answer's own words may not name the thing, and the patient's were about what it is for.

    >>> talk = Context().after("My father has no teeth left, what can he get?")
    >>> leaning_on("How do I wash it?", ["Complete denture"], talk)
    ('How do I wash denture?',)
    """
    topics = filter(None, (topic_of(heading.lower()) for heading in headings))
    others = (replace(context, earlier=(topic, *context.earlier)) for topic in topics)
    return tuple(dict.fromkeys(resolved(question, other) for other in others))


def _what_if(bare: str, context: Context) -> str:
    """Ask of another case what was asked: "and if I come late?" may be about a fee."""
    aspect = aspect_of(context.asked)
    asked = _pointed(bare, context) or _with_topic(bare, context)
    return f"{asked} ({aspect.name})" if aspect and not aspect_of(bare) else asked


def topic_of(text: str) -> str:
    """Return the words that name what a question is about, at most a few.

    >>> topic_of("How much does a root canal treatment cost?")
    'root canal'
    """
    named = [word for word in heavy(text) if word not in _DONE_WITH_IT] or heavy(text)
    things = [word for word in named if stem(word) not in PEOPLE_STEMS] or named
    lasting = [word for word in things if stem(word) not in TIME_STEMS]
    is_named = any(stem(word) not in NAMING_STEMS for word in lasting)
    return " ".join((lasting if is_named else things)[:_TOPIC_WORDS])


def subjects_of(answer: str) -> tuple[str, ...]:
    """Return what an answer was about: the items that it quotes, and the headings it cites.

    >>> subjects_of("Scaling \u2013 price band: INR 1 to 2 [1]" + chr(10) + "Source: t.json#TX-1")
    ('scaling',)
    """
    sections = (section for _, section in _labels(answer) if section and not _CODE.match(section))
    named = (topic_of(section.replace("-", " ")[:80]) for section in sections)
    return tuple(dict.fromkeys((*items_of(answer), *filter(None, named))))[:3]


def items_of(answer: str) -> tuple[str, ...]:
    """Return the things that an answer quotes or cites by name.

    >>> items_of("Rest. [1]" + chr(10) + "Source: aftercare/wisdom-tooth.txt")
    ('wisdom tooth',)
    """
    files = (document.rpartition("/")[2] for document, section in _labels(answer) if not section)
    named = [*_SUBJECT.findall(answer[:4000]), *(re.sub(r"\.\w+$", "", file) for file in files)]
    topics = (topic_of(each.replace("-", " ")[:80].lower()) for each in named)
    return tuple(dict.fromkeys(filter(None, topics)))[:3]


def choice_of(answer: str) -> tuple[str, ...]:
    """Return the two things between which an answer leaves the choice, if it does.

    >>> choice_of("It can be replaced with a dental implant or a dental bridge. [1]")
    ('dental implant', 'dental bridge')
    """
    found = _CHOICE.search(answer[:4000])
    named = [topic_of(each) for each in found.groups()] if found else []
    return tuple(named) if all(named) else ()


def _labels(answer: str) -> list[tuple[str, str]]:
    """Return the document and the section of each label in the `Source:` line."""
    lines = _SOURCE.findall(answer[-2000:])[-1:]
    cut = (label.strip().partition("#") for line in lines for label in line.split(";"))
    return [(document, section) for document, _, section in cut]


def compared(question: str, context: Context) -> list[str]:
    """Return the things that a question compares without naming them, at least two; else none."""
    if not _COMPARING.search(question) or heavy_but_people(question):
        return []
    together = [topic_of(part) for part in _OR.split(context.asked)]
    named = list(dict.fromkeys(part for part in together if part))
    things = named if len(named) > 1 else list(context.earlier)
    return things[:2] if len(things) > 1 else []


def heavy_but_people(text: str) -> list[str]:
    """Return the heavy words that are neither people nor times."""
    return [word for word in heavy(text) if not is_person_or_time([word])]


def _of_another(rest: str, context: Context, whole: str) -> str:
    """Ask the last question of another thing: "what about whitening?"."""
    if _CLAUSE.search(rest) and heavy(rest):
        return rest
    if not heavy(rest) and (aspect_of(rest) or not topic_words(rest)):
        return _pointed(rest, context) or _with_topic(whole, context)
    return _swapped(rest, context)


def _elliptical(bare: str, context: Context, *, begun: bool) -> str:
    """Complete what is no sentence: "for children?", "whitening?", "price?"."""
    if _pointing(bare):
        return _pointed(bare, context)
    aspect, own = aspect_of(bare), heavy(bare)
    if aspect:
        if not own:
            return about(aspect, context.topic)
        return _with_topic(bare, context) if is_person_or_time(own) else ""
    if not own and not (begun and topic_words(bare)):
        return _with_topic(bare, context)
    few = len(words(bare)) <= _FEW
    return _swapped(bare, context) if few else ""


def _swapped(said: str, context: Context) -> str:
    """Put what is said in place of its like in the last question, else beside it."""
    said = said.strip(" ?.!,")
    own = topic_words(said)
    for kind in (PEOPLE_STEMS, TIME_STEMS):
        if own and all(stem(word) in kind or not is_heavy(word) for word in own):
            return _in_place_of_kind(said, kind, context)
    mine = _PREPOSITION.match(said)
    if mine:
        for theirs in _PREPOSITION.finditer(context.asked):
            if theirs[1].lower() == mine[1].lower() and heavy(theirs[2]):
                return context.asked[: theirs.start()] + said + context.asked[theirs.end() :]
        said = said[mine.end(1) :].strip()
    aspect = aspect_of(context.asked)
    if aspect:
        return about(aspect, said)
    return _in_place_of_last(said, context.asked)


def _in_place_of_kind(said: str, kind: frozenset[str], context: Context) -> str:
    asked = context.asked.strip(" ?.!")
    theirs = [found for found in re.finditer(r"[\w'-]+", asked) if stem(found[0]) in kind]
    bare = re.sub(r"^(?:for|on|at|in|with|during)\s+", "", said, flags=re.IGNORECASE)
    if theirs and theirs[-1][0].lower() not in STOP_WORDS:
        return f"{asked[: theirs[-1].start()]}{bare}{asked[theirs[-1].end() :]}?"
    aspect = aspect_of(asked)
    asked = about(aspect, context.topic).strip("?") if aspect else context.topic
    return f"{asked} {said}?"


def _in_place_of_last(said: str, asked: str) -> str:
    """Put a thing in place of the last run of heavy words of a question."""
    tokens = list(re.finditer(r"[\w'-]+", asked))
    at = next((n for n in range(len(tokens) - 1, -1, -1) if _is_thing(tokens[n][0])), None)
    if at is None:
        return f"{asked.strip(' ?.!')} {said}?"
    first = at
    while first and _is_thing(tokens[first - 1][0]):
        first -= 1
    if first and _ARTICLE.match(f"{tokens[first - 1][0]} "):
        first -= 1
    return asked[: tokens[first].start()] + said + asked[tokens[at].end() :]


def _is_thing(word: str) -> bool:
    low = word.lower()
    return low not in STOP_WORDS and bool(topic_words(low)) and is_heavy(low)


def _pointed(text: str, context: Context) -> str:
    """Put the topic in place of the word that points back; "" where none does."""
    own = heavy_but_people(text)
    found = None if _EXPLETIVE.search(text) else _pointing(text)
    if found:
        return _put_in(text, found, context)
    if own or (heavy(text) and len(topic_words(text)) > len(heavy(text))):
        leans = _leans(text, own)
        return _trailing(text, context) or (_with_topic(text, context) if leans else "")
    in_full = _asked_in_full(text, context) or _trailing(text, context)
    names_enough = len(topic_words(text)) >= _MANY  # "what should I bring to the first visit?"
    return in_full or ("" if names_enough else _with_topic(text, context))


def _pointing(text: str) -> re.Match[str] | None:
    """Find the word that points back; "that" in front of a thing is no such word."""
    return next(
        (
            found
            for found in _POINTING.finditer(text)
            if not (found["that"] and found["next"] and _is_thing(found["next"]))
        ),
        None,
    )


def _asked_in_full(text: str, context: Context) -> str:
    """Ask an aspect in full, where the question says no more than that."""
    aspect = aspect_of(text)
    if not aspect or topic_words(aspect.pattern.sub(" ", text)):
        return ""
    return about(aspect, context.topic)


def _put_in(text: str, found: re.Match[str], context: Context) -> str:
    topic = _anchor(context)
    if found["noun"] and heavy_but_people(text.replace(found[0], "")):
        return text if _shares(text, topic) else _with_topic(text, context)
    begin, end = found.span(next((name for name in ("that", "first") if found[name]), 0))
    if found["after"]:
        begin = found.end("after") + 1
    lead = "after " if found["adverb"] else "of " if found[0].lower().startswith("of ") else ""
    return text[:begin] + lead + topic + text[end:]


def _anchor(context: Context) -> str:
    """Return the thing that "it" stands for: in "can I eat after a filling?" it is the filling."""
    found = _ANCHOR.search(context.asked)
    found = found or _MINE.search(context.asked)
    thing = topic_of(found[1]) if found else ""
    is_thing = thing and not is_person_or_time(thing.split()) and thing in context.topic
    return thing if is_thing else context.topic


def _trailing(text: str, context: Context) -> str:
    """Complete a question that ends in "before" or "after"."""
    found = _TRAILING.search(text)
    if not found:
        return ""
    word = found["adverb"].lower()
    if word in {"before", "after"}:
        return f"{text[: found.end('adverb')]} {context.topic}?"
    return _with_topic(text, context) if not heavy_but_people(text) else ""


def _leans(text: str, own: Sequence[str]) -> bool:
    """Tell whether a question with words of its own points back: "how long for these stitches?"."""
    found = _DETERMINER.search(text)
    if not found or len(own) >= _MANY:
        return False
    return not found[0].lower().startswith(("my ", "that "))


def _with_topic(text: str, context: Context) -> str:
    told = {stem(word) for word in topic_words(text)}
    lent = [word for word in context.topic.split() if stem(word) not in told]
    return f"{text.strip()} ({' '.join(lent)})" if lent else text


def _shares(text: str, topic: str) -> bool:
    return bool({stem(word) for word in topic_words(text)} & {stem(word) for word in topic.split()})


def of_cited(question: str, context: Context) -> str:
    """Put a follow-up in full, with the item that the last answer told of if nobody named it.

    >>> talk = Context("My tooth is out, can I smoke?", earlier=("tooth",), items=("filling",))
    >>> of_cited("and rinsing?", talk)
    'My tooth is out, can I rinsing? (filling)'
    """
    if context.choice and _COMPARING.search(question) and not heavy_but_people(question):
        return f"{question} ({' or '.join(context.choice)})"
    asked = resolved(question, context)
    if asked == question or not context.items or any(_shares(asked, c) for c in context.items):
        return asked
    return f"{asked} ({context.items[0]})"


def looser(asked: str, bare: str, context: Context) -> str:
    """Return another reading of a question for which, put in full, nothing was found.

    One with a topic of its own may have changed the subject. One without may be about what the
    assistant told, rather than what was asked.

    >>> looser("will scaling be covered by insurance?", "will it be covered by insurance?",
    ...        Context().after("Does scaling hurt?"))
    'will it be covered by insurance?'
    """
    if asked == bare:
        return _without_asides(_PAY.sub("what is the fee", asked))
    plain = resolved(bare, context)
    if plain not in {asked, bare}:
        return plain
    if heavy_but_people(bare):
        return bare
    other = next((each for each in context.cited if not _shares(asked, each)), "")
    return resolved(bare, Context(asked=other, earlier=(other,))) if other else asked


def _without_asides(asked: str) -> str:
    """Leave out for whom and where it is asked, and the time of day, if a topic is left.

    >>> _without_asides("Is there a lift for my mother at the clinic?")
    'Is there a lift?'
    """
    shorter = _ASIDE.sub("", asked)
    return shorter if heavy(shorter) else asked
