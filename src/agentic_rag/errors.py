"""What can go wrong, split by whose fault it is.

AgenticRagError
├── BadQuestion              the caller's: a field of the request is wrong
├── NotAllowed               the caller's: their key does not open this
├── Misconfigured            the operator's
│   ├── BadSettings          an environment variable is wrong
│   ├── BadPack              a file of the clinic pack is wrong
│   ├── FilesSkipped         files cannot be indexed, and none was to be left out
│   ├── EngineMissing        ingest was to run with an engine that is not installed
│   ├── BadExport            the embedder cannot be exported
│   ├── BadReceipt           a receipt, or the documents to prove it by, cannot be read
│   ├── BadSuite             a file of cases or of thresholds is wrong
│   ├── BadCases             a smoke test's server or questions cannot be
│   ├── BadFigures           a model, a GPU or a figure of one is not known or cannot be
│   ├── BadOverlay           what is to be deployed cannot be read, or there is no kubectl
│   ├── BadAdapter           an adapter's files cannot be used: which, and why
│   ├── AdapterRefused       an adapter may not go where it was told to
│   ├── ReplicaRefused       a replica of vLLM does not do what it is told
│   │   ├── AlreadyLoaded    it has an adapter of that name
│   │   ├── NameTaken        that is the name of its base model
│   │   ├── NoSuchAdapter    it has no adapter, or finds no files, of that name
│   │   └── LoadingOff       it takes no adapters while it runs
│   └── LlmNotConfigured     a chat model was asked for and none is set
└── Unavailable              ours, and it may pass
    ├── Overloaded           too many ask, or too many to be done in time
    ├── RetrievalUnavailable the index or the embedder cannot be used now
    │   ├── IndexRefused     a version is damaged, or was made for other parts than ours
    │   └── IndexUnproven    a new index version did not pass its checks
    ├── LlmUnavailable       a rung of the LLM ladder did not answer
    │   ├── LlmAsleep        nobody is there: it sleeps, or wakes
    │   ├── LlmStumbled      it failed before a word was written: another try may help
    │   ├── LlmRefused       it will not, whoever asks: the key, the name or the address is wrong
    │   ├── LlmPromptRefused it will not read this prompt, which is too long or not to its taste
    │   └── LlmTooSlow       the question's own time was up first
    ├── SessionUnavailable   what keeps conversations cannot be used now
    │   ├── SessionDamaged   what was kept of one cannot be read
    │   └── SessionHurried   there was no time for it, or it rests: nothing speaks against it
    ├── RecordsUnavailable   what keeps records of answers cannot be used now
    ├── RegistryUnavailable  the registry of adapters cannot be used now: not the same as empty
    ├── ReplicaUnavailable   a replica of vLLM does not answer, or not as one does
    │   └── EngineFailed     it answers that it failed within
    ├── ClusterUnavailable   a cluster does not answer, or does not take what it is told
    │   └── ClusterForbids   whoever asks it may not
    └── CheckerUnavailable   the stronger checker of sentences cannot be used now
"""

import re
from collections.abc import Mapping, Sequence


class AgenticRagError(Exception):
    """The root of the tree."""


_NAME = r"(?:[A-Za-z_][A-Za-z0-9_-]{0,39}(?:\[[0-9]{1,6}\])*|[0-9]{1,4})"
_KNOWN = re.compile(rf"{_NAME}(?:\.{_NAME})*(?=\.|\Z)", re.ASCII)


def told_of(field: str) -> str:
    """Return as much of a field's name as is one; the body's, where nothing of it is.

    >>> told_of("instances[0].k"), told_of("inputs.I am Asha"), told_of("98765 43210")
    ('instances[0].k', 'inputs', 'body')
    """
    found = _KNOWN.match(field)
    return found[0] if found else "body"


def plain(text: object, otherwise: str) -> str:
    """Return what a caller wrote where it is a plain name, and else something that says less.

    >>> plain("FP32", "another"), plain("I am Asha", "another")
    ('FP32', 'another')
    """
    return text if isinstance(text, str) and told_of(text) == text else otherwise


class BadQuestion(AgenticRagError):  # noqa: N818  # named for what happened
    """A field of the request is wrong.

    Attributes:
        field: the field as the caller wrote it, e.g. `instances[0].k`; of one that they made up
            no more than a plain name is told: it may be anything, a patient's words among it.
        expected: what would have been right.
    """

    def __init__(self, field: str, expected: str) -> None:
        self.field = told_of(field)
        super().__init__(f"{self.field}: {expected}")
        self.expected = expected


