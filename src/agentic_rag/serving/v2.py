"""KServe v2 tensors: questions out of them, answers into them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import to_http_parameters
from kserve.utils.utils import generate_uuid

from agentic_rag.domain import Answer, Question
from agentic_rag.errors import BadQuestion
from agentic_rag.serving.wire import check_count, columns, read_question
from agentic_rag.settings import Settings

INPUTS = [{"name": "question", "datatype": "BYTES", "shape": [-1]}]
OUTPUTS = [
    {"name": name, "datatype": "BYTES", "shape": [-1]}
    for name in ("answer", "outcome", "sources", "metadata")
]

_WISHES = {
    "k": "INT",
    "max_tokens": "INT",
    "temperature": "FP",
    "session_id": "BYTES",
    "history": "BYTES",
    "debug": "BOOL",
}
"""Optional inputs and parameters, with how their tensor's datatype begins."""

_PROTOCOL_PARAMETERS = {"binary_data_output", "sequence_id", "priority", "timeout"}
"""What v2 clients send of their own accord."""


def read_v2(request: InferRequest, *, settings: Settings) -> list[Question]:
    """Return the questions of a v2 request, in order.

    Optional inputs hold one value for all questions or one for each; `history` is JSON.

    Raises:
        BadQuestion: names the input or parameter and what was expected.
    """
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if len(tensors) != len(request.inputs):
        raise BadQuestion("inputs", "expected each input once")
    for name in tensors.keys() - {"question", *_WISHES}:
        raise BadQuestion(f"inputs.{name[:64]}", f"unknown input; expected question, {_known()}")
    if "question" not in tensors:
        raise BadQuestion("inputs.question", "is missing; expected a BYTES tensor of questions")
    asked = _values(tensors.pop("question"), "BYTES")
    check_count("inputs.question", len(asked), settings)
    wishes = _parameters(request)
    rows = {name: _spread(name, tensor, len(asked)) for name, tensor in tensors.items()}
    return [
        read_question(
            {**wishes, **{name: values[at] for name, values in rows.items()}, "question": text},
            where=f"inputs[{at}]",
            settings=settings,
        )
        for at, text in enumerate(asked)
    ]


def write_v2(request: InferRequest, name: str, answers: Sequence[Answer]) -> InferResponse:
    """Return the response tensors, each [n], binary where the caller wants them so.

    Raises:
        BadQuestion: an output was asked for that does not exist.
    """
    written = columns(answers)
    for wanted in request.request_outputs or ():
        if wanted.name not in written:
            raise BadQuestion(
                f"outputs.{wanted.name[:64]}", f"unknown output; expected {', '.join(written)}"
            )
    return InferResponse(
        response_id=request.id or generate_uuid(),
        model_name=name,
        infer_outputs=[
            InferOutput(name=each, shape=[len(values)], datatype="BYTES", data=values)
            for each, values in written.items()
        ],
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def _parameters(request: InferRequest) -> dict[str, object]:
    """Return the request's own wishes; JSON and gRPC carry them differently."""
    given = request.parameters or {}
    plain: Mapping[str, object] = (
        given if isinstance(given, dict) else (to_http_parameters(given) or {})
    )
    wishes = {key: value for key, value in plain.items() if key not in _PROTOCOL_PARAMETERS}
    for name in wishes.keys() - _WISHES.keys():
        raise BadQuestion(f"parameters.{name[:64]}", f"unknown parameter; expected {_known()}")
    return {name: _as_json(name, value) for name, value in wishes.items()}


def _spread(name: str, tensor: InferInput, count: int) -> list[object]:
    values = [_as_json(name, value) for value in _values(tensor, _WISHES[name])]
    if len(values) == 1:
        return values * count
    if len(values) != count:
        raise BadQuestion(f"inputs.{name}", f"expected 1 or {count} values, found {len(values)}")
    return values


def _values(tensor: InferInput, datatype: str) -> list[Any]:
    """Return a tensor's elements as Python values, strings decoded."""
    where = f"inputs.{tensor.name}"
    if not tensor.datatype.startswith(datatype):
        raise BadQuestion(where, f"expected datatype {datatype}, found {tensor.datatype[:16]}")
    shape = list(tensor.shape)
    if len(shape) not in {1, 2} or (len(shape) == 2 and shape[1] != 1):  # noqa: PLR2004
        raise BadQuestion(where, f"expected shape [n] or [n, 1], found {shape[:8]}")
    try:
        values = tensor.as_numpy().ravel().tolist()
    except (ValueError, TypeError, OverflowError, IndexError):
        raise BadQuestion(where, f"expected data of shape {shape}") from None
    if len(values) != shape[0]:
        raise BadQuestion(where, f"expected {shape[0]} values, found {len(values)}")
    return [_text(value, where) if isinstance(value, bytes) else value for value in values]


def _text(value: bytes, where: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadQuestion(where, "expected UTF-8 text") from None


def _as_json(name: str, value: object) -> object:
    if name == "history" and isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadQuestion("history", "expected a JSON list of messages") from None
    if name == "temperature" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _known() -> str:
    return ", ".join(_WISHES)
