"""The page for people, as a visitor's browser has it: a real one, before a model that sleeps."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from tests.integration.facts import EMERGENCY_PHONE, FRONT_DESK, ROOT_CANAL, SWOLLEN
from tests.integration.pages import NARROW, WIDE, Visitor, browsers, pages
from tests.integration.servers import Agent
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

from agentic_rag.clinic.profile import SHIPPED_PACK

PROVEN = "The price of Root Canal Therapy is INR 6,000 to 9,500."
REPLY = f"{PROVEN} [1] It is free on Sundays. [1]"
HURTFUL = (
    '<script>window.hurt = 1</script><img src="/x" onerror="window.hurt = 1">'
    "<svg onload=window.hurt=1> [here](javascript:window.hurt=1) ![](http://elsewhere.example/x.png)"
    ' <a href="tel:+999900900">call</a> tel:+999900900 ${window.hurt=1} {{window.hurt}} &lt;b&gt;'
)
POLISHING = f"Polishing of dentures costs INR 150 at our clinic.\n{HURTFUL}\n"
ARRANGEMENTS = [(NARROW, "light"), (NARROW, "dark"), (WIDE, "light"), (WIDE, "dark")]

Visit = Callable[..., Visitor]

expect.set_options(timeout=30_000)  # a busy machine draws late


@pytest.fixture(scope="module")
def service() -> Iterator[Activator]:
    """A model at zero replicas, which takes four seconds to start and writes a word at a time."""
    with Activator(command(start_s=4.0, ms_per_token=40, reply=REPLY)) as sleeping:
        yield sleeping


@pytest.fixture(scope="module")
def agent(start, small_pack: Path, service: Activator, tmp_path_factory) -> Agent:
    """A server before it, of a clinic with a document that would hurt."""
    pack = tmp_path_factory.mktemp("pack") / "clinic"
    shutil.copytree(small_pack, pack)
    shutil.copy(SHIPPED_PACK / "documents" / "treatments.json", pack / "documents")
    (pack / "documents" / "polishing.txt").write_text(POLISHING, "utf-8")
    return start(CLINIC_PACK=str(pack), LLM_BASE_URL=service.base_url).wait_until_ready()


@pytest.fixture(scope="module")
def address(agent: Agent, tmp_path_factory) -> Iterator[str]:
    yield from pages(agent, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from browsers()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Open the page; nothing may go wrong in it, nor may it ask another host for anything."""
    visitors: list[Visitor] = []

    def come(width: int = WIDE, scheme: str = "light") -> Visitor:
        visitors.append(Visitor(browser, address, width, scheme))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()
        assert visitor.faults == []
        ours = address.removesuffix("ui/")
        assert [url for url in visitor.asked if not url.startswith((ours, "data:"))] == []


@pytest.fixture
def asleep(service: Activator) -> None:
    service.stop_server()


def test_while_the_model_wakes_the_documents_answer_and_then_it_does(visit: Visit, asleep):
    visitor = visit(NARROW)

    turn = visitor.ask(ROOT_CANAL)

    expect(turn.locator(".badge")).to_contain_text("First answer", timeout=15_000)
    expect(turn.locator(".said")).to_contain_text("6,000")
    expect(turn.locator(".doing")).to_contain_text("being prepared")
    left = int(turn.locator(".eta").inner_text().split()[0])
    visitor.shoot("waking-390")
    expect(turn.locator(".eta")).not_to_have_text(f"{left} s")
    expect(turn).to_have_attribute("aria-busy", "false", timeout=30_000)
    expect(turn.locator(".badge")).to_have_text("The fuller answer")
    expect(turn.locator(".said")).to_have_text(re.compile(re.escape(PROVEN)))
    expect(turn.locator(".earlier summary")).to_contain_text("first answer")
    visitor.shoot("fuller-390")


