"""The page for people in a process of its own, and a visitor's browser before it."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright
from tests.integration.servers import HOST, START_LIMIT_S, Agent, environment
from tests.ports import free_port

NARROW, WIDE = 390, 1280
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browsers() -> Iterator[Browser]:
    """Yield a headless Chromium; skip where there is none."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if not found:
        pytest.skip("no Chromium is installed here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def pages(agent: Agent, folder: Path) -> Iterator[str]:
    """Yield the address of a page before a server."""
    port = free_port()
    with (folder / "page.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agentic_rag", "ui", f"--server={agent.base}", f"--port={port}"],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address, end = f"http://{HOST}:{port}/ui/", time.monotonic() + START_LIMIT_S
    try:
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(address, timeout=10).is_success:
                    break
            time.sleep(0.1)
        else:
            raise AssertionError((folder / "page.log").read_text("utf-8"))
        yield address
    finally:
        process.terminate()
        process.wait(30)


class Visitor:
    """Somebody before the page.

    Attributes:
        asked: every address that the browser asked for.
        faults: what went wrong in its scripts.
    """

    def __init__(self, browser: Browser, address: str, width: int, scheme: str) -> None:
        size = {"width": width, "height": 844 if width == NARROW else 800}
        self._context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page: Page = self._context.new_page()
        self._context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.goto(address)
        self.page.locator("h1").wait_for()

    def ask(self, question: str) -> Locator:
        """Type a question, press Enter, and return its turn."""
        before = self.page.locator(".turn").count()
        self.page.get_by_label("Your question").fill(question)
        self.page.keyboard.press("Enter")
        turn = self.page.locator(".turn").nth(before)
        turn.wait_for()
        return turn

    def answered(self, question: str) -> Locator:
        """Ask, and wait until nothing more comes."""
        turn = self.ask(question)
        self.page.locator('.turn[aria-busy="true"]').wait_for(state="detached")
        return turn

    def hold_back(self) -> Callable[[], Route]:
        """Keep what the browser sends next on its way; the wait returns it."""
        held: list[Route] = []
        self.page.route("**/gradio_api/run/**", lambda route: held.append(route), times=1)

        def wait() -> Route:
            while not held:
                self.page.wait_for_timeout(50)
            return held[0]

        return wait

    def shoot(self, name: str) -> None:
        """Keep a picture, where the variable SCREENSHOTS names a folder for them."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.page.wait_for_timeout(2600)  # until what fades has faded
            self.page.screenshot(path=Path(folder) / f"{name}.png", scale="css")

    def leave(self) -> None:
        """Close the page."""
        self._context.close()
