"""A clock that stands still until a test moves it."""

import pytest


class Clock:
    """Tells seconds.

    Attributes:
        now: what it tells.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
