"""Outside: a model beyond the cluster is not told whom it is about, and the patient is."""

import json
from dataclasses import replace

import pytest
from tests.fakes import ScriptedLlm
from tests.unit.agent.parts import make_passage

from agentic_rag.agent.deps import Brief
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Draft
from agentic_rag.inference.outside import veiled

PERSONAL = {
    "name": "Asha Patil",
    "phone": "98220 12345",
    "e-mail": "asha.patil@example.org",
    "aadhaar": "2345 6789 0123",
    "pan": "ABCDE1234F",
    "card": "4111 1111 1111 1111",
    "ifsc": "HDFC0001234",
    "account": "12345678901",
    "upi": "asha@okhdfcbank",
    "birth": "12/03/1984",
}
TOLD = (
    "My name is Asha Patil, born on 12/03/1984, phone 98220 12345, asha.patil@example.org,"
    " Aadhaar 2345 6789 0123, PAN ABCDE1234F, card 4111 1111 1111 1111, IFSC HDFC0001234,"
    " account 12345678901, UPI asha@okhdfcbank. How long does scaling take?"
)
CLINIC = "+91-98765-00000"
BRIEF = Brief(
    messages=(
        ("system", f"Be brief. In an emergency call {CLINIC}."),
        ("user", "I am Asha Patil"),
        ("assistant", "Hello Asha"),
        ("user", f"<documents>Call {CLINIC}.</documents>\n\nQuestion: {TOLD}"),
    ),
    wants=(),
    passages=(make_passage(f"Call {CLINIC}."),),
    max_tokens=None,
    temperature=None,
)


def openai(llm, **fields):
    return {
        "openai_api_key": "sk-1",
        "openai_base_url": llm.base_url,
        "openai_model_name": llm.model,
    } | fields


async def write(settings) -> Draft:
    house = build_house(settings)
    try:
        return await house.deps.ladder.write(replace(BRIEF))
    finally:
        await house.close()


def sent(llm) -> str:
    return json.dumps([each.body for each in llm.asked], ensure_ascii=False)


def repeat(body) -> str:
    return body["messages"][-1]["content"].partition("Question: ")[2]


async def test_nothing_personal_leaves_and_the_answer_has_it_back(settings):
    with ScriptedLlm(reply=repeat) as llm:
        draft = await write(settings(**openai(llm)))

    assert [kind for kind, value in PERSONAL.items() if value in sent(llm)] == []
    assert "Asha" not in sent(llm)
    assert draft.text == TOLD


async def test_the_clinics_own_numbers_are_sent_as_they_are(settings):
    with ScriptedLlm(reply="Rest. [1]") as llm:
        await write(settings(**openai(llm)))

    assert sent(llm).count(CLINIC) == 2


async def test_a_mark_in_other_letters_comes_home_too(settings):
    with ScriptedLlm(reply="Dear name_1, we ring [Phone 1]. [1]") as llm:
        draft = await write(settings(**openai(llm)))

    assert draft.text == "Dear Asha Patil, we ring 98220 12345. [1]"


async def test_with_leave_all_is_sent_as_it_is(settings):
    with ScriptedLlm(reply="Rest. [1]") as llm:
        await write(settings(**openai(llm, llm_external_policy="allow")))

    assert TOLD in sent(llm)


async def test_where_nothing_may_leave_nobody_outside_is_asked(settings):
    with ScriptedLlm(reply="Rest. [1]") as llm:
        draft = await write(settings(**openai(llm, llm_external_policy="never")))

    assert llm.seen == []
    assert draft.generator == "extractive"
    assert draft.degraded is None


async def test_a_model_inside_reads_what_the_patient_wrote(settings):
    with ScriptedLlm(reply="Rest. [1]") as llm:
        await write(settings(llm_base_url=llm.base_url, llm_external_policy="never"))

    assert TOLD in sent(llm)


@pytest.mark.parametrize("reply", ["", "<PHONE_", "<PHONE_99999999999999>", "\x00<NAME_0>"])
def test_a_reply_of_any_kind_comes_home(reply):
    _, lift = veiled(BRIEF.messages, [])

    assert lift(reply) == reply
