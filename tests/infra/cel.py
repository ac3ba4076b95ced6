"""The CEL rules of CRDs (x-kubernetes-validations), evaluated as the API server would."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from celpy.celtypes import ListType, StringType

RESERVED = {"import", "in", "namespace", "package"}  # CEL's words are called __so__ as fields

Schema = dict[str, Any]


def complaints(schema: Schema, manifest: dict[str, Any]) -> list[str]:
    """Evaluate every rule of a schema over one manifest, its defaults filled in."""
    return list(_walk(schema, with_defaults(schema, manifest), "$"))


def with_defaults(schema: Schema, value: Any) -> Any:
    """The value as the API server would store it: rules are written for that."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        filled = {
            key: each["default"]
            for key, each in properties.items()
            if "default" in each and key not in value
        }
        return {
            key: with_defaults(_below(schema, key), each) for key, each in (value | filled).items()
        }
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), each) for each in value]
    return value


def _below(schema: Schema, key: str) -> Schema:
    further = schema.get("additionalProperties")
    found = schema.get("properties", {}).get(key, further)
    return found if isinstance(found, dict) else {}


def _walk(schema: Schema, value: Any, where: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], _named(schema, value)):
            yield f"{where}: {rule.get('message', rule['rule'])}"
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(_below(schema, key), each, f"{where}.{key}")
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _walk(schema.get("items", {}), each, f"{where}[{n}]")


def _named(schema: Schema, value: Any) -> Any:
    """The value with its fields named as rules name them; the keys of maps stay."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {
            f"__{key}__" if key in RESERVED & properties.keys() else key: _named(
                _below(schema, key), each
            )
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_named(schema.get("items", {}), each) for each in value]
    return value


def _holds(rule: str, value: Any) -> bool:
    return bool(_program(rule).evaluate({"self": json_to_cel(value)}))


@cache
def _program(rule: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule), functions={"split": _split})


def _split(text: StringType, separator: StringType) -> ListType:
    return ListType([StringType(each) for each in text.split(separator)])
