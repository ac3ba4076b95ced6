"""Red flags: an emergency is found in a patient's own words; a mere question is none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.errors import BadPack
from agentic_rag.safety.hunch import Hunch
from agentic_rag.safety.redflags import pack_rule, read_rules
from agentic_rag.settings import Settings

FLAGS = read_rules()
EXAMPLES = [(rule.name, example) for rule in FLAGS.rules for example in rule.examples]
COUNTER_EXAMPLES = [
    (rule.name, example) for rule in FLAGS.rules for example in rule.counter_examples
]

ALARMS = [
    ("breathing", "i cant breath"),
    ("breathing", "I CAN\u2019T BREATHE!!"),
    ("breathing", "it is getting really hard to breathe"),
    ("breathing", "My throat feels tight and swollen"),
    ("swallowing", "its difficult for me to swallow"),
    ("bleeding", "the bleeding just won't stop"),
    ("bleeding", "I can't stop the bleeding"),
    ("bleeding", "It has been bleeding for hours"),
    ("bleeding", "My gum has not stopped bleeding since morning"),
    ("bleeding", "The bleeding hasn't stopped since yesterday"),
    ("bleeding", "blood everywhere after extraction"),
    ("infection", "my cheek is swollen"),
    ("infection", "My daughter's face is swelling up"),
    ("infection", "there is swelling in my jaw"),
    ("infection", "I have tooth pain and a temperature of 39"),
    ("infection", "fever since my extraction"),
    ("trauma", "my son fell and hit his teeth"),
    ("trauma", "A ball hit me in the face"),
    ("trauma", "the tooth was knocked right out"),
    ("trauma", "I think my jaw is broken"),
    ("infection", "my mouth won't open"),
    ("infection", "yellow pus around the tooth"),
    ("chest_pain", "toothache and chest pain"),
    ("collapse", "she passed out in the bathroom"),
    ("reaction", "hives all over after the amoxicillin"),
    ("poisoning", "my kid swallowed the mouthwash"),
    ("self_harm", "I want to kill myself"),
]

DESPITE = [
    "i cant breathe in college",
    "I have chest pain at university",
    "No pain, but I can't breathe",
    "I have no fever but my face is swollen",
    "No, my face is swollen!",
    "Scaling was fine. Now my gums are bleeding and won't stop.",
    "What does scaling cost? Also my cheek is swollen.",
    "What is happening to me, I can't breathe",
    "What is the best thing to do, my son's tooth was knocked out",
    "What if I can't breathe, I have it right now",
    "Is it normal that my face is swollen and I have a high fever after the extraction?",
    "How do I know if my face is too swollen, it is getting worse",
    "He used to be healthy and now he is unconscious",
    "The pain went away and then my face got swollen",
    "I don't have an appointment and my face is swollen",
    "Not sure if this matters: heavy bleeding since the extraction",
]

NONE = [
    "What counts as an emergency?",
    "what counts as heavy bleeding",
    "Which swelling of the face is an emergency?",
    "What are the signs of a high fever?",
    "Do you treat swelling of the jaw?",
    "Can scaling cause heavy bleeding?",
    "How long does scaling take?",
    "I have no fever",
    "I don't have any swelling of the face",
    "I do not have a high fever or a swollen face",
    "My face isn't swollen",
    "No facial swelling, no fever, no trouble breathing.",
    "The bleeding has stopped",
    "The swelling of my face went away",
    "My jaw was broken ten years ago",
    "I fell on my face as a child",
    "What is your fee?",
    "Can I open a file with you?",
    "Do my gums bleed because of scaling?",
    "Where can I park?",
    "",
    "?!",
]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_rule_finds_its_examples(name, example):
    assert FLAGS.find([example]) is not None, name


@pytest.mark.parametrize(("name", "example"), COUNTER_EXAMPLES)
def test_no_rule_finds_a_counter_example(name, example):
    assert FLAGS.find([example]) is None, name


PLAIN = [
    "My son had a seizure.",
    "I have chest pain.",
    "I took 20 paracetamol tablets.",
    "I can't breathe.",
    "My face is swollen.",
    "My daughter fainted.",
    "She swallowed her crown.",
    "He drank bleach.",
    "I want to die.",
    "A ball knocked out my front tooth.",
    "He fell on his head and keeps vomiting.",
    "My tongue is swelling after the tablet.",
    "The bleeding does not stop.",
    "Saans nahi aa rahi hai.",
    "Papa behosh ho gaye.",
    "Chehra suj gaya hai.",
    "छाती में दर्द हो रहा है.",
    "खून बंद नहीं हो रहा.",
    "श्वास घेता येत नाही.",
    "तिला झटका आला.",
    "Chehra sujla ahe.",
    "Rakt thambat nahi.",
]


@pytest.mark.parametrize(
    "talk",
    [
        ("Hello doctor, hope you are well. {}",),
        ("{} What should I do?",),
        ("{} Can I come tomorrow, and how much does it cost? Do you take insurance?",),
        ("Namaste doctor. {} Kya karun?",),
        ("{}", "What are your opening hours?"),
        ("{}", "Thank you. How much does scaling cost?"),
        ("Which bus goes to your clinic?", "{}"),
        ("Good morning. In May you did my cleaning and all went well. {} My number is the same.",),
        ("Ram ram ji. {} Jaldi batao.",),
        ("सुप्रभात। {} मुझे क्या करना चाहिए?",),
        ("शुभ सकाळ. {} आता मी काय करावं?",),
        ("{} How soon could you see me?",),
        ("{} Is that to be expected after a filling?",),
    ],
)
def test_no_greeting_and_no_question_beside_an_emergency_hides_it(talk):
    told = [example.rstrip(".!?") + "." for _, example in EXAMPLES]
    told += PLAIN

    hidden = [each for each in told if FLAGS.find([turn.format(each) for turn in talk]) is None]

    assert hidden == []


def test_every_rule_names_what_it_rests_on_and_has_both_kinds_of_examples():
    for rule in FLAGS.rules:
        assert rule.reason
        assert rule.source
        assert rule.examples
        assert rule.counter_examples


@pytest.mark.parametrize(("category", "said"), ALARMS)
def test_an_emergency_is_found_in_a_patients_own_words(category, said):
    alarm = FLAGS.find([said])

    assert alarm is not None
    assert alarm.category == category
    assert alarm.reason


@pytest.mark.parametrize("said", DESPITE)
def test_an_emergency_is_found_whatever_stands_around_it(said):
    assert FLAGS.find([said]) is not None


@pytest.mark.parametrize("said", NONE)
def test_a_question_or_a_denial_is_no_emergency(said):
    assert FLAGS.find([said]) is None


def test_every_turn_is_looked_at_and_the_gravest_alarm_told():
    found = FLAGS.find(["How long?", "my cheek is swollen", "I can't breathe", "thanks"])

    assert found.category == "breathing"


@pytest.mark.parametrize(
    ("turns", "is_alarm"),
    [
        (["My face is swollen", "What does scaling cost?"], True),
        (["My face is swollen", "No, the swelling is gone now. What does scaling cost?"], False),
        (["khoon band nahi ho raha", "ab khoon ruk gaya hai, dhanyavad"], False),
        (["सूज आली आहे गालावर", "सूज आता उतरली"], False),
        (["I have a toothache", "and since last night a fever too"], True),
        (["I am pregnant", "my gum is swollen", "what now?"], True),
        (["The swelling is gone", "it has started again, my whole cheek is swollen"], True),
    ],
)
def test_a_sign_in_an_earlier_turn_counts_until_a_later_one_says_it_is_over(turns, is_alarm):
    assert (FLAGS.find(turns) is not None) is is_alarm


def test_no_message_has_no_alarm():
    assert FLAGS.find([]) is None


@pytest.mark.parametrize(
    "filler",
    ["a", "a ", "not ", "no fever ", "bleed ", "can't ", "swollen ", " ", "\n", "!?", "[", "é"],
    ids=ascii,
)
def test_a_message_of_any_length_is_looked_at(filler):
    message = filler * (200_000 // len(filler))

    FLAGS.find([message])


def test_an_emergency_at_the_end_of_the_longest_message_is_found():
    most = next(
        m.le for m in Settings.model_fields["max_question_chars"].metadata if hasattr(m, "le")
    )
    said = "I can't breathe."
    longest = "My story is long. ".ljust(most - len(said)) + said

    alarm = FLAGS.find([longest])

    assert alarm is not None, f"a question may have {most} characters"


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text):
    FLAGS.find([text])


NOISE = st.sampled_from(
    ["", " ", "!!", " \U0001f62d", "\U0001f525", "\u200b", " \u2757\ufe0f", "...", "\ufeff"]
)
FIRM = (
    "i cant breathe",
    "my face is swollen",
    "खून बंद नहीं हो रहा",
    "gaal sujla ahe",
    "mujhe saans nahi aa rahi",
)


@given(st.sampled_from(FIRM), NOISE, NOISE, st.booleans())
def test_noise_around_an_alarm_changes_nothing(said, before, after, loud):
    message = f"{before}{said.upper() if loud else said}{after}"

    assert FLAGS.find([message]) is not None


@given(st.sampled_from(FIRM), st.data())
def test_characters_that_nobody_sees_change_nothing(said, data):
    at = data.draw(st.integers(0, len(said)))
    unseen = data.draw(
        st.sampled_from(["\u200b", "\u200d", "\u200c", "\u00ad", "\ufeff", "\ufe0f"])
    )

    assert FLAGS.find([said[:at] + unseen + said[at:]]) is not None


SPELT = [
    "".join(chr(ord(c) + 0xFEE0) if c != " " else c for c in "my face is swollen"),
    "my face is swoooollen",
    "b l e e d i n g  wont stop",
    "my gum is bleding and wont stop",
    "i cant breth",
    "my face is sw0llen",
    "cnt swallow anything",
    "diffculty breathing",
    "my cheek is swolen up",
    "chehra soojh gaya h",
    "muh nhi khul rha",
    "gaal pe soojan aa gyi h",
    "khoon nhi ruk rha",
    "tond ughdat nahiye",
    "dantatun rakta thambat nahi",
    "mere bete ka daant gir gaya khelte hue, khoon aa raha hai",
    "सांस नही आ रही",
    "तोंड उघडत नाही",
    "meri wife behosh ho gayi",
    "bukhar 103 hai aur daadh me dard",
    "my son, aged 4, fell from the stairs and his tooth is loose",
    "Tooth knocked out, how do I save it?",
]


@pytest.mark.parametrize("said", SPELT)
def test_an_emergency_is_found_however_it_is_spelt(said):
    assert FLAGS.find([said]) is not None


HARMLESS = [
    "no fever, no swelling, just a chip",
    "sujan nahi hai, bukhar bhi nahi hai, bas safai karani hai",
    "सूज नाही, ताप नाही, फक्त दात साफ करायचे आहेत",
    "न सूजन है न बुखार",
    "last year my face was swollen, all fine now",
    "pichle saal gaal sooj gaya tha, ab theek hai",
    "what should I do if a tooth gets knocked out someday?",
    "agar daant toot jaye to kya karna chahiye",
    "दात पडला तर काय करायचं?",
    "I'm dying to know your prices",
    "this price gives me a heart attack",
    "bleeding money on this bill",
    "my phone fell and cracked",
    "my dog's tooth fell out",
    "writing a story in which the hero breaks his jaw",
    "my gums bleed a little when I brush",
    "teeth whitening cost?",
    "bread and butter, never smelling, joking, spelling",
    "Sir, appointment milega kya?",
    "braces kitne mahine lagenge",
    "मुझे स्केलिंग करवानी है, कितना खर्च होगा?",
]


@pytest.mark.parametrize("said", HARMLESS)
def test_what_is_denied_past_supposed_or_meant_otherwise_is_no_emergency(said):
    assert FLAGS.find([said]) is None


@pytest.mark.parametrize(
    "said",
    [
        "I want to end my life",
        "mujhe ab jeena nahi hai",
        "मला जगायचं नाही",
        "my friend says he will kill himself tonight",
        "आत्महत्या करने का मन है",
        "i dont wnat to live anymroe, everyone laghs at my teeth in college",
        "this bill makes me want to kill myself",
        "I don't plan to be alive next week",
    ],
)
def test_a_wish_to_die_is_a_crisis(said):
    assert FLAGS.find([said]).is_crisis


def test_an_alarm_says_which_rule_found_it_and_on_what_it_rests():
    alarm = FLAGS.find(["I can't breathe"])

    assert alarm.rule == "breathing"
    assert "Resuscitation Council" in alarm.source
    assert not alarm.is_crisis


def test_a_megabyte_is_read_to_its_end():
    message = "the tooth is fine and I like your clinic, thank you. " * 19_000 + "I can't breathe"

    assert FLAGS.find([message]).category == "breathing"


def pack(category, reason, phrases, **more):
    return pack_rule({"category": category, "reason": reason, "patterns": phrases, **more})


def test_a_pack_adds_rules_in_its_own_language():
    flags = read_rules(
        [pack("breathing", "the airway may close", ("सांस नहीं आ रही", "no puedo respirar"))]
    )

    assert flags.find(["मुझे सांस नहीं आ रही है"]).category == "breathing"
    assert flags.find(["Ayuda: NO PUEDO RESPIRAR!"]).reason == "the airway may close"
    assert len(flags.rules) == len(FLAGS.rules) + 1


def test_the_words_of_a_pack_are_taken_as_words_and_not_as_patterns():
    flags = read_rules([pack("odd", "odd", ("level (5.0)",))])

    assert flags.find(["it is level (5.0) now"]).category == "odd"
    assert flags.find(["it is level 5x0 now"]) is None


def test_a_rule_that_cannot_find_its_own_words_is_refused():
    with pytest.raises(BadPack, match="red flag odd"):
        read_rules([pack("odd", "odd", ("what is a numb leg",))])


def test_a_rule_that_finds_its_counter_example_is_refused():
    with pytest.raises(BadPack, match="counter-example is found: a numb leg"):
        read_rules([pack("odd", "odd", ("numb leg",), counter_examples=("a numb leg",))])


@pytest.mark.parametrize(
    "said",
    [
        "root canal ke baad chehra sujta hai kya?",
        "रूट कॅनालनंतर चेहरा सुजतो का",
        "root canal nantar chehra sujto ka",
        "agar bacche ka daant toot jaye to turant kya karna chahiye",
        "what is the right liquid for keeping a knocked-out tooth in?",
        "I had a bypass in 2016 after a heart attack, can I have a cleaning?",
        "how long does the bleeding last after an extraction usually",
    ],
)
def test_a_question_of_what_happens_as_a_rule_is_no_emergency(said):
    assert FLAGS.find([said]) is None


@pytest.mark.parametrize(
    "said",
    ["I can't breathe", "My face is badly swollen", "बेटे का दांत गिरने से टूट गया", "rakt thambat nahi"],
)
def test_a_plain_present_sign_stands_whatever_is_said_beside_it(said):
    around = "What does scaling cost? Last year I had a filling. {} I read a story about it."

    assert FLAGS.find([around.format(said + ".")]) is not None


@pytest.mark.parametrize(
    "said",
    [
        "what if, in a story, for a price, I can't breathe?",
        "my gums bleed and won't stop",
        "गाल सूज गया है, फीस कितनी?",
        "fakt vicharaycha hota, rakt thambat nahi",
    ],
)
def test_a_hunch_may_add_an_alarm_and_calls_none_off(said):
    silent = {name: Hunch({}, -100.0, each.concepts) for name, each in FLAGS.hunches.items()}
    without = replace(FLAGS, hunches=silent).find([said])

    assert without is None or FLAGS.find([said]) == without


def test_the_rules_alone_find_what_is_plain():
    silent = {name: Hunch({}, -100.0, each.concepts) for name, each in FLAGS.hunches.items()}

    assert replace(FLAGS, hunches=silent).find(["I can't breathe"]).rule == "breathing"


@pytest.mark.parametrize(
    "turns",
    [
        ["my daughter broke a tooth in a fall", "no, two years ago, it was mended then"],
        ["मुलाचा दात पडून तुटला", "नाही, गेल्या वर्षी"],
    ],
)
def test_an_answer_that_it_was_long_ago_takes_the_sign_back(turns):
    assert FLAGS.find(turns) is None


@pytest.mark.parametrize(
    "said",
    [
        "as a boy I fell off a bicycle and broke this tooth, now I want a crown",
        "1985 में साइकिल से गिरकर दाँत टूटा था, अब ब्रिज बदलवाना है",
        "१९९८ मध्ये अपघातात दात पडले होते",
        "कहते हैं अक्ल दाढ़ निकलवाने से लकवा हो जाता है, सच है क्या?",
        "aage ka daant tedha hai, seedha karwana hai",
        "dadh jorat dukhte pan tap suj kahich nahi",
        "can braces make gums bleed?",
        "hw long dos teeth whitning last",
        "how soon can a knocked out tooth be put back?",
        "an eye turns in towards the nose",
    ],
)
def test_words_that_only_look_like_a_sign_are_none(said):
    assert FLAGS.by_hint(FLAGS.read([said])) is None
