"""Everyday words: a group holds what a passage may be found by, and nothing by chance."""

from collections import Counter
from itertools import chain

import pytest

from agentic_rag.language import terms
from agentic_rag.retrieval.everyday import everyday_words

GROUPS = everyday_words()


def test_every_group_puts_at_least_two_forms_together():
    assert len(GROUPS) > 500
    assert [group for group in GROUPS if len(set(group)) < 2] == []


def test_no_form_is_empty_or_a_letter():
    assert [form for form in chain.from_iterable(GROUPS) if len(form) < 2] == []


def test_every_group_is_about_something():
    assert [group for group in GROUPS if not any(terms(form) for form in group)] == []


def test_no_group_is_told_twice():
    told = Counter(frozenset(group) for group in GROUPS)

    assert [group for group, times in told.items() if times > 1] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("aspirin", "warfarin"),
        ("ibuprofen", "diclofenac"),
        ("breakfast", "dinner"),
        ("passport", "aadhaar"),
        ("before food", "after food"),
        ("elevator", "elevate"),
    ],
)
def test_what_a_clinic_answers_differently_is_in_no_group_together(one, other):
    assert [group for group in GROUPS if {one, other} <= set(group)] == []