def test_sentences_are_shown_as_they_come_with_the_steps_before(visit: Visit):
    visitor = visit()

    turn = visitor.ask(ROOT_CANAL)

    expect(turn.locator(".step")).to_have_text(re.compile("…$"))
    expect(turn.locator(".said")).to_contain_text(PROVEN, timeout=15_000)
    expect(turn).to_have_attribute("aria-busy", "false")
    expect(visitor.page.get_by_role("log")).to_contain_text(PROVEN)
    expect(visitor.page).to_have_title("Atharva Dental Clinic")
    assert visitor.page.locator("html").get_attribute("lang") == "en"
    visitor.shoot("answer-1280")


def test_an_emergency_cannot_be_overlooked_and_waits_for_nobody(visit: Visit, asleep):
    visitor = visit(NARROW)
    visitor.ask(ROOT_CANAL)  # and the model is waited for

    visitor.ask(SWOLLEN)

    alarm = visitor.page.get_by_role("alert")
    expect(alarm).to_be_in_viewport(timeout=3_000)
    first = alarm.get_by_role("link").first
    expect(first).to_contain_text(EMERGENCY_PHONE)
    expect(first).to_have_attribute("href", "tel:+919999999999")
    visitor.page.wait_for_timeout(3_000)  # until the first question has noticed, too
    expect(alarm).to_be_in_viewport()
    expect(visitor.page.locator('.turn[aria-busy="true"]')).to_have_count(0)
    visitor.shoot("emergency-390")


def test_a_citation_opens_the_passage_with_the_quote_marked_by_keyboard_alone(visit: Visit):
    visitor = visit(NARROW)
    page = visitor.page
    turn = visitor.answered(ROOT_CANAL)

    mark = turn.get_by_role("button", name="Source 1").first
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if mark.evaluate("it => it === document.activeElement"):
            break
    assert "solid" in mark.evaluate("it => getComputedStyle(it).outline")
    page.keyboard.press("Enter")

    dialog = page.get_by_role("dialog")
    expect(dialog.locator("mark")).to_have_text("Price band: INR 6,000 to 9,500")
    expect(dialog).to_contain_text("Duration: 90 minutes")
    visitor.shoot("passage-390")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(mark).to_be_focused()


def test_every_control_is_reached_by_the_tab_key_and_shows_it(visit: Visit):
    visitor = visit()
    visitor.answered(ROOT_CANAL)
    visitor.page.evaluate("document.activeElement.blur()")
    named = "it => [it.getAttribute('aria-label') || it.innerText || it.id || it.tagName,"
    reached = {}

    for _ in range(14):
        visitor.page.keyboard.press("Tab")
        focused = visitor.page.locator(":focus")
        if focused.count():
            name, outline = focused.evaluate(f"{named} getComputedStyle(it).outlineStyle]")
            reached[name.strip().split("\n")[-1]] = outline

    wanted = {FRONT_DESK, "New conversation", "Source 1", "This answer helped", "Send"}
    assert wanted <= set(reached)
    assert set(reached.values()) == {"solid"}


@pytest.mark.parametrize("said", ["in the question", "in a document"])
def test_what_people_and_documents_say_never_becomes_markup(said: str, visit: Visit):
    visitor = visit()
    question = HURTFUL if said == "in the question" else "How much does polishing of dentures cost?"

    turn = visitor.answered(question)
    if said == "in a document":
        turn.locator(".source").first.click()
        expect(visitor.page.locator("#passage mark")).to_contain_text("INR 150")
        turn = visitor.page.locator("#passage")

    expect(turn).to_contain_text("<script>window.hurt = 1</script><img")
    expect(turn).to_contain_text("![](http://elsewhere.example/x.png)")
    assert visitor.page.evaluate("window.hurt") is None
    talk = visitor.page.locator(".talk, #passage")
    assert talk.locator("script, img, iframe, [onerror], [onload], [href^=javascript]").count() == 0
    assert talk.locator('a[href*="900900"]').count() == 0


