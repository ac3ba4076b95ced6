"""Aliases: the way through them is the one that is drawn."""

import pytest

from agentic_rag.adapters.aliases import Alias, check_transition
from agentic_rag.errors import AdapterRefused

WAY = {
    "candidate": [],
    "staged": ["candidate"],
    "eval-passed": ["staged"],
    "eval-failed": ["staged"],
    "perf-passed": ["eval-passed"],
    "perf-failed": ["eval-passed"],
    "live": ["eval-passed", "perf-passed"],
    "previous": ["live"],
}


@pytest.mark.parametrize("alias", WAY)
def test_a_version_that_came_the_way_gets_the_alias(alias):
    check_transition(Alias(alias), [Alias(each) for each in WAY[alias]])


@pytest.mark.parametrize("alias", sorted(set(WAY) - {"candidate"}))
def test_a_version_that_did_not_come_the_way_does_not(alias):
    others = [each for each in Alias if each not in WAY[alias] and each != alias]
    if alias == "live":
        others.remove(Alias.PREVIOUS)

    with pytest.raises(AdapterRefused, match="transition"):
        check_transition(Alias(alias), others)


def test_who_was_live_before_may_be_live_again():
    check_transition(Alias.LIVE, [Alias.PREVIOUS])
