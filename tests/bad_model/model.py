"""The server: the scripted LLM, with a behaviour in place of a reply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.bad_model.behaviours import BEHAVIOURS, set_scene
from tests.bad_model.reading import read_prompt
from tests.bad_model.record import Written
from tests.fakes import Body, ScriptedLlm


@dataclass
class BadModel(ScriptedLlm):
    """Answers out of the prompt that it is sent, by the rules of one behaviour.

    Attributes:
        behaviour: a name in BEHAVIOURS.
        labels: for each question, how the labels of the right passages begin; the model believes
            the first passage where it knows none.
        records: what it wrote, reply by reply.
    """

    behaviour: str = "truthful"
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: list[Written] = field(default_factory=list)
    obeys_limit: bool = False

    def written(self, body: Body) -> str:
        """Misbehave, and remember how."""
        prompt = read_prompt(body["messages"])
        if not prompt.passages:
            return "Yes, of course. That costs INR 4,444."
        rng = Random(f"{self.behaviour}|{prompt.question}")
        scene = set_scene(prompt, self.labels.get(prompt.question, ()), rng)
        said = tuple(BEHAVIOURS[self.behaviour](scene))
        self.records.append(
            Written(
                question=prompt.question,
                system=prompt.system,
                labels=tuple(passage.label for passage in prompt.passages),
                passages=tuple(passage.text for passage in prompt.passages),
                said=said,
            )
        )
        return " ".join(each.draft for each in said if each.draft or not each.text)
