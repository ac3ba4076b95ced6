"""The questions that the load is made of: about the shipped clinic, as patients put them."""

from itertools import product

ASKED = (
    "Whats the price range for Root Canal Therapy?",
    "Is a root canal treatment painful?",
    "How many visits does a root canal treatment need, and do I need a crown afterwards?",
    "How long does scaling take and what aftercare is needed?",
    "Does scaling hurt?",
    "Will scaling damage my enamel?",
    "how long does whitening last",
    "Does teeth whitening make teeth sensitive?",
    "How much is a filling?",
    "When can I eat after a filling?",
    "What does a simple extraction cost?",
    "What should I avoid after a tooth extraction?",
    "Do all wisdom teeth have to come out?",
    "How long do I have to wear braces?",
    "Am I too old for braces?",
    "How do I clean my dentures?",
    "Should I choose an implant or a bridge?",
    "What can I eat after an implant?",
    "Are you open on Sundays?",
    "What are your opening hours and do you accept insurance?",
    "How do I book an appointment?",
    "Can I reschedule my visit?",
    "What happens if I miss my appointment?",
    "How can I pay?",
    "Can I pay in instalments?",
    "How much does a consultation cost?",
    "How do you clean your instruments?",
    "do you speak marathi",
    "Is there parking?",
    "Is the clinic accessible with a wheelchair?",
    "How do I get a copy of my dental records?",
    "How do I make a complaint?",
    "Do I have to tell you about my blood thinners?",
    "When should my child first see a dentist?",
    "Can I have dental treatment while I am pregnant?",
    "Why do my gums bleed when I brush?",
    "What can I do about bad breath?",
    "My face is badly swollen and I have a high fever. What should I do?",
    "Do you treat dogs?",
    "What is the capital of France?",
)
"""Of these 40, most are answered, one is an emergency and a few are declined."""

_SYLLABLES = [one + other for one, other in product("bdfghjklmnprstvw", "aeiou")]


def unique(number: int) -> str:
    """Return a question that no other number has, with a word in it that was never seen.

    >>> unique(1)
    'Is a root canal treatment painful? Beguma asks.'
    >>> len({unique(number) for number in range(20_000)})
    20000
    """
    # a stride that shares no factor with 80^3: neighbours differ, and none comes twice in 512,000
    spread = (number * 7_919 + 41) % len(_SYLLABLES) ** 3
    high, rest = divmod(spread, len(_SYLLABLES) ** 2)
    name = _SYLLABLES[high] + _SYLLABLES[rest // len(_SYLLABLES)] + _SYLLABLES[rest % 80]
    return f"{ASKED[number % len(ASKED)]} {name.capitalize()} asks."
