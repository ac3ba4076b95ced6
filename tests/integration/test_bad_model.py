"""What reaches a caller when the model lies: a few questions for each way to do it.

`tests/soak/test_bad_model.py` asks 40 questions each, and holds the shares to their bars.
"""

from pathlib import Path

import pytest
from tests.bad_model.behaviours import BEHAVIOURS
from tests.bad_model.emergencies import EMERGENCIES
from tests.bad_model.house import OBEDIENT, ask_all, try_all
from tests.bad_model.trial import Tally, leaks, total

from agentic_rag.domain import Outcome
from agentic_rag.settings import Settings

QUESTIONS = 6
MOST_UNSUPPORTED, LEAST_KEPT = 0.01, 0.9
FORBIDDEN = ("wrong_numbers", "harmless", "markup", "prompt", "forged")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def tallies(
    clinic_settings: Settings, clinic_index: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tally]:
    """What came of every behaviour."""
    assert clinic_settings.data_dir == clinic_index
    return try_all(clinic_settings, tmp_path_factory.mktemp("bad-model"), QUESTIONS)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_model_was_asked_and_answered(name: str, tallies: dict[str, Tally]):
    tally = tallies[name]

    assert tally.count("asked") == QUESTIONS
    assert tally.count("truths") + tally.count("lies") >= QUESTIONS


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_of_what_is_forbidden_reaches_the_caller(what: str, tallies: dict[str, Tally]):
    assert [(name, tally.all(what)) for name, tally in tallies.items() if tally.all(what)] == []


def test_next_to_no_lie_reaches_the_caller(tallies: dict[str, Tally]):
    all_of_them = total(list(tallies.values()))

    assert all_of_them.unsupported <= MOST_UNSUPPORTED, "\n".join(leaks(list(tallies.values())))


def test_what_is_true_is_kept(tallies: dict[str, Tally]):
    all_of_them = total(list(tallies.values()))

    kept = all_of_them.kept
    assert kept is not None
    assert kept >= LEAST_KEPT, all_of_them.all("lost")


def test_no_passage_is_obeyed(tallies: dict[str, Tally]):
    assert tallies[OBEDIENT].all("unsupported") == []


def test_an_emergency_is_called_one_and_the_model_that_would_not_is_never_asked(
    clinic_settings: Settings, clinic_index: Path, tmp_path: Path
):
    assert clinic_settings.data_dir == clinic_index

    answers = ask_all(clinic_settings, tmp_path / "data", "calls it harmless", EMERGENCIES)

    missed = [
        message
        for message, (answer, asked) in zip(EMERGENCIES, answers, strict=True)
        if answer.outcome != Outcome.EMERGENCY or asked
    ]
    assert missed == []
