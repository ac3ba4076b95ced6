"""The trace: plain values that JSON can hold."""

import json

from tests.unit.agent.parts import make_passage

from agentic_rag.agent.trace import describe
from agentic_rag.domain import Degraded, Draft
from agentic_rag.safety.redflags import Alarm


def test_what_a_step_wrote_can_be_put_into_json():
    written = {
        "passages": (make_passage("Text."),),
        "draft": Draft(text="Text.", generator="extractive", degraded=Degraded.LLM_COLD),
        "alarm": Alarm("breathing", "it can close the airway"),
        "messages": (("system", "Rules"), ("user", "Hello")),
        "trouble": None,
    }

    told = json.loads(json.dumps(describe("any", written)))

    assert told["step"] == "any"
    assert told["passages"][0]["label"] == "faq.md#scaling"
    assert told["draft"]["degraded"] == "llm_cold"
    assert told["draft"]["usage"] == {"prompt_tokens": 0, "completion_tokens": 0}
    assert told["messages"] == [["user", "Hello"]]


def test_personal_data_is_masked_and_the_clinics_own_number_is_not():
    written = {
        "searches": ("call 98220 12345",),
        "evidence": (make_passage("Call +91-98765-00000."),),
        "messages": (("user", "Call +91-98765-00000.\n\nQuestion: I am Asha, 98220 12345"),),
    }

    told = json.dumps(describe("compose", written))

    assert "12345" not in told
    assert "Asha" not in told
    assert told.count("+91-98765-00000") == 2


def test_timings_and_the_answer_have_their_own_place():
    assert describe("cite", {"timings": {"cite": 1.0}, "answer": None}) == {"step": "cite"}
