"""What can go wrong, split by whose fault it is.

AgenticRagError
├── BadQuestion              the caller's: a field of the request is wrong
├── Misconfigured            the operator's
│   ├── BadSettings          an environment variable is wrong
│   ├── BadPack              a file of the clinic pack is wrong
│   ├── FilesSkipped         files cannot be indexed, and none was to be left out
│   ├── EngineMissing        ingest was to run with an engine that is not installed
│   ├── BadExport            the embedder cannot be exported
│   ├── BadSuite             a file of cases or of thresholds is wrong
│   └── LlmNotConfigured     a chat model was asked for and none is set
└── Unavailable              ours, and it may pass
    ├── RetrievalUnavailable the index or the embedder cannot be used now
    │   ├── IndexRefused     a version is damaged, or was made for other parts than ours
    │   └── IndexUnproven    a new index version did not pass its checks
    ├── LlmUnavailable       a rung of the LLM ladder did not answer
    └── CheckerUnavailable   the stronger checker of sentences cannot be used now
"""

from collections.abc import Mapping, Sequence


class AgenticRagError(Exception):
    """The root of the tree."""


class BadQuestion(AgenticRagError):  # noqa: N818  # named for what happened
    """A field of the request is wrong.

    Attributes:
        field: the field as the caller wrote it, e.g. `instances[0].k`.
        expected: what would have been right.
    """

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


class Misconfigured(AgenticRagError):  # noqa: N818
    """The operator has something to mend; the message says what."""


class BadSettings(Misconfigured):
    """An environment variable has a value that cannot be used."""


class BadPack(Misconfigured):
    """A clinic pack cannot be used; the message names the file, the field and what was expected."""


class FilesSkipped(Misconfigured):
    """Files cannot be indexed, or not be quoted whole, and nothing was to be left out.

    Attributes:
        skipped: the reason by name of each file, or part of one.
    """

    def __init__(self, skipped: Mapping[str, str]) -> None:
        told = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        super().__init__(f"not indexed, for files would have been left out: {told}")
        self.skipped = skipped


class EngineMissing(Misconfigured):
    """Ingest was to run with an engine that is not installed; the message names the extra."""


class BadExport(Misconfigured):
    """The embedder cannot be exported; the message says why."""


class BadSuite(Misconfigured):
    """Cases or thresholds cannot be used; the message names the file, the line and the field."""


class LlmNotConfigured(Misconfigured):
    """A chat model was asked for, and no rung with a model is set."""


class Unavailable(AgenticRagError):  # noqa: N818
    """Something that we lean on is away."""


class RetrievalUnavailable(Unavailable):
    """The index or the embedder cannot be used now."""


class IndexRefused(RetrievalUnavailable):
    """An index version is damaged, or was made for other parts than ours; waiting mends nothing."""


class IndexUnproven(RetrievalUnavailable):
    """A new index version did not pass its checks; the live one stays.

    Attributes:
        missed: the known questions that it does not find the passage for.
    """

    def __init__(self, message: str, missed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missed = tuple(missed)


class LlmUnavailable(Unavailable):
    """A rung of the LLM ladder did not answer."""


class CheckerUnavailable(Unavailable):
    """The stronger checker that SUPPORT_MODEL names cannot be loaded, or failed."""
