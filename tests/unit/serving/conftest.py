"""The agent of simple parts that the agent's own tests ask, behind a door."""

from tests.unit.agent.conftest import make_deps, profile, rules

__all__ = ["make_deps", "profile", "rules"]