def test_nothing_said_is_nothing_asked(visit: Visit):
    visitor = visit()

    for nothing in ("", "   "):
        visitor.page.get_by_label("Your question").fill(nothing)
        visitor.page.get_by_role("button", name="Send").click()
    turn = visitor.answered(SWOLLEN)

    expect(turn).to_have_attribute("data-turn", "0")
    expect(visitor.page.locator(".toast-body")).to_have_count(0)


def test_what_comes_late_does_not_take_an_answer_away(visit: Visit):
    visitor = visit()
    nothing = visitor.hold_back()
    visitor.page.get_by_role("button", name="Send").click()
    late, reply = nothing(), nothing().fetch()

    turn = visitor.answered(SWOLLEN)
    late.fulfill(response=reply)

    visitor.page.wait_for_timeout(1000)
    expect(turn).to_contain_text(EMERGENCY_PHONE)


def test_what_is_typed_while_a_question_is_on_its_way_stays(visit: Visit):
    visitor = visit()
    box, question = visitor.page.get_by_label("Your question"), visitor.hold_back()

    box.fill(SWOLLEN)
    visitor.page.keyboard.press("Enter")
    on_its_way = question()
    expect(box).to_have_value("")
    box.fill(FRONT_DESK)
    on_its_way.continue_()

    expect(visitor.page.locator(".turn")).to_contain_text(SWOLLEN)
    expect(box).to_have_value(FRONT_DESK)


def test_a_rating_is_sent_and_what_became_of_it_is_told(visit: Visit):
    visitor = visit()
    turn = visitor.answered(ROOT_CANAL)

    turn.get_by_role("button", name="This answer helped").click()

    expect(turn.locator(".thanks")).to_have_text(re.compile("Thank you|not available here yet"))


def test_a_new_conversation_is_empty_and_nobody_sees_anothers(visit: Visit):
    one, other = visit(), visit()
    one.answered(SWOLLEN)

    one.page.get_by_role("button", name="New conversation").click()
    turn = other.answered(ROOT_CANAL)

    expect(one.page.locator(".turn")).to_have_count(0)
    expect(one.page.locator(".welcome")).to_be_visible()
    expect(other.page.locator(".turn")).to_have_count(1)
    expect(turn).not_to_contain_text("swollen")


@pytest.mark.parametrize(("width", "scheme"), ARRANGEMENTS)
def test_nothing_keeps_anybody_out(width: int, scheme: str, visit: Visit):
    visitor = visit(width, scheme)
    visitor.answered(ROOT_CANAL)
    visitor.answered(SWOLLEN)
    visitor.page.locator(".turn").first.locator(".source").first.scroll_into_view_if_needed()

    found = [*faults(visitor)]
    visitor.page.locator(".source").first.click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Duration: 90 minutes")
    found += faults(visitor)

    visitor.shoot(f"passage-{scheme}-{width}")
    assert found == []
    scroll, inner = visitor.page.evaluate("[document.body.scrollWidth, innerWidth]")
    assert scroll <= inner


def faults(visitor: Visitor) -> list[str]:
    """Return what axe finds serious or worse."""
    visitor.page.wait_for_timeout(400)  # a colour that fades is none that stays
    violations = Axe().run(visitor.page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in violations
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.mark.parametrize(
    "path",
    ["gradio_api/upload", "gradio_api/file=/etc/passwd", "gradio_api/runs", "monitoring", "../etc"],
)
def test_what_the_page_does_not_need_is_shut(path: str, address: str):
    for method in ("GET", "POST"):
        reply = httpx.request(method, f"{address}{path}", timeout=10)

        assert reply.status_code in {404, 413}


def test_the_page_forbids_the_browser_to_ask_others(address: str):
    reply = httpx.get(address, timeout=10)

    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(address.removesuffix("ui/"), timeout=10).headers["location"] == "/ui/"


def test_too_much_is_refused(address: str):
    reply = httpx.post(f"{address}gradio_api/queue/join", content=b"x" * 300_000, timeout=10)

    assert reply.status_code == 413
