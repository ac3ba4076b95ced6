"""Which language somebody writes: English, Hindi or Marathi, in either script. Pure."""

from typing import Literal

from agentic_rag.safety.spelling import read_words

Tongue = Literal["en", "hi", "mr"]

_HINDI = frozenset(
    [
        "hai",
        "hain",
        "hu",
        "hun",
        "hoon",
        "raha",
        "rahi",
        "rahe",
        "nahi",
        "nahin",
        "mera",
        "meri",
        "mere",
        "mujhe",
        "kya",
        "aur",
        "gaya",
        "gayi",
        "mein",
        "ho",
        "se",
        "ko",
        "है",
        "हैं",
        "हूं",
        "हूँ",
        "रहा",
        "रही",
        "रहे",
        "नहीं",
        "मेरा",
        "मेरी",
        "मेरे",
        "मुझे",
        "क्या",
        "और",
        "गया",
        "गई",
        "में",
        "हो",
        "से",
        "को",
        "मैं",
    ]
)
_MARATHI = frozenset(
    [
        "ahe",
        "aahe",
        "ahet",
        "nahi",
        "maza",
        "majha",
        "mazi",
        "mazya",
        "mala",
        "ani",
        "aani",
        "zala",
        "jhala",
        "zali",
        "kay",
        "tyala",
        "tila",
        "yet",
        "pan",
        "आहे",
        "आहेत",
        "नाही",
        "माझा",
        "माझी",
        "माझं",
        "माझ्या",
        "मला",
        "आणि",
        "झाला",
        "झाली",
        "झालं",
        "काय",
        "त्याला",
        "तिला",
        "येत",
        "पण",
        "मी",
    ]
)
_TELLING = 2  # words in Latin letters that make a language: one could be English


def tongue_of(text: str) -> Tongue:
    """Tell the language of a message, English where in doubt.

    >>> tongue_of("mera muh sooj gaya hai"), tongue_of("mala tap ahe")
    ('hi', 'mr')
    """
    said = [word.text for word in read_words(text[:4000])]
    hindi, marathi = sum(word in _HINDI for word in said), sum(word in _MARATHI for word in said)
    written = any("\u0900" <= word[0] <= "\u097f" for word in said)
    if max(hindi, marathi) < (1 if written else _TELLING):
        return (
            "hi"
            if written and not any(word.isascii() and word.isalpha() for word in said)
            else "en"
        )
    return "mr" if marathi > hindi else "hi"
