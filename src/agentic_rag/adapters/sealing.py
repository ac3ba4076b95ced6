"""Seals: what was written down for later is taken as it was written, or not at all. Pure."""

import hashlib
import hmac
from typing import Any

import orjson

from agentic_rag.errors import AdapterRefused

Body = dict[str, Any]


def seal(kind: str, body: Body, key: bytes) -> Body:
    """Return a record with a seal, which holds for this kind of record only.

    >>> unseal("gate", seal("gate", {"passed": True}, b"key"), b"key")
    {'passed': True}
    """
    return {"record": body, "seal": _seal(kind, body, key)}


def unseal(kind: str, told: object, key: bytes) -> Body:
    """Return what a record says.

    Raises:
        AdapterRefused: it is none, of another kind, sealed with another key, or was edited.
    """
    if not isinstance(told, dict) or set(told) != {"record", "seal"}:
        raise AdapterRefused("unsealed", f"the {kind} record has no seal")
    record, found = told["record"], told["seal"]
    if not isinstance(record, dict) or not isinstance(found, str):
        raise AdapterRefused("unsealed", f"the {kind} record has no seal")
    if not hmac.compare_digest(_seal(kind, record, key).encode(), found.encode()):
        raise AdapterRefused("edited", f"the {kind} record is not as it was sealed")
    return record


def unseal_text(kind: str, text: str | bytes, key: bytes) -> Body:
    """Do `unseal` to a record as it is kept.

    Raises:
        AdapterRefused: as there.
    """
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise AdapterRefused("edited", f"the {kind} record cannot be read") from None
    return unseal(kind, told, key)


def _seal(kind: str, body: Body, key: bytes) -> str:
    written = orjson.dumps([kind, body], option=orjson.OPT_SORT_KEYS)
    return hmac.new(key, written, hashlib.sha256).hexdigest()
