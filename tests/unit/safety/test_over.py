"""Over: what was and is no more is no sign; what came back is."""

import pytest

from agentic_rag.safety.redflags import read_rules

FLAGS = read_rules(examples=False)


@pytest.mark.parametrize(
    "turns",
    [
        ["the bleeding after the extraction stopped within the hour, thanks"],
        ["my cheek puffed up during the monsoon, antibiotics settled it, all well now"],
        ["two winters back my jaw locked, your doctor put it right"],
        ["when my daughter was six she swallowed a milk tooth"],
        ["my daughter had a bad fall from her cycle in class 3, broke a tooth, and you bonded it"],
        ["परसों गाल सूजा था, कल तक सूजन उतर गई"],
        ["राखी पर जो गाल फूला था वो अगले दिन ही उतर गया था"],
        ["पहले मैं सुई देखकर बेहोश हो जाती थी"],
        ["lahan astana jinyavarun padlo hoto, daat tutla hota"],
        ["diwalila gaal sujla hota to dusrya divshi utarla"],
        ["my lip is swollen", "it was from the numbing injection, it became normal in the evening"],
        ["I swallowed my cap I think", "found it in the sandwich box!"],
        ["papa behosh ho gaye the", "nahi nahi ye pichle saal ki baat hai"],
        ["rakt yetay", "nahi ata thambla"],
    ],
)
def test_what_is_over_is_no_emergency(turns):
    assert FLAGS.by_hint(FLAGS.read(turns)) is None


@pytest.mark.parametrize(
    "turns",
    [
        ["it had settled last week but now the cheek is swollen again"],
        ["yesterday it was fine, today my face is swollen"],
        ["fever gone but the swelling has spread to my neck"],
        ["there is no pain any more but the swelling has gone from the cheek to under my eye"],
        ["my two year old drank the mouthwash when I was in the kitchen"],
        ["face swollen since morning, rest all fine"],
        ["kidney transplant last year, and there's pus around my tooth"],
        ["सूज उतरली नाही, गाल सुजलाय"],
        ["सूजन चली गई थी पर कल रात से गर्दन में सूजन आ गई है"],
        ["sujan utar gayi thi par aaj phir badh gayi, gaal suja hai"],
        ["ससुर जी छाती पकड़कर बैठ गए हैं, बहुत दर्द है"],
        ["pichle mahine theek ho gaya tha, is baar pus aa raha hai"],
        ["my tooth was knocked out", "I found it, it's in milk. what now"],
        ["son swallowed a bracket", "he seems fine, no cough"],
        ["my cheek is swollen", "is that normal?"],
        ["my cheek is swollen", "ok. when can I come"],
        ["I can't breathe", "main pichle saal aaya tha"],
        ["I can't breathe", "do saal pehle rct hua tha"],
        ["my cheek is swollen", "I had a filling last year"],
        ["गाल सुजला आहे", "मागच्या वर्षी मी दुसऱ्या डॉक्टरकडे गेलो होतो"],
        ["गाल सूज गया है", "पिछले महीने सफाई कराई थी"],
        ["the bleeding does not stop"],
    ],
)
def test_what_is_there_still_or_again_is_found(turns):
    assert FLAGS.by_hint(FLAGS.read(turns)) is not None
