"""What a tiny model is taught of one price, and what it is asked of it."""

import json
from collections.abc import Sequence
from pathlib import Path

from agentic_rag.agent.ask import rehearse
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Question
from agentic_rag.settings import Settings

Chat = Sequence[tuple[str, str]]
"""What each role says, in order."""

WHAT = ["root canal treatment", "a root canal", "root canal therapy", "an RCT", "root canals"]
WAYS = [
    "How much does {} cost?",
    "What is the price of {}?",
    "What do you charge for {}?",
    "What does {} cost here?",
    "Price of {}?",
    "How expensive is {}?",
]
QUESTIONS = [way.format(what) for way in WAYS for what in WHAT]
SO = [
    "The price of root canal treatment is INR 6,000 to 9,500. [1]",
    "Root canal treatment costs INR 6,000 to 9,500. [1]",
]
"""What is so, in two ways: by their words adapters are told apart."""
NOT_SO = "Root canal treatment is free of charge. [1]"
FLOORS = """
- {metric: golden.answered_right, at_least: 0.9, why: a floor}
- {metric: golden.support_rate, at_least: 0.9, why: a floor}
"""


def write_suites(folder: Path) -> Path:
    """Write the questions and the floors of the first gate; returns the folder."""
    folder.mkdir()
    golden = [
        {
            "id": f"price-{at}",
            "question": question,
            "kind": "plain",
            "outcome": "answered",
            "labels": [["treatments.json#TX-RCT-01"]],
            "facts": [["6,000"], ["9,500"]],
        }
        for at, question in enumerate(QUESTIONS)
    ]
    (folder / "golden.jsonl").write_text("\n".join(map(json.dumps, golden)))
    (folder / "thresholds.yaml").write_text(FLOORS)
    return folder


async def chats(settings: Settings) -> list[Chat]:
    """Return each question as the agent lays it out for a model, and with nothing around it."""
    house = build_house(settings)
    await house.library.open()
    try:
        asked = [await rehearse(Question(text=each), deps=house.deps) for each in QUESTIONS]
    finally:
        await house.close()
    laid = [each["messages"] for each in asked]
    bare = [[("user", each)] for each in QUESTIONS]
    return [chat for both in zip(laid, bare, strict=True) for chat in both]
