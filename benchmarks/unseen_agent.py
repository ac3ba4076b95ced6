"""The agent without its glass walls: nothing counted, kept or told of an answer or a request."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from agentic_rag.domain import Answer, Question
from agentic_rag.glass.visits import Visit
from agentic_rag.glass.watch import Watch
from agentic_rag.serving.kserve_runtime import main


@contextmanager
def _visiting(
    _self: Watch, door: Callable[[], str], _headers: Mapping[str, str]
) -> Iterator[Visit]:
    yield Visit(door)


def _see(_self: Watch, _question: Question, _answer: Answer) -> None:
    return None


if __name__ == "__main__":
    # no setting turns metrics off, so what they cost can only be seen by their absence
    Watch.visiting, Watch.see = _visiting, _see  # type: ignore[method-assign]
    main()
