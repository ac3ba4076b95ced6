"""Denial: what is denied, or said to be well, is no sign; what is there beside it still is."""

import pytest

from agentic_rag.safety.redflags import read_rules

FLAGS = read_rules(examples=False)


@pytest.mark.parametrize(
    "said",
    [
        "tripped on the stairs but only hurt my ankle; face, teeth and head are all fine",
        "fell off my cycle, landed on my knees, mouth and head never touched anything",
        "slipped in the bathroom, nothing happened to the mouth or head",
        "she bumped her knee, not her head or teeth",
        "I didn't swallow the crown, I have it here",
        "I can breathe, swallow and talk just fine",
        "बच्चा साइकिल से गिरा पर मुंह और दांत को कुछ नहीं हुआ",
        "मुलगा पडला पण तोंडाला डोक्याला काही लागलं नाही",
        "gadivarun ghasarlo pan tond ani dat vyavasthit ahet",
        "सूजन, बुखार, पस कुछ भी नहीं है",
    ],
)
def test_what_is_spared_is_no_emergency(said):
    assert FLAGS.by_hint(FLAGS.read([said])) is None


@pytest.mark.parametrize(
    "said",
    [
        "my knees are fine but two teeth are broken from the fall",
        "I cut my lip and the tooth is fine",
        "the tooth is fine, it's my jaw, it is swollen and hot",
        "mouth is fine but he hit his head and is vomiting",
        "no my face is swollen",
        "he can't swallow anything, face looks fine",
        "I can open my mouth but I can't swallow",
        "nobody is fine here, my tongue is swelling",
        "मुंह को कुछ नहीं हुआ, सिर पर जोर से लगी और वो उल्टी कर रहा है",
        "घुटने को कुछ नहीं हुआ पर होंठ कट गया और दांत हिल रहा है",
        "dokyala kahi nahi pan oth fatla ani dat halto, cycle varun padla",
        "बुखार, सूजन, निगल नहीं पा रहा",
    ],
)
def test_what_stands_beside_something_well_is_still_found(said):
    assert FLAGS.by_hint(FLAGS.read([said])) is not None
