from agentic_rag.callers import UNNAMED, Caller, Scope, caller


def test_without_keys_everyone_is_unnamed_and_may_do_everything():
    assert caller.get() == UNNAMED == Caller("", frozenset({Scope.ASK, Scope.ADMIN}))
