"""How OpenAI's clients are told of a fault. Pure."""

import re
from http import HTTPStatus

_OURS = re.compile(r"/openai(?:/.*)?|/v1/(?:chat/)?completions/?")
_CODES = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.FORBIDDEN: "insufficient_permissions",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}


def speaks_openai(path: str) -> bool:
    """Tell whether who asks at a path is answered in OpenAI's form.

    >>> speaks_openai("/v1/chat/completions"), speaks_openai("/v1/models/rag-agent:predict")
    (True, False)
    """
    return bool(_OURS.fullmatch(path))


def fault(status: int, message: str, param: str | None = None) -> dict[str, object]:
    """Return OpenAI's body of an error; a model that is not found is named by `param`."""
    at = HTTPStatus(status)
    kind = "server_error" if at >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    is_model = at is HTTPStatus.NOT_FOUND and param == "model"
    return {
        "error": {
            "message": message,
            "type": "requests" if at is HTTPStatus.TOO_MANY_REQUESTS else kind,
            "param": param,
            "code": "model_not_found" if is_model else _CODES.get(at),
        }
    }
