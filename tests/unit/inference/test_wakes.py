"""How long past wake-ups took: kept in a file, and what is expected of the next."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.inference.wakes import UNLEARNED_S, Wakes


def wakes(folder, model: str = "qwen", address: str = "http://llm/v1") -> Wakes:
    return Wakes(folder / "data" / "wakes.jsonl", address=address, model=model)


def taught(folder, *seconds: float) -> Wakes:
    made = wakes(folder)
    for each in seconds:
        made.add(each)
    return made


def test_without_any_a_guess_is_made(tmp_path):
    assert wakes(tmp_path).left_s(0) == UNLEARNED_S


def test_the_median_is_expected(tmp_path):
    assert taught(tmp_path, 80, 90, 300).left_s(0) == 90


def test_what_it_has_taken_is_taken_off(tmp_path):
    assert taught(tmp_path, 80, 90, 100).left_s(50) == 40


def test_those_that_it_has_outlasted_do_not_count(tmp_path):
    assert taught(tmp_path, 10, 20, 100, 120).left_s(60) == 50


def test_one_longer_than_all_before_is_still_expected_to_end(tmp_path):
    assert taught(tmp_path, 10, 20).left_s(100) == 25


def test_only_the_last_ones_count(tmp_path):
    assert taught(tmp_path, *[300.0] * 50, *[60.0] * 20).left_s(0) == 60


def test_they_are_known_after_a_restart_each_model_its_own(tmp_path):
    taught(tmp_path, 80, 90, 100)

    assert wakes(tmp_path).left_s(0) == 90
    assert wakes(tmp_path, model="other").left_s(0) == UNLEARNED_S
    assert wakes(tmp_path, address="http://elsewhere/v1").left_s(0) == UNLEARNED_S


def test_the_file_does_not_tell_the_address_for_it_may_hold_a_password(tmp_path):
    wakes(tmp_path, address="http://me:secret@llm/v1").add(80)

    assert "secret" not in (tmp_path / "data" / "wakes.jsonl").read_text()


BAD_LINES = [
    b'{"key": "k", "sec',  # cut off half way
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b'{"seconds": 3}',
]


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_line_that_is_damaged_spoils_no_other(tmp_path, bad):
    taught(tmp_path, 80)
    with (tmp_path / "data" / "wakes.jsonl").open("ab") as file:
        file.write(b"\n" + bad)
    taught(tmp_path, 90, 100)

    assert wakes(tmp_path).left_s(0) == 90


@pytest.mark.parametrize("seconds", [-1, 0, 1e9, "80", True, None, [80]])
def test_a_duration_that_cannot_be_is_not_believed(tmp_path, seconds):
    path = tmp_path / "data" / "wakes.jsonl"
    taught(tmp_path, 80)
    told = json.loads(path.read_text().strip())
    with path.open("a") as file:
        file.write("\n" + json.dumps(told | {"seconds": seconds}) * 1)

    assert wakes(tmp_path).left_s(0) == 80


def test_a_file_of_many_years_is_read_from_its_end(tmp_path):
    path = tmp_path / "data" / "wakes.jsonl"
    taught(tmp_path, 80)
    with path.open("ab") as file:
        file.write(b"\nx" * 500_000)
    taught(tmp_path, 50)

    assert wakes(tmp_path).left_s(0) == 50


@pytest.mark.parametrize("kind", ["a file in place of the folder", "a folder in place of the file"])
def test_where_nothing_can_be_written_they_are_known_until_we_end(tmp_path, kind, caplog):
    path = tmp_path / "data" / "wakes.jsonl"
    if kind.startswith("a file"):
        path.parent.write_text("in the way")
    else:
        path.mkdir(parents=True)

    assert taught(tmp_path, 80, 90, 100).left_s(0) == 90
    assert "not remembered" in caplog.text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_disk_that_is_full_takes_nothing_else_along(tmp_path, caplog):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wakes.jsonl").symlink_to("/dev/full")

    assert taught(tmp_path, 80).left_s(0) == 80
    assert "not remembered" in caplog.text


@given(st.lists(st.floats(0.1, 3600), max_size=30), st.floats(0, 7200))
def test_what_is_left_is_never_less_than_nothing(tmp_path_factory, lasted, spent):
    known = taught(tmp_path_factory.mktemp("w"), *lasted)

    assert known.left_s(spent) >= 0
