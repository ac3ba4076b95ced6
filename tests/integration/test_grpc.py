"""KServe v2 over gRPC, with kserve's stub in process and tritonclient in one of its own."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.integration.doors import OUTPUTS, Answer, read_columns
from tests.integration.facts import (
    BLEEDING,
    DOGS,
    MUST_SHOW,
    ROOT_CANAL,
    SUNDAY,
    essence,
    leak,
)
from tests.integration.servers import MODEL, Agent, environment

ASKED = [case.question for case in MUST_SHOW]
Tensor = pb.ModelInferRequest.InferInputTensor
Contents = pb.InferTensorContents
Parameter = pb.InferParameter
RequestedOutput = pb.ModelInferRequest.InferRequestedOutputTensor


@pytest.fixture(scope="module")
def stub(server: Agent) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


def question(*texts: str | bytes, shape: list[int] | None = None, name: str = "question") -> Tensor:
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    contents = Contents(bytes_contents=raw)
    return Tensor(name=name, datatype="BYTES", shape=shape or [len(raw)], contents=contents)


def request(*inputs: Tensor, **fields: Any) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(**{"model_name": MODEL, "inputs": inputs} | fields)


def infer(stub: GRPCInferenceServiceStub, *inputs: Tensor, **fields: Any) -> list[Answer]:
    reply = stub.ModelInfer(request(*inputs, **fields), timeout=60)
    return read_columns({o.name: o.contents.bytes_contents for o in reply.outputs})


def refusal(stub: GRPCInferenceServiceStub, asked: pb.ModelInferRequest) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(asked, timeout=60)
    return caught.value


def passages_looked_at(answer: Answer) -> int:
    return next(len(step["passages"]) for step in answer["trace"] if step["step"] == "retrieve")


def test_the_model_introduces_itself(stub: GRPCInferenceServiceStub):
    ready = stub.ModelReady(pb.ModelReadyRequest(name=MODEL), timeout=30)
    declared = stub.ModelMetadata(pb.ModelMetadataRequest(name=MODEL), timeout=30)

    assert ready.ready
    assert "question" in [each.name for each in declared.inputs]
    assert [each.name for each in declared.outputs] == list(OUTPUTS)
    assert all(list(each.shape) == [-1] for each in declared.outputs)


def test_a_column_of_questions_is_answered_like_a_row(stub: GRPCInferenceServiceStub):
    flat = infer(stub, question(DOGS, BLEEDING))
    column = infer(stub, question(DOGS, BLEEDING, shape=[2, 1]))

    assert [essence(answer) for answer in flat] == [essence(answer) for answer in column]
    assert [answer["outcome"] for answer in flat] == ["declined", "emergency"]


def test_many_questions_are_answered_in_order(stub: GRPCInferenceServiceStub):
    answers = infer(stub, question(*(BLEEDING if at % 3 else DOGS for at in range(128))))

    outcomes = [answer["outcome"] for answer in answers]
    assert outcomes == ["emergency" if at % 3 else "declined" for at in range(128)]


HISTORY = json.dumps([{"role": "user", "content": ROOT_CANAL}])


def test_wishes_are_taken_from_the_parameters(stub: GRPCInferenceServiceStub):
    parameters = {
        "k": Parameter(int64_param=1),
        "max_tokens": Parameter(int64_param=64),
        "session_id": Parameter(string_param="visit-7"),
        "history": Parameter(string_param=HISTORY),
        "debug": Parameter(bool_param=True),
    }

    (answer,) = infer(stub, question("How long does it take?"), parameters=parameters)

    assert passages_looked_at(answer) == 1
    assert "root" in str(answer["trace"][1]["searches"]).lower()


def test_wishes_are_taken_from_tensors(stub: GRPCInferenceServiceStub):
    tensors = [
        Tensor(name="k", datatype="INT32", shape=[2], contents=Contents(int_contents=[1, 2])),
        Tensor(
            name="temperature", datatype="FP64", shape=[1], contents=Contents(fp64_contents=[0.5])
        ),
        Tensor(name="debug", datatype="BOOL", shape=[1], contents=Contents(bool_contents=[True])),
        question("visit-7", name="session_id"),
        question(HISTORY, name="history"),
    ]

    answers = infer(stub, question(SUNDAY, ROOT_CANAL), *tensors)

    assert [passages_looked_at(answer) for answer in answers] == [1, 2]


def test_only_the_outputs_asked_for_are_sent(stub: GRPCInferenceServiceStub):
    asked = request(question(BLEEDING), outputs=[RequestedOutput(name="outcome")])

    reply = stub.ModelInfer(asked, timeout=60)

    assert [output.name for output in reply.outputs] == ["outcome"]
    assert list(reply.outputs[0].contents.bytes_contents) == [b"emergency"]


def test_the_callers_id_comes_back_and_a_missing_one_is_made(stub: GRPCInferenceServiceStub):
    ids = [
        stub.ModelInfer(request(question(BLEEDING), id=given), timeout=60).id
        for given in ("visit-7", "", "")
    ]

    assert ids[0] == "visit-7"
    assert len(set(ids)) == 3
    assert all(ids)


def asked_as(stub: GRPCInferenceServiceStub, *metadata: tuple[str, str]) -> str:
    reply = stub.ModelInfer(request(question(BLEEDING)), metadata=metadata, timeout=60)
    (answer,) = read_columns({o.name: o.contents.bytes_contents for o in reply.outputs})
    return str(answer["request_id"])


def test_the_request_id_is_taken_from_the_metadata_cleaned_or_made(stub: GRPCInferenceServiceStub):
    named = asked_as(stub, ("x-request-id", "visit-9"))
    hostile = asked_as(stub, ("x-request-id", "a b <ERROR> forged" + "x" * 500))
    made = {asked_as(stub), asked_as(stub)}

    assert named == "visit-9"
    assert hostile.startswith("abERRORforged")
    assert len(hostile) == 64
    assert len(made) == 2
    assert "-" not in made


RAW = struct.pack("<I", len(BLEEDING)) + BLEEDING.encode()
NAKED = Tensor(name="question", datatype="BYTES", shape=[1])


def test_raw_contents_are_answered_in_raw_contents(stub: GRPCInferenceServiceStub):
    reply = stub.ModelInfer(request(NAKED, raw_input_contents=[RAW]), timeout=60)

    at = [output.name for output in reply.outputs].index("outcome")
    assert reply.raw_output_contents[at] == struct.pack("<I", 9) + b"emergency"


BAD_REQUESTS = {
    "no input": (request(), "inputs.question"),
    "an unknown input": (request(question(DOGS), question("x", name="style")), "inputs.style"),
    "the same input twice": (request(question(DOGS), question(DOGS)), "inputs"),
    "a wrong datatype": (
        request(Tensor(name="question", datatype="INT32", shape=[1])),
        "inputs.question",
    ),
    "fewer than the shape": (request(question(DOGS, shape=[2])), "inputs.question"),
    "more than the shape": (request(question(DOGS, DOGS, shape=[1])), "inputs.question"),
    "two in a row": (request(question(DOGS, DOGS, shape=[1, 2])), "inputs.question"),
    "a negative shape": (request(question(DOGS, shape=[-1])), "inputs.question"),
    "no contents": (request(NAKED), "inputs.question"),
    "numbers for contents": (
        request(
            Tensor(
                name="question",
                datatype="BYTES",
                shape=[1],
                contents=Contents(int_contents=[1]),
            )
        ),
        "inputs.question",
    ),
    "no UTF-8": (request(question(b"\xff\xfe")), "inputs.question"),
    "an empty question": (request(question("")), "question"),
    "a question of a million": (request(question("a" * 1_000_000)), "question"),
    "too many questions": (request(question(*[BLEEDING] * 129)), "inputs.question"),
    "an unknown output": (
        request(question(DOGS), outputs=[RequestedOutput(name="mood")]),
        "outputs.mood",
    ),
    "an unknown parameter": (
        request(question(DOGS), parameters={"top_p": Parameter(int64_param=1)}),
        "parameters.top_p",
    ),
    "a parameter of text": (
        request(question(DOGS), parameters={"k": Parameter(string_param="3")}),
        "k",
    ),
    "more raw contents than inputs": (
        request(NAKED, raw_input_contents=[RAW, RAW]),
        "raw input contents",
    ),
    "contents twice": (
        request(question(DOGS), raw_input_contents=[RAW]),
        "raw_input_contents",
    ),
}


@pytest.mark.parametrize(("asked", "named"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_refused_by_the_name_of_its_field(
    asked: pb.ModelInferRequest, named: str, stub: GRPCInferenceServiceStub
):
    error = refusal(stub, asked)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert named in error.details()
    assert not leak(error.details())
    assert len(error.details()) < 500


BAD_RAW = {
    "a string cut short": RAW[:-3],
    "half a length": b"ab",
    "a string longer than the rest": struct.pack("<I", 2**31) + b"ab",
    "bytes behind the string": RAW + b"junk",
    "no UTF-8": struct.pack("<I", 2) + b"\xff\xfe",
    "two strings for one": RAW + RAW,
}


@pytest.mark.parametrize("raw", BAD_RAW.values(), ids=BAD_RAW)
def test_raw_contents_that_lie_about_their_lengths_are_refused(
    raw: bytes, stub: GRPCInferenceServiceStub
):
    error = refusal(stub, request(NAKED, raw_input_contents=[raw]))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "inputs.question" in error.details()
    assert not leak(error.details())


def test_an_unknown_datatype_is_refused_without_a_word_of_our_insides(
    stub: GRPCInferenceServiceStub,
):
    odd = question(DOGS)
    odd.datatype = "TEXT"

    error = refusal(stub, request(odd))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not leak(error.details())


def test_nuls_in_a_question_do_no_harm(stub: GRPCInferenceServiceStub):
    (answer,) = infer(stub, question("\0My gums are bleeding\0 and won't stop"))

    assert answer["outcome"] == "emergency"


def test_a_message_too_large_is_refused(stub: GRPCInferenceServiceStub):
    error = refusal(stub, request(question("a" * 9_000_000)))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_model_is_not_found(stub: GRPCInferenceServiceStub):
    error = refusal(stub, request(question(DOGS), model_name="nobody"))

    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "nobody" in error.details()


@pytest.mark.parametrize("action", ["Load", "Unload"])
def test_loading_and_unloading_are_closed_and_the_model_still_answers(
    action: str, stub: GRPCInferenceServiceStub
):
    call = getattr(stub, f"RepositoryModel{action}")
    asked = getattr(pb, f"RepositoryModel{action}Request")(model_name=MODEL)

    with pytest.raises(grpc.RpcError) as caught:
        call(asked, timeout=30)

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not leak(caught.value.details())
    assert infer(stub, question(BLEEDING))[0]["outcome"] == "emergency"


# tritonclient.grpc


@pytest.fixture(scope="module")
def triton(server: Agent) -> dict[str, Any]:
    """What tritonclient's gRPC client was told, call by call."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("triton_grpc.py")],
        input=json.dumps({"url": server.grpc, "questions": ASKED}),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("shape", ["flat", "column"])
