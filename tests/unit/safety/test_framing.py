"""Framing: what is only asked, supposed or hearsay is no sign; what is told beside it is."""

import pytest

from agentic_rag.safety.redflags import read_rules

FLAGS = read_rules(examples=False)


@pytest.mark.parametrize(
    "said",
    [
        "someone told me root canals cause heart attacks. true?",
        "a friend says wisdom teeth can give you a swollen neck; is that so?",
        "could a wisdom tooth make my cheek swell one day if it is left in?",
        "is your clinic equipped for people who bleed a lot?",
        "my daughter's chart is on what happens when a tooth is knocked out",
        "लोग कहते हैं कि दांत के इंजेक्शन से बेहोश हो जाते हैं, मुझे अगले महीने लगवाना है",
        "dost keh raha tha ki rct ke baad muh sooj jata hai, sach me?",
        "दाढेच्या ऑपरेशनने तोंड सुजलं तर फोटो खराब येतील, मग आत्ता करावं की नंतर?",
        "padla tar dat tutel ka",
        "I was left gasping at such rudeness",
    ],
)
def test_what_is_only_talked_about_is_no_emergency(said):
    assert FLAGS.by_hint(FLAGS.read([said])) is None


@pytest.mark.parametrize(
    "said",
    [
        "they say it's nothing, but dad can't lift his left arm and his words are slurred",
        "is it true that a swollen neck is normal? mine is swollen since last night, my jaw too",
        "can a dentist come home, my mother can't breathe",
        "what happens if I don't come in? my cheek is swollen and I have 39 fever",
        "google says it's a myth but my tongue is swelling",
        "लोग कहते हैं कुछ नहीं होगा, पर मेरा मुंह टेढ़ा हो गया है",
        "sab kehte hai aam baat hai par khoon raat bhar se aa raha hai",
        "koi bol raha tha theek ho jayega par khoon band nahi ho raha",
        "आपके यहाँ से लौटते ही छाती में दर्द है",
        "sakali uthle tar gaal sujla hota ani ata dola ughadat nahi",
        "भाकरी खाताना दात गिळला",
    ],
)
def test_what_is_told_beside_it_is_found(said):
    assert FLAGS.by_hint(FLAGS.read([said])) is not None
