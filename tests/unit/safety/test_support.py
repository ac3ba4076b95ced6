"""Support: a passage carries a sentence in which words, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.language import terms
from agentic_rag.safety.support import NOTHING, find_support

SCALING = (
    "Scaling takes 40 minutes. Crowns take 60 minutes.\n"
    "Do not smoke for at least 72 hours after an extraction.\n"
    "Avoid very hot or cold food for 24 hours after scaling.\n"
    "Don\u2019t chew on the tooth until the final crown is in place.\n"
    "Scaling is not painful. Appointments can be moved free of charge with 24 hours' notice.\n"
    "For bleeding, bite on clean gauze with firm pressure for 20 minutes.\n"
    "For swelling, hold a cold pack against the cheek for 10 minutes.\n"
    "Eat before the anaesthetic and rest after the visit.\n"
    "The late-change fee is INR 300.\n"
)


def carried(sentence: str, text: str = SCALING, heading: str = "") -> str | None:
    """Return the words that carry the sentence."""
    support = find_support(sentence, text, heading)
    return None if support is NOTHING else text[support.start : support.end]


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("Scaling takes 40 minutes.", "Scaling takes 40 minutes."),
        ("A scaling takes about 40 minutes.", "Scaling takes 40 minutes."),
        ("The fee for a late change is INR 300.", "The late-change fee is INR 300."),
        ("Scaling isn't painful.", "Scaling is not painful."),
        (
            "You should not smoke for at least 72 hours after your extraction.",
            "Do not smoke for at least 72 hours after an extraction.",
        ),
    ],
)
def test_what_says_the_same_is_carried_by_the_shortest_span(sentence, quote):
    assert carried(sentence) == quote


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "?!",
        "It is.",
        "Cheese is made of milk.",
        "Scaling makes teeth whiter and breath fresher for months.",
    ],
)
def test_what_the_passage_does_not_say_is_not_carried(sentence):
    assert carried(sentence) is None


TURNED = {
    "another number": "Scaling takes 90 minutes.",
    "a number more": "Scaling takes 40 to 90 minutes.",
    "a digit more": "Scaling takes 400 minutes.",
    "a number of the next sentence": "Scaling takes 60 minutes.",
    "a number of the sentence before": (
        "For swelling, hold a cold pack against the cheek for 20 minutes."
    ),
    "a number in words": "Bite on clean gauze with firm pressure for thirty minutes.",
    "another unit": "Do not smoke for at least 72 minutes after an extraction.",
    "a longer unit": "Avoid very hot or cold food for 24 days after scaling.",
    "another currency": "The late-change fee is USD 300.",
    "a not too few": "Smoke for at least 72 hours after an extraction.",
    "a not too many": "Scaling does not take 40 minutes.",
    "can for cannot": "Appointments cannot be moved free of charge with 24 hours' notice.",
    "never": "Never bite on clean gauze with firm pressure for 20 minutes.",
    "a curly not too few": "Chew on the tooth until the final crown is in place.",
    "no avoid": "Take very hot or cold food for 24 hours after scaling.",
    "most for least": "Do not smoke for at most 72 hours after an extraction.",
    "before for after": "Do not smoke for at least 72 hours before an extraction.",
    "without for with": "Appointments can be moved free of charge without 24 hours' notice.",
}


@pytest.mark.parametrize("sentence", TURNED.values(), ids=TURNED.keys())
def test_a_sentence_whose_meaning_was_turned_is_not_carried(sentence):
    assert carried(sentence) is None


@pytest.mark.parametrize(
    ("sentence", "field", "heading"),
    [
        ("Scaling takes 40 minutes.", "Duration: 40 minutes", "Scaling and polishing"),
        ("A simple extraction takes 30 minutes.", "Duration: 30 minutes", "Simple extraction"),
        (
            "Root canal treatment costs INR 6,000 to 9,500.",
            "Price band: INR 6,000 to 9,500",
            "Root canal treatment",
        ),
        ("Scaling needs 1 visit.", "Visits: 1", "Scaling and polishing"),
    ],
)
def test_a_field_under_its_heading_carries_the_sentence_that_says_it(sentence, field, heading):
    assert carried(sentence, field, heading) == field


def test_the_heading_lends_its_words_and_its_numbers():
    assert carried("Stage 2 scaling takes 40 minutes.", "Takes 40 minutes.", "Scaling, stage 2")


def test_the_heading_alone_carries_nothing():
    assert carried("Scaling is safe.", "Parking is free.", "Scaling is safe") is None


@given(st.text(max_size=200), st.text(max_size=400))
def test_a_support_is_a_span_of_the_text_and_has_enough(sentence, text):
    support = find_support(sentence, text, "")

    assert support is NOTHING or 0 < support.score <= 1
    assert 0 <= support.start <= support.end <= len(text)


@given(
    st.lists(
        st.sampled_from(["Rest.", "Do not rinse.", "It costs INR 6,000.", "No fee is due!"]),
        min_size=1,
        max_size=5,
    )
)
def test_every_sentence_of_a_text_is_carried_by_it(said):
    text = " ".join(said)

    for sentence in said:
        assert find_support(sentence, text, "").score == 1.0, terms(sentence)


CLINIC = """Tablets are taken twice a day, with food.
Bring your insurance card to the first visit.
You may cancel free of charge until 24 hours before the visit.
Do not swim until the stitches have been removed.
Lenses are exchanged only with the receipt.
Adults take two tablets; children take one tablet.
Most patients go home the same day.
The nurse explains the exercises to the patient.
Redness can last for up to 3 days.
The pool is closed on Mondays.
"""


@pytest.mark.parametrize(
    "sentence",
    [
        "You should bring your insurance card to your first visit.",
        "Please take your insurance card along to the first visit.",
        "Take the tablets two times a day with a meal.",
        "Swimming isn't allowed until the stitches have been removed.",
        "Don't swim until the stitches are taken out.",
        "Lenses aren't exchanged unless you have the receipt.",
        "Children take 1 tablet.",
        "Redness may last up to three days.",
        "The pool isn't open on Mondays.",
        "You can cancel at no charge until 24 hours before your visit.",
    ],
)
def test_the_same_in_other_words_is_carried(sentence):
    assert carried(sentence, CLINIC)


@pytest.mark.parametrize(
    "sentence",
    [
        "Swim until the stitches have been removed.",
        "Do not swim after the stitches have been removed.",
        "Do not swim.",  # until when was left out
        "Lenses are exchanged without the receipt.",
        "Children take two tablets.",
        "Adults take one tablet.",
        "All patients go home the same day.",
        "Patients go home the same day.",
        "The patient explains the exercises to the nurse.",
        "Redness lasts for 3 days.",
        "Redness always lasts for up to 3 days.",
        "The pool is open on Mondays.",
        "The pool is closed on Mondays and Tuesdays.",
        "Tablets are taken twice a week, with food.",
        "Tablets are taken twice a day, without food.",
        "Tablets are taken twice a day, with food and plenty of water.",
        "You may cancel free of charge.",
        "You may cancel free of charge until 24 hours after the visit.",
        "You cannot cancel free of charge until 24 hours before the visit.",
        "You need not bring your insurance card to the first visit.",
        "Bring your insurance card to the second visit.",
    ],
)
def test_what_was_turned_added_or_left_out_is_not_carried(sentence):
    assert carried(sentence, CLINIC) is None


@pytest.mark.parametrize(
    "sentence", ["Scaling", "Is scaling painful?", "Scaling takes 40 minutes. " * 40, "40"]
)
def test_what_cannot_be_judged_is_not_carried(sentence):
    assert carried(sentence) is None


def test_two_neighbours_carry_a_half_each():
    quote = carried("Scaling takes 40 minutes, and crowns take 60 minutes.")

    assert quote == "Scaling takes 40 minutes. Crowns take 60 minutes."


def test_a_false_half_is_not_carried_by_a_true_one():
    assert carried("Scaling takes 40 minutes, and crowns take 40 minutes.") is None


def test_another_field_does_not_lend_its_figure():
    assert carried("Scaling takes 2 days.", "Recovery: 2 days", "Scaling") is None


def test_a_table_names_its_rows_and_columns():
    table = "Visit | Morning | Evening\nDressing | INR 550 | INR 700"

    assert carried("A dressing costs INR 700 in the evening.", table)
    assert carried("A dressing costs INR 550 in the evening.", table) is None


def test_a_letter_of_another_alphabet_makes_another_word():
    assert carried("Sc\u0430ling takes 40 minutes.") is None


def test_hidden_characters_hide_nothing():
    assert carried("Scaling takes 4\u200b0 minutes.")
    assert carried("Scaling is\u200bn't painful.")


LEAFLET = (
    "If you are not satisfied, you can write to the manager. We answer within ten working days.\n"
    "Take the denture out at night and leave it in plain water.\n"
    "Fluoride varnish is applied twice a year for children aged 3 to 12.\n"
    "Do not take more than three tablets in 24 hours.\n"
    "Smokers get it three times as often as non-smokers.\n"
    "Our staff speak English, Hindi and Marathi. Forms are printed in English.\n"
    "A grandparent may bring the child but cannot sign.\n"
    "Number of visits: 1 (composite), 3 (porcelain)\n"
    "If your gums bleed without being touched, book an appointment.\n"
    "A mouthguard is recommended for every contact sport.\n"
    "Surgery is postponed until after the birth.\n"
    "You pay the clinic after each visit and then claim the amount back from the insurer.\n"
    "You can take iron with or without food. Before the operation the nurse checks your pulse.\n"
    "No food or drink for 30 minutes after the varnish.\n"
    "The first copy is free of charge. Rinse aligners in cool water, never in hot water.\n"
)


@pytest.mark.parametrize(
    "sentence",
    [
        "Remove the denture at night.",
        "For children between the ages of three and twelve, varnish is applied twice a year.",
        "You should take no more than three tablets in 24 hours.",
        "You can take iron without food.",
        "The nurse checks your pulse before the operation.",
        "We postpone surgery until after the birth.",
        "Never rinse aligners in hot water.",
        "You pay the clinic after each visit and then claim the amount back from the insurer.",
    ],
)
def test_an_honest_turn_of_phrase_is_carried(sentence):
    assert carried(sentence, LEAFLET)


@pytest.mark.parametrize(
    "sentence",
    [
        "If you are not satisfied, the clinic writes to the manager for you.",
        "Non-smokers get it three times as often as smokers.",
        "Our forms are printed in English, Marathi and Hindi.",
        "A grandparent may sign for the child.",
        "A composite veneer needs three visits.",
        "If your gums bleed, book an appointment.",
        "A mouthguard is required for every contact sport.",
        "Surgery is never postponed until after the birth.",
        "You pay the clinic before each visit and then claim the amount back from the insurer.",
        "Allow 30 minutes for the varnish.",
        "You need a denture.",
        "Never rinse aligners in cool water.",
        "It is free of charge.",
    ],
)
def test_who_when_and_under_what_condition_are_not_turned(sentence):
    assert carried(sentence, LEAFLET, "Surgery > Composite veneer") is None


def test_a_time_of_day_belongs_to_the_day_of_its_line():
    text = "Monday to Friday: 9.30 am to 8 pm\nSaturday: 9.30 am to 2 pm\nSunday: closed"

    assert carried("On Saturdays we are open from 9.30 am to 2 pm.", text, "Hours")
    assert carried("The clinic is closed on Sundays.", text, "Hours")
    assert carried("On Saturdays we are open from 9.30 am to 8 pm.", text, "Hours") is None


def test_what_stands_behind_a_fields_name_is_carried_word_for_word():
    said = "From the age of 19, with a number that has been stable for 12 months."

    assert carried(said, f"Who: {said}", "LASIK")


@pytest.mark.parametrize("name", ["Avoid", "Do not have", "Not allowed", "Not recommended for you"])
def test_a_fields_name_that_says_not_stands_over_what_is_behind_it(name):
    record = f"{name}: Hot drinks for 2 hours."

    assert not carried("Hot drinks are fine for 2 hours.", record, "Filling")
    assert not carried("Hot drinks for 2 hours.", record, "Filling")
    assert carried(f"{name} hot drinks for 2 hours.", record, "Filling")


def test_a_sentence_of_two_parts_is_quoted_whole():
    parts = "You may bathe on the same day; keep soap out of your eyes for a week."

    found = find_support(parts, f"No kajal.  {parts} Rest.", "LASIK")

    assert (found.start, found.end) == (11, 11 + len(parts))


DENIED = "For two days, avoid:\n\n- hot drinks\n- nuts\n\nYou may:\n- have soup"


@pytest.mark.parametrize(
    ("text", "heading", "sentence", "is_true"),
    [
        (DENIED, "Filling", "Hot drinks are fine.", False),
        (DENIED, "Filling", "Eat nuts.", False),
        (DENIED, "Filling", "Avoid hot drinks for two days.", True),
        (DENIED, "Filling", "Have soup.", True),
        ("Do not eat:\n1. ice\n2. nuts", "Braces", "Eat ice.", False),
        ("Do not eat:\n1. ice\n2. nuts", "Braces", "Do not eat nuts.", True),
        ("- Hot drinks\n- Nuts", "Filling > What to avoid", "You can have hot drinks.", False),
        ("- Hot drinks\n- Nuts", "Filling > What to avoid", "Avoid hot drinks.", True),
        ("Avoid:\n\u2022 hot drinks", "Filling", "Hot drinks are fine.", False),
        ("Do not:\n- bathe; swim for a week.", "LASIK", "Swim for a week.", False),
        ("Do not:\n- bathe; swim for a week.", "LASIK", "Bathe; swim for a week.", False),
        ("- Whitening", "What is not covered", "Whitening is covered.", False),
        ("Exclusions: braces", "Insurance", "Braces are covered by the insurance.", False),
        ("If you cannot come:\n- Call us by 5 pm.", "Visits", "Call us by 5 pm.", True),
    ],
)
def test_what_says_not_above_a_list_stands_over_its_items(text, heading, sentence, is_true):
    assert bool(carried(sentence, text, heading)) is is_true


CONDITIONS = """\
If an antibiotic was prescribed after a root canal treatment, finish the whole course.
A fever of 38 °C or more together with tooth pain or swelling is an emergency.
Stop an exercise if pain goes down below the knee.
Do not start antibiotics before the culture sample, if the doctor agrees.
You may drink water, unless the surgeon has said otherwise.
Teeth whitening is postponed until after pregnancy and breastfeeding.
Patients with diabetes should eat before the visit.
The test is advised once a year for everyone with diabetes.
Patients who arrive late may be given a shorter visit or another time on the same day.
Use sugar-free chewing gum after meals.
Whether you take the denture out at night is up to you.
Stay off cigarettes for three days.
Keep the pads away from the heart.
Avoid food that is very hot.
Avoid hot drinks, and take the tablets with food.
Take 1 tablet 3 times a day for one week.
Come back in 10 days.
If you are over 15 minutes late, you lose the slot.
We take no photographs unless you have signed your consent.
"""


@pytest.mark.parametrize(
    "sentence",
    [
        "After a root canal treatment, finish the whole course of the antibiotic.",
        "A fever of 38 °C or more is an emergency.",
        "Stop an exercise if there is pain.",
        "Do not start antibiotics before the culture sample.",
        "You may drink water.",
        "Teeth whitening is postponed until after pregnancy.",
        "Patients should eat before the visit.",
        "The test is advised once a year for everyone.",
        "Patients who arrive late must take another time on the same day.",
        "Use chewing gum with sugar after meals.",
        "Use chewing gum after meals.",
        "You must take the denture out at night.",
        "Smoke cigarettes for three days.",
        "Keep the pads on the heart.",
        "Eat food that is very hot.",
        "Do not take the tablets with food.",
        "Take 1 tablet 3 times a week.",
        "Come back within 10 days.",
        "If you are 15 minutes late, you lose the slot.",
        "We take photographs unless you have signed your consent.",
    ],
)
def test_a_condition_that_was_dropped_widened_or_turned_is_not_carried(sentence):
    assert carried(sentence, CONDITIONS) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "If you were prescribed an antibiotic after a root canal treatment, finish the course.",
        "If you have diabetes, you should eat before the visit.",
        "If you arrive late, you may be given another time on the same day.",
        "Do not smoke cigarettes for three days.",
        "Stay away from food that is very hot.",
        "Take the tablets with food.",
        "Take one tablet three times daily for seven days.",
        "If you are more than 15 minutes late, you lose the slot.",
        "Photographs are only taken if you have signed your consent.",
    ],
)
def test_a_condition_in_other_words_is_carried(sentence):
    assert carried(sentence, CONDITIONS)


@pytest.mark.parametrize(
    ("text", "sentence", "is_true"),
    [
        ("The vaccine costs INR 300 per dose.", "One dose of the vaccine costs INR 300.", True),
        ("The vaccine costs INR 300 per dose.", "One course of the vaccine costs INR 300.", False),
        ("You may read from the first day.", "You may read from day one.", True),
        ("You may read from the first day.", "You may read from day two.", False),
        ("A loan is given without interest.", "A loan is given with 0% interest.", True),
        ("A loan is given without interest.", "A loan is given with 10% interest.", False),
        (
            "Water is allowed until two hours before the operation.",
            "Water is allowed up to 2 hours before the operation.",
            True,
        ),
        (
            "Water is allowed until two hours before the operation.",
            "Water is allowed up to 2 hours after the operation.",
            False,
        ),
        ("Do not lift more than 5 kg.", "Do not lift anything heavier than 5 kg.", True),
        ("Do not lift more than 5 kg.", "Lift more than 5 kg.", False),
        (
            "A filling costs INR 900 to 1,600.",
            "A filling costs between nine hundred and sixteen hundred rupees.",
            True,
        ),
        (
            "Once a root canal has been treated, pain for two days is common.",
            "Pain for two days is common after a root canal has been treated.",
            True,
        ),
    ],
)
def test_a_number_in_another_form_is_the_same_number(text, sentence, is_true):
    assert bool(carried(sentence, text)) is is_true


HOURS = """Symptom | First 24 hours | Later
Swelling | normal | call us
Fever | call us | call us"""
MASSAGE = """Package | 5 sessions | 10 sessions
Massage | INR 4,000 | INR 7,000"""
LENSES = """Lens: Daily lens | Replace after: 1 day | Price per pair: INR 110
Lens: Monthly soft lens | Replace after: 30 days | Price per pair: INR 650"""
CLINICS = """General OPD | Monday to Saturday | 8.30 am to 4.30 pm
Retina clinic | Tuesday | 10 am to 1 pm"""
VISITS = """Visit | Weekday | Weekend
Wound dressing | INR 550 | INR 700"""


@pytest.mark.parametrize(
    ("table", "sentence", "is_true"),
    [
        (HOURS, "Fever is normal.", False),
        (HOURS, "Swelling is normal in the first 24 hours.", True),
        (MASSAGE, "Massage costs INR 7,000 for 10 sessions.", True),
        (MASSAGE, "Massage costs INR 4,000 for 10 sessions.", False),
        (LENSES, "Monthly soft lenses cost INR 650 per pair.", True),
        (LENSES, "Monthly soft lenses cost INR 110 per pair.", False),
        (LENSES, "Daily lenses are replaced after 30 days.", False),
        (CLINICS, "The retina clinic is open on Tuesday from 10:00 to 13:00.", True),
        (CLINICS, "The retina clinic is open from Monday to Saturday.", False),
        (VISITS, "A wound dressing at the weekend costs INR 700.", True),
        (VISITS, "A wound dressing on a weekday costs INR 700.", False),
    ],
)
def test_the_row_of_a_table_tells_of_its_own_thing_alone(table, sentence, is_true):
    assert bool(carried(sentence, table, "What it costs")) is is_true


@pytest.mark.parametrize(
    ("text", "false", "true"),
    [
        (
            "Insulin goes in the fridge and eye drops go in the cupboard.",
            "Insulin goes in the cupboard.",
            "Eye drops go in the cupboard.",
        ),
        (
            "Take ramipril in the morning and atorvastatin at bedtime.",
            "Take atorvastatin in the morning.",
            "Take atorvastatin at bedtime.",
        ),
        (
            "Dr Lane treats knees and Dr Moss treats shoulders.",
            "Dr Lane treats shoulders.",
            "Dr Moss treats shoulders.",
        ),
        (
            "Blue bags are for waste and red bags are for linen.",
            "Blue bags are for linen and red bags are for waste.",
            "Red bags are for linen and blue bags are for waste.",
        ),
        (
            "Stitches on the face are removed after 5 days, on the back after 14 days.",
            "Stitches on the back are removed after 5 days.",
            "Stitches on the face are removed after 5 days.",
        ),
        (
            "Consultations cost INR 700 on weekdays and INR 1,000 at weekends.",
            "Consultations cost INR 700.",
            "Consultations cost INR 700 on weekdays.",
        ),
        (
            "The wheelchair is rented for INR 100 per day, with an INR 500 deposit.",
            "The wheelchair is rented for INR 500 per day.",
            "The wheelchair is rented for INR 100 per day.",
        ),
        (
            "The insurer pays the hospital.",
            "The hospital pays the insurer.",
            "The hospital is paid by the insurer.",
        ),
        (
            "Replace the night splint with the soft brace.",
            "Replace the soft brace with the night splint.",
            "The night splint is replaced with the soft brace.",
        ),
        (
            "Apply the cream around the wound.",
            "Apply the cream into the wound.",
            "The cream is applied around the wound.",
        ),
        (
            "A brace can be worn at night.",
            "It is necessary to wear a brace at night.",
            "You can wear a brace at night.",
        ),
        (
            "The tablet is too strong for children.",
            "Give the strong tablet to children.",
            "The tablet is too strong for children.",
        ),
        (
            "The tablet is too strong for children.",
            "The tablet is not strong for children.",
            "For children the tablet is too strong.",
        ),
        (
            "The tablet is not strong for children.",
            "The tablet is too strong for children.",
            "The tablet isn't strong for children.",
        ),
        (
            "Stop aspirin a week before the operation.",
            "Take aspirin a week before the operation.",
            "Give up aspirin a week before the operation.",
        ),
        (
            "Stop smoking four weeks before the operation.",
            "Do not give up smoking four weeks before the operation.",
            "Quit smoking four weeks before the operation.",
        ),
        (
            "Keep the brush away from the wound for three days.",
            "Keep the towel away from the wound for three days.",
            "Keep the brush away from the wound for three days.",
        ),
        (
            "A dose costs INR 300 per child and INR 500 per adult.",
            "One adult pays INR 300 for a dose.",
            "A dose costs INR 300 per child.",
        ),
        (
            "The locker costs INR 50 per day.",
            "The locker costs INR 50.",
            "The daily locker fee is INR 50.",
        ),
        (
            "Put the drops into the eye.",
            "Put the drops behind the eye.",
            "Put the drops in the eye.",
        ),
        (
            "Chew sugar-free gum after meals.",
            "Chew sugar gum after meals.",
            "After meals, chew sugar-free gum.",
        ),
        (
            "Almost all insurers pay for the scan.",
            "All insurers pay for the scan.",
            "Nearly all insurers pay for the scan.",
        ),
        (
            "It is a myth that whitening toothpaste repairs enamel.",
            "Whitening toothpaste repairs enamel.",
            "It is a myth that whitening toothpaste repairs the enamel.",
        ),
        (
            "You may eat soft food until the clips are removed.",
            "You may eat anything soft until the clips are removed.",
            "You may eat soft food until the clips are removed.",
        ),
        (
            "Members receive a 15% discount on the price.",
            "Members pay 15% of the price.",
            "Members receive a discount of 15% on the price.",
        ),
        (
            "A crown starts from INR 5,000.",
            "A crown costs INR 5,000.",
            "A crown costs at least INR 5,000.",
        ),
        (
            "You need the prescription and a photo card.",
            "You need the prescription or a photo card.",
            "You need a photo card and the prescription.",
        ),
        (
            "With your written consent we share the report.",
            "We share the report.",
            "We share the report with your written consent.",
        ),
        (
            "Floss once a day to keep tartar from coming back.",
            "Floss once a day to keep tartar from coming back 1.",
            "Floss once a day to keep tartar from coming back.",
        ),
        (
            "Tablet | Morning | Evening\nRamipril | 1 | 0",
            "Take ramipril in the evening.",
            "Ramipril is taken in the morning.",
        ),
    ],
)
def test_words_that_change_places_roles_or_force_are_not_carried(text, false, true):
    assert carried(false, text) is None
    assert carried(true, text)
