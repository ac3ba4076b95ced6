"""What is a mark, what is a number to call, and what is only text."""

import pytest

from agentic_rag.domain import Answer, Citation, Outcome
from agentic_rag.page.reading import calls, lines

PHONES = {"front_desk": "+91-20-4000-0000", "ambulance": "108", "crisis": "14416"}
CITED = Citation(
    number=1, label="a.md", doc_id="a.md", section="", quote="It is.", start=0, end=6, digest="",
    support=1.0,
)  # fmt: skip


def kinds(text: str, phones: dict[str, str] = PHONES) -> list[tuple[str, str]]:
    answer = Answer(text=text, outcome=Outcome.ANSWERED, citations=(CITED,))
    return [(p.kind, p.text) for line in lines(answer, phones.values()) for p in line]


def emergency(text: str, phones: dict[str, str] = PHONES) -> list[str]:
    answer = Answer(text=text, outcome=Outcome.EMERGENCY)
    return [call.dialled for call in calls(answer, phones)]


def test_only_the_answers_own_citations_are_marks():
    told = kinds("So. [1] Not [2].\nSource: a.md")

    assert [text for kind, text in told if kind == "mark"] == ["[1]"]
    assert "".join(text for _, text in told) == "So. [1] Not [2]."


def test_only_the_clinics_own_numbers_can_be_called():
    told = kinds("Call +91-20-4000-0000 or +999-900-900-900, tel:+999900900, room 1080.")

    assert [text for kind, text in told if kind == "phone"] == ["+91-20-4000-0000"]


def test_an_emergency_is_called_about_in_the_order_of_its_text_but_a_crisis_line_first():
    assert emergency("Call +91-20-4000-0000, or 108.") == ["+912040000000", "108"]
    assert emergency("Call 108. Somebody listens: 14416.") == ["14416", "108"]


def test_an_emergency_can_be_called_about_when_the_clinics_numbers_are_not_known():
    assert emergency("Call +91-99-9999-9999 now.", {}) == ["+919999999999"]


@pytest.mark.parametrize("text", ["", "\n\n", "Source: a.md", "[" * 5000, "+" + "1 " * 5000])
def test_odd_texts_are_read_in_no_time(text: str):
    assert all(kind in {"text", "phone"} for kind, _ in kinds(text, {}))
