"""Whatever is said is shown as it was said, and is never markup."""

from html.parser import HTMLParser

import pytest

from agentic_rag.domain import Answer, Citation, Outcome
from agentic_rag.page.chat import Exchange
from agentic_rag.page.doors import Clinic
from agentic_rag.page.look import conversation, head

ATTACKS = [
    "<script>hurt()</script>",
    '"><img src=x onerror=hurt()>',
    "' onmouseover='hurt()",
    "[here](javascript:hurt())",
    '<a href="tel:+999900900">call</a>',
    "</textarea></article><svg onload=hurt()>",
    "${hurt()} {{hurt()}} {% raw %}",
    "&lt;img src=x onerror=hurt()&gt;",
]


class Seen(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value for name, value in attrs if name in {"href", "src"}}

    def handle_data(self, data):
        self.text += data


def everywhere(said: str) -> Exchange:
    cited = Citation(
        number=1, label=said, doc_id=said, section=said, quote=said, start=0, end=1, digest="",
        support=1.0,
    )  # fmt: skip
    answer = Answer(
        text=f"{said} [1]", outcome=Outcome.ANSWERED, citations=(cited,), request_id="r"
    )
    first = Answer(text=f"{said} once [1]", outcome=Outcome.ANSWERED, citations=(cited,))
    return Exchange(
        question=said, first=first, answer=answer, is_open=False, trouble=said, thanks=said,
        rating="down",
    )  # fmt: skip


def shown(*exchanges: Exchange, clinic: Clinic | None = None) -> str:
    return conversation(exchanges, clinic or Clinic(), now=0.0)


@pytest.mark.parametrize("said", ATTACKS)
def test_what_is_said_is_text_wherever_it_is_shown(said: str):
    plain, attacked = Seen(shown(everywhere("so"))), Seen(shown(everywhere(said)))

    assert attacked.tags == plain.tags
    assert attacked.attributes == plain.attributes
    assert attacked.links == set()
    assert attacked.text.count(said) >= 5  # where a quote stands is told in other words


@pytest.mark.parametrize("said", ATTACKS)
def test_a_clinics_own_words_are_text_too(said: str):
    page = Seen(head(Clinic(name=said, phones={"front_desk": said})))

    assert page.tags == {"div", "h1", "p", "a"}
    assert said in page.text


def test_an_emergency_is_an_alert_with_a_number_to_touch():
    urgent = Answer(text="Call +91-99-9999-9999 now.", outcome=Outcome.EMERGENCY)

    page = shown(Exchange(question="My face is swollen", answer=urgent, is_open=False))

    assert 'role="alert"' in page
    assert 'href="tel:+919999999999"' in page


def test_while_nobody_answers_the_clinic_can_be_called():
    clinic = Clinic(phones={"front_desk": "+91-20-4000-0000"})

    page = shown(Exchange(question="Is it?").ended("The server is away."), clinic=clinic)

    assert "The server is away." in page
    assert 'href="tel:+912040000000"' in page
    assert "data-rate" not in page
