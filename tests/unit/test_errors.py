"""The errors: the tree in the docstring is the tree of the classes."""

import inspect
import re

from agentic_rag import errors


def drawn() -> dict[str, str]:
    """Read each class and its parent off the drawing."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"((?:│   |    )*)(?:├── |└── )?(\w+)", line)
        if not found or not isinstance(getattr(errors, found[2], None), type):
            continue
        depth = 0 if line.startswith(found[2]) else len(found[1]) // 4 + 1
        path[depth:] = [found[2]]
        parents[found[2]] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes():
    classes = inspect.getmembers(errors, inspect.isclass)
    own = {n: each.__base__.__name__ for n, each in classes if each.__module__ == errors.__name__}

    assert drawn() == own


def test_a_bad_question_names_its_field_and_what_was_expected():
    error = errors.BadQuestion("instances[0].k", "expected 1 to 100")

    assert (error.field, error.expected) == ("instances[0].k", "expected 1 to 100")
    assert str(error) == "instances[0].k: expected 1 to 100"
