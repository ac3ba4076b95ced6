"""Personal data is found in every spelling, masked, hidden and put back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.personal import Veil, mask, region_of, values_in

MASKED = [
    ("Call me on 98765 43210", "Call me on <PHONE>"),
    ("9876543210", "<PHONE>"),
    ("+91-98765-43210 please", "<PHONE> please"),
    ("0091 98765 43210", "<PHONE>"),
    ("my phone is 022 2345 6789", "my phone is <PHONE>"),
    ("98765\u200b43210", "<PHONE>"),
    ("\uff0b91 98765 43210", "<PHONE>"),
    ("+353 87 123 4567", "<PHONE>"),
    ("asha.patil+dental@example.co.in!", "<EMAIL>!"),
    ("pay asha@okhdfcbank. Thanks", "pay <UPI>. Thanks"),
    ("Aadhaar 1234 5678 9012", "Aadhaar <AADHAAR>"),
    ("Aadhaar 999941057058", "Aadhaar <AADHAAR>"),
    ("PAN abcde1234f", "PAN <PAN>"),
    ("card 4111 1111 1111 1111", "card <CARD>"),
    ("card 4111111111111111", "card <CARD>"),
    ("amex 3782 822463 10005", "amex <CARD>"),
    ("IFSC HDFC0001234", "IFSC <IFSC>"),
    ("account no. 12345678901", "account no. <ACCOUNT>"),
    ("GSTIN 27AAPFU0939F1ZV", "GSTIN <GST>"),
    ("passport K1234567", "passport <PASSPORT>"),
    ("I was born on 12/03/1984", "I was born on <BIRTH>"),
    ("DOB: 1990-04-05", "DOB: <BIRTH>"),
    ("date of birth is 3rd March 1991", "date of birth is <BIRTH>"),
    ("My name is Asha Patil and I have pain", "My name is <NAME> and I have pain"),
    ("my name is ravi", "my name is <NAME>"),
    ("I am Asha.", "I am <NAME>."),
    ("I'm Ravi Kumar, hello", "I'm <NAME>, hello"),
    ("mera naam Sunita Sharma hai", "mera naam <NAME> hai"),
    ("maze nav Asha Patil ahe", "maze nav <NAME> ahe"),
    ("मेरा नाम रवि कुमार है", "मेरा नाम <NAME> है"),
    ("माझे नाव आशा पाटील आहे", "माझे नाव <NAME> आहे"),
]

PLAIN = [
    "What does scaling cost?",
    "INR 6,000 to 9,500 in 2024-25",
    "1,20,000 rupees",
    "open 9:30-18:00 on 12/03/2025",
    "2 visits of 40 minutes, 35 mm",
    "I am pregnant and I am in pain",
    "I AM HAVING PAIN",
    "I am Pregnant",
    "This is Urgent",
    "a crown since 2020 I think",
    "call 108 or 14416",
    "tooth 36, code TX-RCT-01, index 3f2a9c1d4e5b6a70",
    "see https://example.org/a?b=1",
    "",
]


@pytest.mark.parametrize(("said", "masked"), MASKED)
def test_personal_data_is_masked(said, masked):
    assert mask(said) == masked


@pytest.mark.parametrize("said", PLAIN)
def test_what_is_nobodys_is_left_as_it_is(said):
    assert mask(said) == said


def test_a_clinics_own_number_is_not_masked_however_it_is_spelled():
    own = values_in("Call +91-98765-00000 by day.")

    assert mask("Is 98765 00000 yours? Mine is 98765 43210.", own).startswith("Is 98765 00000")
    assert "43210" not in mask("Is 98765 00000 yours? Mine is 98765 43210.", own)


def test_the_same_data_has_the_same_mark_in_every_text():
    hidden = Veil().hide(["I am Asha Rao, 98765 43210", "+91-9876543210 is mine. Asha again"])

    assert hidden == ["I am <NAME_1>, <PHONE_1>", "<PHONE_1> is mine. <NAME_1> again"]


@pytest.mark.parametrize(
    "mark",
    ["<PHONE_1>", "<phone_1>", "< Phone_1 >", "<PHONE 1>", "[PHONE_1]", "PHONE_1",
     "\u2039PHONE-1\u203a", "**<PHONE_1>**", "<<PHONE_1>>", "(phone_1)"],
)  # fmt: skip
def test_a_mark_is_lifted_however_a_model_spells_it(mark):
    veil = Veil()
    veil.hide(["98765 43210"])

    lifted = veil.lift(f"We call {mark} back.")

    assert "98765 43210" in lifted
    assert "PHONE" not in lifted.upper()


def test_a_mark_that_nobody_gave_is_left():
    veil = Veil()
    veil.hide(["98765 43210"])

    assert veil.lift("Ring <PHONE_2> or <EMAIL_1>.") == "Ring <PHONE_2> or <EMAIL_1>."


def test_a_mark_in_the_callers_own_words_is_not_taken_for_one_of_ours():
    veil = Veil()

    hidden = veil.hide(["I wrote <PHONE_1> and mean 98765 43210"])

    assert hidden == ["I wrote <PHONE_1> and mean <PHONE_2>"]
    assert veil.lift(hidden[0]) == "I wrote <PHONE_1> and mean 98765 43210"


@given(st.text(max_size=300))
def test_what_is_hidden_is_put_back(text):
    veil = Veil()
    whole = Veil().hide([text])  # nothing raises

    assert len(whole) == 1
    assert "\ud800" not in veil.lift(veil.hide([text])[0])


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text",
    ["9" * 50_000, "a@" * 20_000, "1 " * 20_000, "my name is " * 5_000, "98765 43210 " * 4_000],
    ids=["digits", "ats", "apart", "names", "phones"],
)
def test_a_huge_text_is_masked_in_moments(text):
    mask(text)


def test_a_clinics_country_is_told_by_its_phone():
    assert region_of("+91-98765-00000") == "IN"
    assert region_of("nonsense") == "IN"
