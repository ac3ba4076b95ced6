"""Hints: signs that people also use for what is none; in a longer sentence a hunch has to agree."""

from dataclasses import replace

import numpy as np
import pytest

from agentic_rag.safety.hunch import Hunch
from agentic_rag.safety.network import NETWORK, SEEN, read_network
from agentic_rag.safety.redflags import pack_rule, read_rules

FLAGS = read_rules()
SILENT = replace(FLAGS, hunches={name: Hunch({}, -100.0, ()) for name in FLAGS.hunches})


@pytest.mark.parametrize(
    ("category", "said"),
    [
        ("trauma", "A ball hit me in the face in the park just now"),
        ("collapse", "she is having a seizure in your waiting room"),
        ("chest_pain", "I feel chest pain and my jaw hurts"),
        ("poisoning", "मेरे बच्चे ने अभी अभी माउथवॉश पी लिया"),
        ("swallowing", "subah se uske muh se laar tapak rahi hai"),
    ],
)
def test_a_hint_in_a_longer_sentence_names_the_alarm_that_a_hunch_raises(category, said):
    assert FLAGS.find([said]).category == category
    assert SILENT.find([said]) is None


@pytest.mark.parametrize(
    "around", ["{}", "How are you? {}. I like your clinic, when are you open?"]
)
@pytest.mark.parametrize(
    "said",
    [
        "A ball hit my face",
        "I fell and broke a tooth",
        "she has chest pain",
        "laar tapak rahi hai",
        "बच्चे ने माउथवॉश पी लिया",
        "माझ्या गालाला सूज आली आहे",
    ],
)
def test_a_hint_in_a_short_sentence_needs_nothing_else(around, said):
    assert SILENT.find([around.format(said)]) is not None


def test_a_hint_counts_by_itself_where_the_network_does_not_look():
    said = "A ball hit me in the face. "

    assert SILENT.find([said + "I like your clinic. " * SEEN]).category == "trauma"


@pytest.mark.parametrize(
    "said",
    [
        "दात में कीड़ा लगा है, भरवाने में कितना लगेगा",
        "daant me keeda laga hai, kitna kharcha aayega",
        "mazya dadhela keed lagli ahe, kiti kharch yeil",
        "दोन दातांमध्ये फट पडली आहे, ती भरता येते का",
    ],
)
def test_a_verb_that_only_helps_another_is_no_blow(said):
    assert FLAGS.find([said]) is None


@pytest.mark.parametrize(
    ("said", "is_alarm"),
    [
        ("my cheek is puffy since the extraction, it is going down", False),
        ("the swelling of my cheek is not going down", True),
        ("kal daant nikala, gaal ki sujan kal se kam hai", False),
        ("gaal ki sujan kam nahi ho rahi", True),
        ("गालाची सूज कालपेक्षा कमी आहे", False),
        ("गालावरची सूज कमी होत नाहीये", True),
    ],
)
def test_a_swelling_that_goes_down_as_told_is_none(said, is_alarm):
    assert (FLAGS.find([said]) is not None) is is_alarm


@pytest.mark.parametrize(
    "said",
    [
        "bukhar vukhar nahi hai, sujan vujan bhi nahi",
        "behosh vehosh nahi hua",
        "daant me pus vus nahi hai, bas safai",
    ],
)
def test_an_echo_of_a_word_is_denied_with_it(said):
    assert FLAGS.by_hint(FLAGS.read([said])) is None


def test_what_was_said_before_counts_for_the_network_as_well():
    assert FLAGS.find(["he swallowed the cap", "ok", "now he coughs and coughs"]) is not None


def test_the_words_of_a_pack_are_none_that_the_network_knows():
    rule = pack_rule({"category": "odd", "reason": "odd", "patterns": ("blue moon",)})
    flags = read_rules([rule])
    reading = flags.read(["once in a blue moon my gum aches"])

    assert flags.find(["there is a blue moon"]).category == "odd"
    assert np.isfinite(flags.network.score(reading))


@pytest.mark.parametrize("kept", [0, 100, 100_000])
def test_weights_that_are_cut_off_are_refused(tmp_path, kept):
    cut = tmp_path / "network.npz"
    cut.write_bytes(NETWORK.read_bytes()[:kept])

    with pytest.raises((ValueError, OSError, KeyError)):
        read_network(list(FLAGS.lexicon.bits), cut)


def test_weights_that_were_learned_with_other_concepts_are_refused():
    with pytest.raises(ValueError, match="train it again"):
        read_network(sorted(FLAGS.lexicon.bits))


@pytest.mark.parametrize(
    "said",
    [
        "bacche ne daant tod liya aur honth se khoon nikal raha hai kitna kharcha hoga",
        "what will it cost my face is swollen up to the eye since morning and I'm shivering",
        "had braces in 2019 and now after the injection here my lips are puffing up",
        "pichle saal rct hua tha usi daant se ab gardan tak sujan aa gayi",
        "is it normal that I can't swallow my spit after the extraction",
        "can I wait till Monday the gum is gushing since last night",
        "my uncle says it is gas but my chest is crushing and the arm is numb",
        "google says normal but my tongue is swelling after the tablet",
        "no allergies till now but whole body is itching and throat is tight after the tablet",
        "if you are open I will bring her she is not opening her eyes since the injection",
        "मागच्या वर्षी फिलिंग केलं होतं पण आता मान सुजली आहे आणि श्वास घ्यायला त्रास होतोय किती पैसे लागतील",
        "पिछले साल कैप लगी थी अब वही निगल ली है और सांस अटक रही है क्या करें",
    ],
)
def test_a_price_a_date_or_a_question_in_its_sentence_hides_no_emergency(said):
    assert FLAGS.find([said]) is not None


@pytest.mark.parametrize(
    "said",
    [
        "in 2019 my face swelled up to the eye after an rct, now I just want a cleaning",
        "kitna lagega agar kabhi daant toot jaye aur khoon aaye",
        "is it normal to have a little pink spit the next day, no swelling",
        "what is the cost of abscess drainage, had one 3 years ago, nothing now",
        "do you charge extra if someone faints in the chair",
        "मागच्या वर्षी दाढ काढल्यावर खूप रक्त आलं होतं, आता फक्त क्लिनिंगची किंमत सांगा",
        "पिछले साल चेहरा सूज गया था अब ठीक है, सफाई का कितना लगेगा",
        "my father had a stroke in 2015, can he get an implant and what is the price",
    ],
)
def test_the_same_words_about_what_is_not_now_are_no_emergency(said):
    assert FLAGS.find([said]) is None


@pytest.mark.parametrize(
    "said",
    [
        "had a root canal here in 2019 and मुझे आत्महत्या करनी है. How much is a crown?",
        "my implant fell out and mujhe aatmahatya karni hai. What is the price of a new one?",
        "had a filling here last month and I feel suicidal. What does a crown cost?",
        "is the clinic open on Sunday, I feel suicidal, how much is an implant",
        "my wife left me last year, I want to kill myself",
    ],
)
def test_a_price_a_date_or_a_question_hides_no_crisis(said):
    alarm = FLAGS.find([said])

    assert alarm is not None
    assert alarm.is_crisis


def test_a_hint_of_despair_does_not_hide_what_a_body_suffers():
    said = "Heavy bleeding that will not stop, I can't take it anymore"

    assert FLAGS.find([said]).category == "bleeding"
    assert FLAGS.find(["chest pain and I can't go on like this"]).category == "chest_pain"


def test_nothing_said_is_nothing_heard():
    assert FLAGS.network.score(FLAGS.read([])) < -100
