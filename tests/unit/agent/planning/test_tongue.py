"""Tongue: the language of a question, and its English."""

import pytest

from agentic_rag.agent.planning.tongue import in_english, language_of, tokens


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What does a crown cost?", "en"),
        ("does he need braces", "en"),
        ("tell me about root canal", "en"),
        ("", "en"),
        ("scaling ka price kitna hai?", "hi-Latn"),
        ("root canal kitna dukhta hai", "hi-Latn"),
        ("scaling sathi kiti kharch yeto", "mr-Latn"),
        ("दांत में दर्द है, क्या करूँ?", "hi"),
        ("रूट कॅनलसाठी किती खर्च येतो?", "mr"),
    ],
)
def test_the_language_is_told_in_either_script(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("scaling ka price kitna hai?", {"scaling", "price", "how", "much"}),
        ("रूट कॅनलचा खर्च किती?", {"root", "canal", "price"}),
        ("रविवार को क्लिनिक खुला है क्या?", {"Sunday", "clinic", "open"}),
        ("दांत निकालने के बाद क्या खाना चाहिए?", {"extraction", "after", "eat"}),
        ("daant nikalne ke baad kya kha sakte hain", {"extraction", "after", "eat"}),
        ("RCT me dard hota hai kya", {"rct", "pain"}),
    ],
)
def test_the_words_of_a_clinic_are_put_in_english(text, wanted):
    assert wanted <= set(in_english(text).split())


def test_a_word_that_nobody_knows_stays_if_it_may_be_a_loan():
    assert "invisalign" in in_english("invisalign ka kharcha")


def test_devanagari_vowel_signs_stay_with_their_letters():
    assert tokens("कितना?") == ["कितना"]
