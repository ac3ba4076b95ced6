"""Patients who ask an agent all the time, and what they are told."""

import threading
from collections.abc import Sequence

import httpx
from tests.integration.servers import Agent, until


class Visitors:
    """Ask an agent all the time, two at once.

    Attributes:
        told: the answers, in the order in which they came.
        failed: what came in an answer's place.
    """

    def __init__(
        self, agent: Agent, questions: Sequence[str], sessions: Sequence[str] = ()
    ) -> None:
        """Ask nothing yet.

        Args:
            agent: who is asked.
            questions: what they ask, again and again.
            sessions: in which, by turns; none: each question is in none.
        """
        self.told: list[dict] = []
        self.failed: list[str] = []
        self._agent, self._questions, self._sessions = agent, questions, sessions
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(2)]

    def __enter__(self) -> "Visitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def until_told(self, by: str | None, times: int = 1, limit_s: float = 120) -> None:
        """Wait until an adapter gave so many more answers; None: until something else did."""
        before = len(self.told)
        until(
            lambda: sum(each.get("adapter") == by for each in self.told[before:]) >= times,
            lambda: (
                f"{by} was not heard {times} times; lately: {self.told[-2:]} {self.failed[-2:]}"
            ),
            limit_s,
        )

    def _ask_on(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._end.wait(0.1):
                self._ask(client, len(self.told))

    def _ask(self, client: httpx.Client, at: int) -> None:
        asked = {"instances": [self._questions[at % len(self._questions)]]}
        session = self._sessions[at % len(self._sessions)] if self._sessions else None
        headers = {"X-Session-ID": session} if session else {}
        try:
            reply = client.post(self._agent.v1, json=asked, headers=headers)
        except httpx.HTTPError as error:
            self.failed.append(repr(error))
            return
        if reply.is_success:
            self.told.append(reply.json()["predictions"][0])
        else:
            self.failed.append(reply.text)
