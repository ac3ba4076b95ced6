"""Reads YAML files, by libyaml where it is there: ten times as fast as the plain loader."""

from pathlib import Path
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:  # noqa: ANN401  # whatever stands there
    """Return what a file holds.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a safe one


def read_documents(text: str) -> list[Any]:
    """Return the documents of a text, less those in which nothing stands.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return [each for each in yaml.load_all(text, Loader=_Loader) if each is not None]
