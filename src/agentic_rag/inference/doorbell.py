"""The doorbell: asks a model's server for its models, which costs no token and wakes it."""

import asyncio
import ssl

import httpx
from pydantic import SecretStr

from agentic_rag.inference.bounded import PLAIN, bound
from agentic_rag.inference.sight import Sight, of_failure, of_models


class Doorbell:
    """Rings at one model's server."""

    def __init__(
        self, base_url: str, model: str, api_key: SecretStr, *, connect_timeout_s: float
    ) -> None:
        self._base_url = base_url
        self._model = model
        self._api_key = api_key
        self._connect_timeout_s = connect_timeout_s
        self._client: httpx.AsyncClient | None = None

    async def ring(self, within_s: float) -> Sight:
        """Return what is seen at the door, having waited there for so long at most."""
        if self._client is None:
            self._client = self._opened()
        try:
            async with asyncio.timeout(within_s):
                return await self._look(self._client)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return of_failure(error)

    async def _look(self, client: httpx.AsyncClient) -> Sight:
        """Ask what is served, and whether all is well: a list may be there before its model."""
        listed = await client.get(f"{self._base_url}/models")
        sight = of_models(listed.status_code, listed.content, self._model)
        if sight in {Sight.HERE, Sight.STRANGER}:
            health = await client.get(f"{self._base_url.removesuffix('/v1')}/health")
            if health.is_server_error:  # other servers than vLLM have no such page
                return Sight.LOADING
        return sight

    def _opened(self) -> httpx.AsyncClient:
        key = self._api_key.get_secret_value()
        is_plain = self._base_url.startswith("http://")
        return httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}", **PLAIN},
            event_hooks={"response": [bound]},
            timeout=httpx.Timeout(None, connect=self._connect_timeout_s),
            # reading all authorities takes long, where somebody waits for a look
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True,
            # a connection that idles may be one to a pod that is gone
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()
