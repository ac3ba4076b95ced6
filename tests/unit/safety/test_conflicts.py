"""Conflicts: different numbers of the same thing, and nothing else."""

import pytest

from agentic_rag.safety.conflicts import claims_of, disagree

DIFFER = {
    "a price": (
        ("Old prices", "Scaling costs INR 900."),
        ("Scaling and polishing", "Price band: INR 1,200 to 1,800"),
    ),
    "a price in other signs": (
        ("", "A consultation costs \u20b9400."),
        ("Consultation fee", "A consultation with an eye doctor costs INR 600."),
    ),
    "a price in a list": (
        ("X-rays", "A small X-ray is INR 180, a full-mouth X-ray INR 850 and a scan INR 900."),
        ("Card", "The full-mouth X-ray is INR 600."),
    ),
    "opening hours": (
        ("Opening hours", "The clinic is open Monday to Friday from 10:00 to 17:00."),
        ("Hours", "The clinic is open Monday to Saturday from 8.30 am to 7 pm."),
    ),
    "closed": (
        ("", "The clinic is open on Sundays from 10:00 to 13:00."),
        ("", "The clinic is closed on Sundays."),
    ),
    "closed in a table": (
        ("Our hours", "We are open Monday to Friday from 9:00 to 20:00, on Sundays to 13:00."),
        (
            "Opening hours",
            "Day | Open\nSaturday | 9:00 to 14:00\nSunday | closed; by phone only\n\n.",
        ),
    ),
    "an age": (
        ("LASIK", "LASIK is done from the age of 18."),
        ("LASIK", "Contraindications: LASIK is done from the age of 21.; Not in pregnancy."),
    ),
    "a duration": (
        ("", "Teeth whitening lasts 24 months."),
        ("How long does whitening last?", "Teeth whitening lasts 6 to 12 months."),
    ),
    "working days": (
        ("Shop", "New glasses are ready within 10 working days."),
        ("", "New glasses are ready within four working days."),
    ),
    "visits": (("Crown", "A crown needs 3 visits."), ("Dental crown", "Visits: 2")),
}


@pytest.mark.parametrize(("one", "other"), DIFFER.values(), ids=DIFFER.keys())
def test_two_numbers_of_one_thing_disagree_both_ways_round(one, other):
    assert disagree(one, other) > 0
    assert disagree(other, one) > 0


AGREE = {
    "the same number": (("", "Scaling costs INR 900."), ("Scaling", "Price band: INR 900")),
    "what is taken, and what takes time": (
        ("Your peel", "You were given tablets; take them for all five days."),
        ("Chemical peel", "Duration: 30 minutes"),
    ),
    "another that is open": (
        ("Shop", "The optical shop is open on Sundays from 10:00 to 13:00."),
        ("Opening hours", "Sunday | closed; by phone only"),
    ),
    "the same time in other units": (("", "Rest for 24 hours."), ("", "Rest for 1 day.")),
    "a part of a range": (
        ("", "Scaling costs from INR 1,200."),
        ("", "Scaling: INR 1,200 to 1,800."),
    ),
    "other things": (("", "Scaling costs INR 900."), ("Crown", "Price band: INR 7,000")),
    "other days": (
        ("", "The clinic is open on Saturday from 9:00 to 13:00."),
        ("", "The clinic is open Monday to Friday from 9:00 to 18:00."),
    ),
    "what is done and what hurts": (
        ("Root canal", "Duration: 90 minutes"),
        ("Root canal", "Tenderness for two or three days is common after a root canal."),
    ),
    "what takes long and what is needed soon": (
        ("Root canal treatment", "Duration: 90 minutes"),
        ("Root canal", "A back tooth needs a crown within four weeks of root canal treatment."),
    ),
    "other acts": (
        ("Extraction", "Do not rinse, spit or use a straw for 24 hours after an extraction."),
        ("Extraction", "Do not smoke for at least 72 hours after an extraction."),
    ),
    "a rate and a span": (
        ("", "Wear soft contact lenses for no more than 10 hours a day."),
        ("LASIK", "Soft contact lenses are left out for 5 days before LASIK."),
    ),
    "no number": (("", "Scaling hurts."), ("", "Scaling does not hurt.")),
    "nothing": (("", ""), ("", "")),
}


@pytest.mark.parametrize(("one", "other"), AGREE.values(), ids=AGREE.keys())
def test_nothing_else_disagrees(one, other):
    assert disagree(one, other) == 0
    assert disagree(other, one) == 0


def test_the_surer_of_two_contradictions_is_known():
    old = ("LASIK", "Soft contact lenses are left out for 5 days before LASIK.")
    near = ("LASIK", "Steps: Soft contact lenses are left out for 14 days before the measurements.")
    far = ("Wearing", "Soft contact lenses are worn for 3 days.")

    assert disagree(near, old) > disagree(far, old)


def test_a_field_is_told_with_its_title():
    assert [said for _, said in claims_of("Care > Crown", "Visits: 2")] == ["Crown: Visits: 2"]


def test_a_huge_passage_takes_no_time():
    huge = ("", "Scaling costs INR 900. " * 5000)

    assert disagree(huge, huge) == 0
