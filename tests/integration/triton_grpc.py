"""Asks with tritonclient.grpc, in a process of its own: its protobuf symbols clash with kserve's.

Reads {"url", "questions"} from stdin and prints what each call gave, as JSON.
"""

import json
import sys
from typing import Any

import numpy as np
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

MODEL = "rag-agent"
OUTPUTS = ("answer", "outcome", "sources", "metadata")


def main() -> None:
    """Ask everything, print everything."""
    order = json.load(sys.stdin)
    client = triton.InferenceServerClient(order["url"])
    questions = order["questions"]
    n = len(questions)
    column = question(questions, [n, 1])
    k = triton.InferInput("k", [n], "INT32")
    k.set_data_from_numpy(np.ones(n, dtype=np.int32))
    debug = triton.InferInput("debug", [1], "BOOL")
    debug.set_data_from_numpy(np.array([True]))
    some = [triton.InferRequestedOutput("outcome")]
    said = {
        "live": client.is_server_live(),
        "ready": client.is_model_ready(MODEL),
        "metadata": client.get_model_metadata(MODEL, as_json=True),
        "flat": infer(client, [question(questions, [n])]),
        "column": infer(client, [column]),
        "with_inputs": infer(client, [question(questions, [n]), k, debug]),
        "with_parameters": infer(
            client, [question(questions, [n])], parameters={"k": 1, "debug": True}
        ),
        "some_outputs": infer(client, [question(questions, [n])], outputs=some),
        "wrong_shape": infer(client, [question(questions, [n, 1, 1])]),
        "unknown_model": infer(client, [question(questions, [n])], model="nobody"),
    }
    client.close()
    json.dump(said, sys.stdout)


def question(texts: list[str], shape: list[int]) -> triton.InferInput:
    """Return the input tensor."""
    asked = triton.InferInput("question", shape, "BYTES")
    raw = np.array([text.encode() for text in texts], dtype=np.object_).reshape(shape)
    asked.set_data_from_numpy(raw)
    return asked


def infer(
    client: triton.InferenceServerClient,
    inputs: list[triton.InferInput],
    model: str = MODEL,
    **options: Any,
) -> dict[str, Any]:
    """Return the output columns, or the error."""
    try:
        reply = client.infer(model, inputs, client_timeout=60, **options)
    except InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    columns = {}
    for output in reply.get_response().outputs:
        columns[output.name] = [v.decode() for v in reply.as_numpy(output.name).ravel()]
    return columns


if __name__ == "__main__":
    main()
