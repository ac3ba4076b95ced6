"""Phrasing: turns of phrase that mean the same become one."""

import pytest

from agentic_rag.safety.phrasing import plainer


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("", ""),
        ("from the age of 15", "from 15 years"),
        ("by the age of one year", "by the age of one year"),
        ("opens at 9:30 am and closes at 8 pm", "open from 9:30 am to 8 pm"),
        ("between day 2 and day 4", "between day 2 and 4"),
        ("Do not wait longer than a week", "wait at most a week"),
        ("for as long as 8 weeks", "for as long as 8 weeks"),
        ("as long as you wear it", "while you wear it"),
        ("non-smokers", "nonsmokers"),
        ("with food or without it", "with food or without food"),
        ("You do not pay for it.", "You free of charge it."),
    ],
)
def test_turns_of_phrase_that_mean_the_same_become_one(text, plain):
    assert " ".join(plainer(text).split()) == plain
