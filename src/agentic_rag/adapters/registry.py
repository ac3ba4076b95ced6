"""The registry: versions, aliases and records in MLflow. The only module that knows MLflow."""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from agentic_rag.adapters.aliases import OPPOSITE, Alias, check_transition
from agentic_rag.adapters.files import Described, digests
from agentic_rag.adapters.sealing import Body, seal, unseal_text
from agentic_rag.adapters.versions import Reference, Version, digest_of, version_of
from agentic_rag.errors import AdapterRefused, BadSettings, RegistryUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

_FOLDER = "adapter"  # where a run keeps the files
_EXPERIMENT = "agentic-rag adapters"
_VERSION, _DIGEST = "agentic-rag.version", "agentic-rag.digest"
_TIMEOUT_S, _RETRIES = 20, 1
_LOGIN = re.compile(r"//[^/\s]*@")


class Registry:
    """One registered model: the single truth of which versions there are and what they are.

    That it does not answer is `RegistryUnavailable`, whatever is asked; never "none".
    """

    def __init__(self, uri: str, name: str, key: bytes) -> None:
        """Ask nobody yet.

        Args:
            uri: MLflow's address.
            name: of the registered model.
            key: that records are sealed with.
        """
        self.name = name
        self._uri, self._key = uri, key
        self._opened: MlflowClient | None = None

    async def aliases(self) -> dict[Alias, int]:
        """Return which version has each alias; none where nothing was ever registered."""
        found = await self._ask(lambda client: client.get_registered_model(self.name).aliases)
        told = {alias: int(number) for alias, number in (found or {}).items()}
        return {alias: told[alias] for alias in Alias if alias in told}

    async def resolve(self, reference: Reference) -> Version:
        """Return the version that is meant now; who asks keeps it to the end.

        Raises:
            AdapterRefused: there is none, or what is written of it was edited.
        """
        if reference.number:
            return await self.version(reference.number)
        held = await self.aliases()
        if reference.alias not in held:
            raise AdapterRefused("no-such-version", f"no version of {self.name} is {reference}")
        return await self.version(held[reference.alias])

    async def version(self, number: int) -> Version:
        """Return a version by its number.

        Raises:
            AdapterRefused: there is none, or what is written of it was edited.
        """
        told = await self.read(number, _VERSION)
        if told is None:
            raise AdapterRefused("no-such-version", f"{self.name} has no version {number} of ours")
        if (told["name"], told["number"]) != (self.name, number):
            raise AdapterRefused("borrowed", f"version {number} has the record of another")
        return version_of(told)

    async def register(
        self, folder: Path, described: Described, lineage: Mapping[str, str]
    ) -> Version:
        """Put files into the registry as the candidate; the same files are one version."""
        found = await asyncio.to_thread(digests, folder)
        if (number := await self._number_of(digest_of(found))) is None:
            number = await self._ask(lambda client: self._create(client, folder, found))
        record = {
            "name": self.name,
            "number": number,
            "base_model": described.base_model,
            "rank": described.rank,
            "digests": found,
            "fingerprint": [
                {"prompt": e.prompt, "text": e.text, "max_tokens": e.max_tokens}
                for e in described.fingerprint
            ],
            "lineage": dict(lineage),
        }
        if await self.read(number, _VERSION) is None:
            await self.write(number, _VERSION, record)
        version = await self.version(number)
        if version.digests != found:
            raise AdapterRefused("edited", f"{version.served_as} is said to be of other files")
        return version

    async def fetch(self, version: Version, path: str, folder: Path) -> None:
        """Put one file of a version below a folder."""

        def download(client: "MlflowClient") -> None:
            run = client.get_model_version(self.name, str(version.number)).run_id
            below = (folder / path).parent
            below.mkdir(parents=True, exist_ok=True)
            client.download_artifacts(run, f"{_FOLDER}/{path}", str(below))

        if await self._ask(download, otherwise=False) is False:
            raise RegistryUnavailable(f"the registry does not have {path} of {version.served_as}")

    async def read(self, number: int, kind: str) -> Body | None:
        """Return a record of a version; None where there is none.

        Raises:
            AdapterRefused: it was edited.
        """
        tags = await self._ask(lambda client: client.get_model_version(self.name, str(number)).tags)
        told = (tags or {}).get(kind)
        return None if told is None else unseal_text(kind, told, self._key)

    async def write(self, number: int, kind: str, record: Body) -> None:
        """Seal a record, which has to say whose it is, and keep it with a version."""
        text = orjson.dumps(seal(kind, record, self._key)).decode()
        await self._must(
            lambda client: client.set_model_version_tag(self.name, str(number), kind, text)
        )

    async def point(self, alias: Alias, number: int | None, *, forced: bool = False) -> None:
        """Give an alias to a version, or to none.

        Raises:
            AdapterRefused: the version is not where the way to that alias begins.
        """
        held = await self.aliases()
        if number is None:
            if alias in held:
                await self._must(
                    lambda client: client.delete_registered_model_alias(self.name, alias)
                )
            return
        if not forced:
            check_transition(alias, [each for each, of in held.items() if of == number])
        if held.get(alias) != number:
            await self._must(
                lambda client: client.set_registered_model_alias(self.name, alias, str(number))
            )
        opposite = OPPOSITE.get(alias)
        if opposite and held.get(opposite) == number:
            await self.point(opposite, None)

    async def _number_of(self, digest: str) -> int | None:
        """Return the version that was made of some files, and finished."""
        asked = f"name = '{self.name}' and tag.`{_DIGEST}` = '{digest}'"
        found = await self._ask(lambda client: client.search_model_versions(asked))
        return min((int(each.version) for each in found or ()), default=None)

    def _create(self, client: "MlflowClient", folder: Path, found: Mapping[str, str]) -> int:
        from mlflow.exceptions import RestException

        try:
            client.create_registered_model(self.name)
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        known = client.get_experiment_by_name(_EXPERIMENT)
        experiment = known.experiment_id if known else client.create_experiment(_EXPERIMENT)
        run = client.create_run(experiment, run_name=self.name).info.run_id
        client.log_artifacts(run, str(folder), _FOLDER)
        client.set_terminated(run)
        made = client.create_model_version(
            self.name,
            f"runs:/{run}/{_FOLDER}",
            run,
            tags={_DIGEST: digest_of(found)},
            await_creation_for=0,
        )
        return int(made.version)

    async def _must(self, do: "Callable[[MlflowClient], object]") -> None:
        if await self._ask(lambda client: (do(client), True)[1]) is None:
            raise RegistryUnavailable(f"the registry has lost {self.name}, or a version of it")

    async def _ask(
        self,
        do: "Callable[[MlflowClient], T]",
        otherwise: Any = None,  # noqa: ANN401  # see there
    ) -> Any:  # noqa: ANN401  # what `do` returns, or `otherwise`
        """Ask the registry; `otherwise` where it says that there is no such thing."""
        return await asyncio.to_thread(self._asked, do, otherwise)

    def _asked(self, do: "Callable[[MlflowClient], T]", otherwise: object) -> object:
        client = self._client()
        from mlflow.exceptions import MlflowException, RestException

        try:
            return do(client)
        except RestException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return otherwise
            raise RegistryUnavailable(f"the registry refuses: {_told(error)}") from error
        # a reply that is not MLflow's surfaces as one of the latter four
        except (
            MlflowException, OSError,
            ValueError, LookupError, TypeError, AttributeError,
        ) as error:  # fmt: skip
            raise RegistryUnavailable(f"the registry does not answer: {_told(error)}") from error

    def _client(self) -> "MlflowClient":
        """Open a client that gives up soon, draws no bars and tells nobody what it does."""
        if self._opened is None:
            if not self._uri:
                raise BadSettings("MLFLOW_TRACKING_URI: expected the registry's address")
            self._opened = _open(self._uri)
        return self._opened


def _open(uri: str) -> "MlflowClient":
    try:
        from mlflow import environment_variables as knobs
    except ModuleNotFoundError:
        raise BadSettings("the registry needs: pip install 'agentic-rag[mlops]'") from None
    for knob, value in (
        (knobs.MLFLOW_DISABLE_TELEMETRY, True),
        (knobs.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, False),
        (knobs.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, True),
        (knobs.MLFLOW_HTTP_REQUEST_TIMEOUT, _TIMEOUT_S),
        (knobs.MLFLOW_HTTP_REQUEST_MAX_RETRIES, _RETRIES),
    ):
        if not knob.is_set():
            knob.set(value)
    from mlflow import MlflowClient

    return MlflowClient(uri)


def _told(error: Exception) -> str:
    """Return what MLflow says, which may name its address with the password in it."""
    return _LOGIN.sub("//", " ".join(str(error).split()))[:200]