class NotAllowed(AgenticRagError):  # noqa: N818
    """The caller has a key, and not the scope that this needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this needs the {scope} scope")


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


class BadReceipt(Misconfigured):
    """A receipt cannot be read; the message names the file, the field and what was expected."""


class BadSuite(Misconfigured):
    """Cases or thresholds cannot be used; the message names the file, the line and the field."""


class BadCases(Misconfigured):
    """A smoke test's server or questions cannot be; the message names the option or the file."""


class BadFigures(Misconfigured):
    """A model, a GPU or a figure of one is not known or cannot be; the message names the option."""


class BadOverlay(Misconfigured):
    """What is to be deployed cannot be read, or there is no kubectl to do it by."""


class BadAdapter(Misconfigured):
    """An adapter's files cannot be used; the message names the file and what was expected."""


class AdapterRefused(Misconfigured):
    """An adapter may not go where it was told to.

    Attributes:
        why: the reason, in one of a few words, for programs.
    """

    def __init__(self, why: str, told: str) -> None:
        super().__init__(f"{why}: {told}")
        self.why = why


class ReplicaRefused(Misconfigured):
    """A replica of vLLM does not do what it is told; the message names it, and why."""


class AlreadyLoaded(ReplicaRefused):
    """A replica has an adapter of that name already."""


class NameTaken(ReplicaRefused):
    """An adapter was to have the name of the replica's base model."""


class NoSuchAdapter(ReplicaRefused):
    """A replica has no adapter of that name, or finds no files where they should be."""


class LoadingOff(ReplicaRefused):
    """A replica takes no adapters while it runs; the message names what turns that on."""


class LlmNotConfigured(Misconfigured):
    """A chat model was asked for, and no rung with a model is set."""


class Unavailable(AgenticRagError):  # noqa: N818
    """Something that we lean on is away."""


class Overloaded(Unavailable):
    """Too many ask at once.

    Attributes:
        reason: `full`, for there are too many, or `late`, for it would not be done in time; or
            `rate` or `key`, for this caller has asked too often, or asks too much at once.
        retry_after_s: when there may be room.
    """

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(f"too many questions at once ({reason})")
        self.reason = reason
        self.retry_after_s = retry_after_s


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
    """A rung of the LLM ladder did not answer.

    Attributes:
        is_sick: whether that speaks against its health.
    """

    is_sick = True


class LlmAsleep(LlmUnavailable):
    """Nobody is there: it sleeps, or wakes.

    Attributes:
        eta_s: seconds until it may be awake, where that can be told.
    """

    is_sick = False

    def __init__(self, message: str, eta_s: float | None = None) -> None:
        super().__init__(message)
        self.eta_s = eta_s


class LlmStumbled(LlmUnavailable):
    """It failed before a word was written: another try may help.

    Attributes:
        retry_after_s: how long it asked to be left alone.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LlmRefused(LlmUnavailable):
    """It will not, whoever asks; the message names the setting that is wrong."""


class LlmPromptRefused(LlmUnavailable):
    """It will not read this prompt, which is too long or not to its taste."""

    is_sick = False


class LlmTooSlow(LlmUnavailable):
    """The question's own time was up before it had answered."""

    is_sick = False


class CheckerUnavailable(Unavailable):
    """The stronger checker that SUPPORT_MODEL names cannot be loaded, or failed."""


class RegistryUnavailable(Unavailable):
    """The registry of adapters cannot be used now; what is in it is not known."""


class ReplicaUnavailable(Unavailable):
    """A replica of vLLM does not answer, or not as one does; the message names it."""


class EngineFailed(ReplicaUnavailable):
    """A replica of vLLM answers that it failed within."""


class RecordsUnavailable(Unavailable):
    """What keeps records of answers cannot be used now."""


class SessionUnavailable(Unavailable):
    """What keeps conversations cannot be used now."""


class SessionDamaged(SessionUnavailable):
    """What was kept of a conversation cannot be read; the next turn takes its place."""


class SessionHurried(SessionUnavailable):
    """There was no time for what keeps conversations, or it rests: nothing speaks against it."""


class ClusterUnavailable(Unavailable):
    """A cluster does not answer, or does not take what it is told; the message is kubectl's."""


class ClusterForbids(ClusterUnavailable):
    """Whoever asks a cluster may not; the message is kubectl's."""
