"""KServe v2 tensors: questions out of them, answers into them."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import to_http_parameters
from kserve.utils.utils import generate_uuid

from agentic_rag.domain import Answer, Question
from agentic_rag.errors import BadQuestion, plain
from agentic_rag.serving.wire import check_count, check_wishes, read_question
from agentic_rag.serving.writing import write_answer
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
    "when_cold": "BYTES",
    "timeout_seconds": "FP",
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
    try:
        return _read(request, settings)
    except (TypeError, AttributeError, KeyError, IndexError, struct.error):
        # kserve takes the head of a binary request as it comes, whatever the types in it
        raise BadQuestion("body", "cannot be read as a v2 request") from None


def _read(request: InferRequest, settings: Settings) -> list[Question]:
    _check_head(request)
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
        _read_row(
            {**wishes, **{name: values[at] for name, values in rows.items()}, "question": text},
            at,
            settings,
        )
        for at, text in enumerate(asked)
    ]


def _read_row(row: dict[str, object], at: int, settings: Settings) -> Question:
    try:
        return read_question(row, where="inputs", settings=settings)
    except BadQuestion as error:
        raise BadQuestion(f"{error.field}[{at}]", error.expected) from None


def _check_head(request: InferRequest) -> None:
    """Refuse names and an id that are no Unicode text, which kserve lets through."""
    named = [("inputs.name", tensor.name) for tensor in request.inputs]
    named += [("inputs.datatype", tensor.datatype) for tensor in request.inputs]
    named += [("outputs.name", output.name) for output in request.request_outputs or ()]
    named += [("id", request.id or "")]
    for field, name in named:
        if not isinstance(name, str) or (not name.isprintable() and _is_broken(name)):
            raise BadQuestion(field, "expected a string of Unicode text")
    for tensor in request.inputs:
        if not all(isinstance(size, int) for size in tensor.shape):
            raise BadQuestion(f"inputs.{tensor.name[:64]}", "expected a shape of integers")


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def write_v2(request: InferRequest, model: str, answers: Sequence[Answer]) -> InferResponse:
    """Return the response tensors, each [n], binary where the caller wants them so.

    Raises:
        BadQuestion: an output was asked for that does not exist.
    """
    written = _columns(answers)
    wanted = {output.name for output in request.request_outputs or ()}
    for name in wanted - written.keys():
        known = ", ".join(written)
        raise BadQuestion(f"outputs.{name[:64]}", f"unknown output; expected {known}")
    return InferResponse(
        response_id=request.id or generate_uuid(),
        model_name=model,
        infer_outputs=[
            InferOutput(name=each, shape=[len(values)], datatype="BYTES", data=values)
            for each, values in written.items()
            if not wanted or each in wanted
        ],
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def _columns(answers: Sequence[Answer]) -> dict[str, list[str]]:
    """Return for each output one string per answer."""
    return {
        "answer": [answer.text for answer in answers],
        "outcome": [answer.outcome.value for answer in answers],
        "sources": [orjson.dumps(list(answer.sources)).decode() for answer in answers],
        "metadata": [orjson.dumps(write_answer(answer)).decode() for answer in answers],
    }


def _parameters(request: InferRequest) -> dict[str, object]:
    """Return the request's own wishes; JSON and gRPC carry them differently."""
    given = request.parameters or {}
    plain: Mapping[str, object] = (
        given if isinstance(given, dict) else (to_http_parameters(given) or {})
    )
    wishes = {key: value for key, value in plain.items() if key not in _PROTOCOL_PARAMETERS}
    for name in wishes.keys() - _WISHES.keys():
        raise BadQuestion(f"parameters.{name[:64]}", f"unknown parameter; expected {_known()}")
    read = {name: _as_json(name, value) for name, value in wishes.items()}
    check_wishes(read, where="parameters")
    return read


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
        found = plain(tensor.datatype, "another")
        raise BadQuestion(where, f"expected datatype {datatype}, found {found}")
    shape = list(tensor.shape)
    if len(shape) not in {1, 2} or (len(shape) == 2 and shape[1] != 1):  # noqa: PLR2004
        raise BadQuestion(where, f"expected shape [n] or [n, 1], found {shape[:8]}")
    _check_elements(tensor, datatype, where)
    try:
        values = tensor.as_numpy().ravel().tolist()
    except (ValueError, TypeError, OverflowError, IndexError, struct.error):
        raise BadQuestion(where, f"expected data of shape {shape}") from None
    if len(values) != shape[0]:
        raise BadQuestion(where, f"expected {shape[0]} values, found {len(values)}")
    return [_text(value, where) if isinstance(value, bytes) else value for value in values]


_ELEMENTS: dict[str, tuple[type, ...]] = {"INT": (int,), "BOOL": (bool,), "FP": (int, float)}


def _check_elements(tensor: InferInput, datatype: str, where: str) -> None:
    """Refuse JSON data of another type than the tensor says; numpy would bend it."""
    data = tensor.data
    if datatype not in _ELEMENTS or not isinstance(data, list):
        return
    flat = [e for row in data for e in (row if isinstance(row, list) else [row])]
    wanted = _ELEMENTS[datatype]
    if not all(
        isinstance(e, wanted) and (datatype == "BOOL" or (e is not True and e is not False))
        for e in flat
    ):
        raise BadQuestion(where, f"expected data of datatype {tensor.datatype[:16]}")


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
