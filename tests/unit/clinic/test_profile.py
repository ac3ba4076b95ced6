"""A clinic pack: read, or refused by file and field."""

import re
from dataclasses import FrozenInstanceError

import pytest
from pydantic import ValidationError

from agentic_rag.bootstrap.house import build_house
from agentic_rag.clinic.profile import read_clinic
from agentic_rag.errors import BadPack


def test_the_shipped_clinic_is_read_where_none_is_named():
    clinic = read_clinic()

    assert clinic.profile.name == "Atharva Dental Clinic"
    assert clinic.profile.currency == "INR"
    assert clinic.profile.phones.front_desk == "+91-20-4000-0000"
    assert clinic.profile.phones.emergency == "+91-99-9999-9999"
    assert clinic.profile.emergency_source == "policies/emergency.md#red-flags"
    assert (clinic.documents / "treatments.json").is_file()


def test_another_clinic_is_another_folder(pack):
    clinic = read_clinic(pack.folder)

    assert clinic.profile.name == "Harbour Physiotherapy"
    assert clinic.profile.synonyms["LLLT"] == ("low level laser therapy", "cold laser")
    assert clinic.profile.precedence == ("urgent.md", "services.json", "faq.md")
    assert clinic.documents == pack.documents


def test_what_a_pack_need_not_have_may_be_left_out(pack):
    pack.edit(synonyms=None, elsewhere=None, noisy_sources=None, precedence=None)

    profile = read_clinic(pack.folder).profile

    assert (profile.synonyms, profile.noisy_sources, profile.precedence) == ({}, (), ())
    assert profile.elsewhere == ()
    assert (profile.hours, profile.tone, profile.disclaimer, profile.triage) == (None,) * 3 + ((),)


def test_a_clinic_that_was_read_cannot_change(pack):
    profile = read_clinic(pack.folder).profile

    with pytest.raises((ValidationError, FrozenInstanceError)):
        profile.name = "Another"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", "  "),
        ("name", ["Harbour"]),
        ("currency", "euro"),
        ("currency", "eur"),
        ("timezone", "Mars/Olympus"),
        ("open_hours", {"monday": ["9:30-18:30"]}),
        ("open_hours", {"monday": ["18:30-09:30"]}),
        ("open_hours", {"monday": ["09:30-09:30"]}),
        ("open_hours", {"monday": ["09:30-25:00"]}),
        ("open_hours", {"monday": "09:30-18:30"}),
        ("open_hours", {"someday": ["09:30-18:30"]}),
        ("open_hours", ["09:30-18:30"]),
        ("timezone", "../../etc/passwd"),
        ("timezone", ""),
        ("timezone", "Europe"),
        ("timezone", 1),
        ("languages", []),
        ("languages", "English"),
        ("phones", {"front_desk": "+353-21-400-0000"}),
        ("phones", {"front_desk": "ask inside", "emergency": "112"}),
        ("phones", {"front_desk": "+353-21-400-0000", "emergency": 112}),
        ("emergency_source", None),
        ("synonyms", ["RCT"]),
        ("synonyms", {"RCT": "root canal"}),
        ("noisy_sources", "gossip.jsonl"),
        ("precedence", {"first": "faq.md"}),
        ("elsewhere", "home visits"),
        ("elsewhere", [""]),
        ("triage", [{"category": "legs", "reason": "numb"}]),
        ("triage", [{"category": "legs", "reason": "numb", "patterns": []}]),
        ("hours", 9),
        ("opening_ours", "9 to 5"),
    ],
)
def test_a_bad_field_is_refused_by_file_and_field(pack, field, value):
    pack.edit(**{field: value})

    with pytest.raises(BadPack, match=rf"clinic\.yaml: .*\b{field}\b"):
        read_clinic(pack.folder)


def test_the_part_of_a_field_that_is_wrong_is_named(pack):
    pack.edit(phones={"front_desk": "ask inside", "emergency": "112"})

    with pytest.raises(BadPack, match=r"phones\.front_desk"):
        read_clinic(pack.folder)


@pytest.mark.parametrize(
    "content",
    [
        b"name: [Harbour",
        b"name: Harbour\n  city: Cork",
        b"\xff\xfe\x00",
        b"- a\n- list",
        b"just words",
        b"",
        b"opened: 2040-00-00",
        b"phones:\n  front_desk: 2040-00-00\n",
        b"name: " + b"[" * 5000,
    ],
    ids=[
        "open bracket",
        "bad indent",
        "not UTF-8",
        "a list",
        "a word",
        "empty",
        "no date",
        "a number like a date",
        "deep",
    ],
)
def test_a_file_that_is_no_profile_is_refused_by_name(pack, content):
    (pack.folder / "clinic.yaml").write_bytes(content)

    with pytest.raises(BadPack, match=r"clinic\.yaml"):
        read_clinic(pack.folder)


def test_a_folder_without_a_profile_is_refused(tmp_path):
    with pytest.raises(BadPack, match=r"clinic\.yaml: there is no such file"):
        read_clinic(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadPack, match=re.escape(str(tmp_path / "nowhere"))):
        read_clinic(tmp_path / "nowhere")


def test_a_pack_without_documents_is_refused(pack):
    pack.documents.rename(pack.folder / "papers")

    with pytest.raises(BadPack, match="documents: there is no such folder"):
        read_clinic(pack.folder)


@pytest.mark.parametrize(
    "label",
    ["urgent.md#no-such-section", "nowhere.md#warning-signs", "../clinic.yaml#name", "#x"],
)
def test_a_house_is_not_built_without_the_emergency_section(pack, settings, label):
    pack.edit(emergency_source=label)

    with pytest.raises(BadPack, match=r"clinic\.yaml: emergency_source") as caught:
        build_house(settings(clinic_pack=pack.folder))

    assert label in str(caught.value)


def test_an_emergency_section_that_says_nothing_is_refused(pack, settings):
    pack.write("urgent.md", "# Urgent\n\n## Warning signs\n\n## Other pain\n\nIt settles.\n")

    with pytest.raises(BadPack, match=r"clinic\.yaml: emergency_source"):
        build_house(settings(clinic_pack=pack.folder))


def test_a_house_is_not_built_with_a_rule_that_cannot_find_its_own_words(pack, settings):
    rule = {"category": "legs", "reason": "numb", "patterns": ["which leg is numb"]}
    pack.edit(triage=[rule])

    with pytest.raises(BadPack, match=r"red flag legs: .*which leg is numb"):
        build_house(settings(clinic_pack=pack.folder))
