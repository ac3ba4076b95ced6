"""Small talk: tells a greeting, thanks, a farewell and "who are you" from a question. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from rapidfuzz.distance import OSA

from agentic_rag.agent.planning.tongue import tokens


class SmallTalk(StrEnum):
    """What a message without a question is; also the name of the text that answers it."""

    GREETING = "greeting"
    THANKS = "thanks"
    INTRODUCTION = "introduction"
    GOODBYE = "goodbye"


_LONGEST_CHARS, _MOST_WORDS = 120, 12
_MENDED_FROM = 4  # letters: a shorter word with a slip is another word

_SAID = {
    SmallTalk.GOODBYE: """
        bye byee goodbye cya ciao tata alvida farewell
        अलविदा बाय टाटा निरोप
    """,
    SmallTalk.THANKS: """
        thank thanks thankyou thanx thnx thnks thx tnx ty tysm tq cheers grateful appreciated
        dhanyavad dhanyawad dhanyavaad dhanyawaad shukriya shukriyaa aabhari abhari
        धन्यवाद शुक्रिया आभार आभारी थैंक्स थैंक थँक्स थँक्यू थैंक्यू
    """,
    SmallTalk.GREETING: """
        hi hii hello helo hallo hullo hey heya hiya yo greetings howdy morning afternoon evening
        gm namaste namastey namaskar namaskaar namaskara pranam salaam salam
        नमस्ते नमस्कार प्रणाम हैलो हेलो हॅलो हाय राम सुप्रभात
    """,
}
"""The words that make a message small talk; of several, the first kind here that is met wins."""

_AROUND = frozenset(
    """
    a again all alot and appreciate are be day dear doc doctor everyone folks for friend good great
    guys have helpful helping help how i it it's its just lot lots ma'am maam madam man much my
    nice night no not now ok okay kind lovely wonderful of other others please pls reply response
    quick sir sirji so soon team
    thats that's that the there this time to today very weekend well with you your u ur info
    information see later take care k perfect awesome super fine then meet ya cool
    ji jee bhai bahut bohot aap aapka aapko ka ki ke liye khup khoop khub tumche tumhala tumcha
    apka apko apla aple aaple aapla doctorsaheb saheb mam shubh ratri prabhat din
    जी डॉक्टर आप आपका आपको के लिए का की बहुत खूप तुमचे तुमचा तुम्हाला आपले आपला मनःपूर्वक सर मॅडम
    मैडम साहेब शुभ रात्रि रात्री प्रभात दिन सकाळ संध्याकाळ सुबह हो है आहे मी मैं और आणि मदत बद्दल
    मदतीबद्दल
    """.split()  # noqa: SIM905  # a list of words reads best as words
)
"""Words that stand around small talk, and make no question of it."""

_WHO = re.compile(
    r"(?:(?:so|and|hi|hello|hey|ok|okay|but|please|sorry)\W+)*(?:"
    r"(?:who|what) (?:are|r|is) (?:you|u|this|that|there|i (?:talking|speaking|chatting) (?:to"
    r"|with))"
    r"(?: exactly| actually| by the way)?"
    r"|(?:may i (?:know|ask) )?(?:who|what) am i (?:talking|speaking|chatting) (?:to|with)"
    r"|(?:what(?: i|')?s|what is|tell me|may i know) (?:your|ur) name"
    r"|(?:are|r) (?:you|u) (?:an? |the |really an? )?(?:ai |real |chat ?|live |actual )?"
    r"(?:bot|chatbot|robot|human|person|machine|computer|ai|assistant|doctor|dentist|real)"
    r"(?: or (?:an? )?(?:real |actual )?(?:bot|chatbot|robot|human|person|machine|computer|ai))?"
    r"|is (?:this|that|it) (?:an? )?(?:real |actual )?(?:bot|chatbot|robot|human|person|machine|ai)"
    r"|am i (?:talking|speaking|chatting) (?:to|with) (?:an? )?(?:real |actual )?"
    r"(?:bot|chatbot|robot|human|person|machine|ai)"
    r"|what (?:can|do|could) (?:you|u) (?:do|help(?: me)? with)(?: for me)?"
    r"|how can (?:you|u) help(?: me)?|introduce yourself|how (?:are|r) (?:you|u)(?: doing| today)*"
    r"|(?:aap|tum|tu) (?:kaun|kon) (?:ho|hai|hain|he)|(?:tumhi|tu|aapan) kon (?:aahat|ahat|aahes"
    r"|ahes)"
    r"|(?:aap|tum) kaise (?:ho|hai|hain)|(?:aapka|tumhara|tumche|tumcha) (?:naam|nav|naav) kya hai"
    r"|(?:आप|तुम) कौन (?:हैं|है|हो)|(?:तुम्ही|आपण|तू) कोण (?:आहात|आहेस)|(?:आप|तुम) कैसे (?:हैं|हो)"
    r"|(?:तुम्ही|आपण) कसे आहात|(?:आपका|तुम्हारा) नाम क्या है|(?:तुमचे|आपले) नाव काय(?: आहे)?"
    r")(?:\W+(?:sir|madam|maam|please|pls|ji|doctor|then|now|bro))*"
)
_SMILES = frozenset("👋🙏👍😊🙂😀😃😄🤝❤💐🌹🙌👌✌🤗😇🥰😍☺💖💙🌸🌷👏💯")


def small_talk(text: str) -> SmallTalk | None:
    """Tell what kind of small talk a message is; None where it may ask something.

    >>> small_talk("Thnaks a lot, doctor! 🙏"), small_talk("hello, what does scaling cost?")
    (<SmallTalk.THANKS: 'thanks'>, None)
    """
    said = [_plain(token) for token in tokens(text[: _LONGEST_CHARS + 1])]
    if len(text) > _LONGEST_CHARS or len(said) > _MOST_WORDS:
        return None
    if not said:
        return SmallTalk.GREETING if _SMILES & set(text) else None
    if _WHO.fullmatch(" ".join(said)):
        return SmallTalk.INTRODUCTION
    return _of_words(said)


def _of_words(said: Sequence[str]) -> SmallTalk | None:
    kinds = [_kind(word) for word in said if word not in _AROUND]
    if not kinds:
        return _of_phrase(" ".join(said))
    if None in kinds:
        return None
    return next(kind for kind in _SAID if kind in kinds)


def without_greeting(text: str) -> str:
    """Leave out the greeting that a question begins with.

    >>> without_greeting("Hello doctor, what does scaling cost?")
    'what does scaling cost?'
    """
    lead = re.match(r"[^,.!?\n\u0964]{1,40}[,.!\n\u0964]+\s*", text)
    if lead and small_talk(lead[0]) and text[lead.end() :].strip():
        return without_greeting(text[lead.end() :])
    first = re.match(r"\s*(\S+)\s+", text)
    if first and first[1].isalpha() and _kind(_plain(first[1])) is SmallTalk.GREETING:
        return text[first.end() :]
    return text


_PHRASES = {
    "see you": SmallTalk.GOODBYE,
    "see ya": SmallTalk.GOODBYE,
    "see u": SmallTalk.GOODBYE,
    "take care": SmallTalk.GOODBYE,
    "good night": SmallTalk.GOODBYE,
    "good day": SmallTalk.GREETING,
    "shubh ratri": SmallTalk.GOODBYE,
    "शुभ रात्रि": SmallTalk.GOODBYE,
    "शुभ रात्री": SmallTalk.GOODBYE,
    "शुभ प्रभात": SmallTalk.GREETING,
    "शुभ सकाळ": SmallTalk.GREETING,
    "shubh prabhat": SmallTalk.GREETING,
    "appreciate it": SmallTalk.THANKS,
    "appreciate your help": SmallTalk.THANKS,
    "very helpful": SmallTalk.THANKS,
    "ok": SmallTalk.THANKS,
    "okay": SmallTalk.THANKS,
    "great": SmallTalk.THANKS,
    "perfect": SmallTalk.THANKS,
    "awesome": SmallTalk.THANKS,
}
_ALONE = {"ok", "okay", "great", "perfect", "awesome"}


def _of_phrase(said: str) -> SmallTalk | None:
    """Return the kind of a message that only has words that stand around small talk."""
    for phrase, kind in _PHRASES.items():
        if said == phrase or (phrase not in _ALONE and f" {phrase} " in f" {said} "):
            return kind
    return None


def _plain(token: str) -> str:
    """Write a drawn-out word short: "hiiii" is "hii", "thankssss" is "thankss"."""
    return re.sub(r"(\w)\1{2,}", r"\1\1", unicodedata.normalize("NFC", token).strip("'"))


@lru_cache(maxsize=4096)
def _kind(word: str) -> SmallTalk | None:
    single = re.sub(r"(\w)\1+", r"\1", word)
    for kind, said in _words().items():
        if word in said or (single in said and len(single) > 1):
            return kind
    if len(word) < _MENDED_FROM or not word.isascii():
        return None
    for kind, said in _words().items():
        if any(_is_slip(word, each) for each in said):
            return kind
    return None


def _is_slip(word: str, meant: str) -> bool:
    """Tell whether a word is another with one slip of the finger; its first letter stands."""
    alike = word[0] == meant[0] and len(meant) > _MENDED_FROM and word not in _NO_SLIPS
    return alike and OSA.distance(word, meant, score_cutoff=1) <= 1


_NO_SLIPS = {"thank", "hell", "heal", "help", "mourning", "even", "event", "events", "hallow"}


@lru_cache(maxsize=1)
def _words() -> dict[SmallTalk, frozenset[str]]:
    return {kind: frozenset(said.split()) for kind, said in _SAID.items()}