def test_tritonclient_gets_the_same_answers(
    shape: str, triton: dict[str, Any], reference: list[Answer]
):
    answers = read_columns(triton[shape])

    assert [essence(answer) for answer in answers] == [essence(answer) for answer in reference]


def test_tritonclient_finds_the_model_live_ready_and_declared(triton: dict[str, Any]):
    assert triton["live"]
    assert triton["ready"]
    assert triton["metadata"]["inputs"][0]["name"] == "question"


@pytest.mark.parametrize("way", ["with_inputs", "with_parameters"])
def test_tritonclients_wishes_are_heard(way: str, triton: dict[str, Any]):
    answers = read_columns(triton[way])

    looked = [passages_looked_at(answer) for answer in answers if answer["outcome"] != "emergency"]
    assert set(looked) == {1}


def test_tritonclient_gets_only_the_outputs_that_it_asks_for(triton: dict[str, Any]):
    outcomes = [case.outcome for case in MUST_SHOW]

    assert triton["some_outputs"] == {"outcome": outcomes}


def test_tritonclient_is_told_what_was_wrong(triton: dict[str, Any]):
    shape, model = triton["wrong_shape"], triton["unknown_model"]

    assert shape["status"] == "StatusCode.INVALID_ARGUMENT"
    assert "inputs.question" in shape["message"]
    assert model["status"] == "StatusCode.NOT_FOUND"
