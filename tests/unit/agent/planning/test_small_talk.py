"""Small talk is told from a question, however it is typed."""

import pytest

from agentic_rag.agent.planning.small_talk import SmallTalk, small_talk, without_greeting

SAID = {
    SmallTalk.GREETING: ["hi", "Hello!", "hiiii 👋", "HELLO", "helo", "Good morning doctor",
                         "namaste", "नमस्ते", "नमस्कार 🙏", "hey there", "hi team", "🙏"],
    SmallTalk.THANKS: ["thanks", "Thank you so much!", "thnx", "ty", "tysm", "thanx a lot 😊",
                       "dhanyavad", "धन्यवाद", "शुक्रिया", "thank you doctor", "ok thanks", "Thnaks"],
    SmallTalk.GOODBYE: ["bye", "goodbye", "ok bye", "Bye bye!", "see you", "good night",
                        "thanks, bye", "अलविदा", "take care"],
    SmallTalk.INTRODUCTION: ["who are you?", "What are you", "are you a bot?", "r u human",
                             "are you a real person", "what's your name?", "what can you do?",
                             "Hi, who are you?", "aap kaun ho", "आप कौन हैं?", "तुम्ही कोण आहात?",
                             "am I talking to a robot?"],
}  # fmt: skip
CASES = [(text, kind) for kind, texts in SAID.items() for text in texts]


@pytest.mark.parametrize(("text", "kind"), CASES, ids=ascii)
def test_small_talk_is_known(text, kind):
    assert small_talk(text) is kind


@pytest.mark.parametrize(
    "text",
    [
        "hello, what does scaling cost?",
        "hi, my face is swollen",
        "thanks, and how long does it take?",
        "who is the dentist?",
        "who are your doctors?",
        "what can you do for a broken tooth?",
        "help",
        "night guard",
        "bye bye braces?",
        "good morning are you open today",
        "hi price",
        "pain",
        "?",
        "",
        "   ",
        "1200",
        "no",
        "thank you " * 200,
        "नमस्ते, रूट कॅनलचा खर्च किती?",
    ],
    ids=ascii,
)
def test_a_question_is_no_small_talk(text):
    assert small_talk(text[:4000]) is None


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Hello, what does scaling cost?", "what does scaling cost?"),
        ("hi what does scaling cost", "what does scaling cost"),
        ("Good morning. Are you open?", "Are you open?"),
        ("What is scaling?", "What is scaling?"),
        ("hello", "hello"),
    ],
)
def test_a_greeting_is_taken_off_a_question(text, asked):
    assert without_greeting(text) == asked
