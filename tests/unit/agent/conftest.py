"""An agent to ask, made of the parts beside this page."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.agent.parts import Pen, Scores, Shelf, make_passage

from agentic_rag.agent.deps import Deps, Emergency, Limits
from agentic_rag.clinic.profile import read_clinic
from agentic_rag.safety.redflags import read_rules


@pytest.fixture(scope="session")
def profile():
    """The shipped clinic."""
    return read_clinic().profile


@pytest.fixture(scope="session")
def rules():
    """The shipped red flags."""
    return read_rules()


@pytest.fixture
def make_deps(profile, rules) -> Callable[..., Deps]:
    """Make an agent: one passage about scaling, which answers all, and a pen that quotes it."""

    def make(**parts: object) -> Deps:
        passage = make_passage("Call the clinic at once.", label="policies/emergency.md#red-flags")
        usual = Deps(
            profile=profile,
            red_flags=rules,
            emergency=Emergency(passage=passage, advice=("Call the clinic at once.",)),
            retriever=Shelf([make_passage("Scaling takes 40 minutes.")]),
            judge=Scores(),
            ladder=Pen(),
            quoter=Pen(generator="extractive"),
            limits=Limits(
                top_k=8,
                max_ctx_snippets=3,
                max_ctx_chars=2400,
                max_attempts=2,
                enough=0.6,
                max_steps=30,
            ),
        )
        return replace(usual, **parts)

    return make
