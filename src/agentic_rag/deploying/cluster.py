"""A cluster, as it is asked and told: by kubectl, and nothing else."""

import json
import shutil
import subprocess
from typing import Any, Protocol

from agentic_rag.errors import BadOverlay, ClusterForbids, ClusterUnavailable

_ASK_S = "30s"
_MOST_S = 900


class Cluster(Protocol):
    """What deploying asks of a cluster."""

    def read(self, path: str) -> dict[str, Any] | None:
        """Return what the API has at a path; None where there is nothing.

        Raises:
            ClusterForbids: whoever asks may not.
            ClusterUnavailable: it does not answer.
        """
        ...

    def apply(self, text: str, *, dry_run: bool = False) -> list[str]:
        """Apply objects; return a line for each.

        Raises:
            ClusterUnavailable: it refuses some; the message says which, and why.
        """
        ...

    def delete(self, text: str) -> list[str]:
        """Delete objects, those that are not there passed over; return a line for each.

        Raises:
            ClusterUnavailable: it refuses.
        """
        ...


class Rollout(Protocol):
    """Starts pods anew."""

    def restart(self, workload: str, namespace: str, *, limit_s: float) -> None:
        """Start the pods of a workload (`deployment/llm-predictor`) anew; wait until all are ready.

        Raises:
            ClusterUnavailable: it refuses, or is not done within the limit.
        """
        ...


class Kubectl:
    """A cluster behind kubectl, in its current context."""

    def __init__(self) -> None:
        """Find kubectl.

        Raises:
            BadOverlay: it is not there.
        """
        found = shutil.which("kubectl")
        if found is None:
            raise BadOverlay("kubectl is not on the PATH")
        self._kubectl = found

    def read(self, path: str) -> dict[str, Any] | None:
        """See `Cluster`."""
        done = self._run("get", "--raw", path, f"--request-timeout={_ASK_S}")
        if done.returncode == 0:
            return _read(done.stdout)
        if "(NotFound)" in done.stderr:
            return None
        if "(Forbidden)" in done.stderr:
            raise ClusterForbids(_fault(done.stderr))
        raise ClusterUnavailable(_fault(done.stderr))

    def apply(self, text: str, *, dry_run: bool = False) -> list[str]:
        """See `Cluster`."""
        return self._do(["apply", *(["--dry-run=server"] if dry_run else [])], text)

    def delete(self, text: str) -> list[str]:
        """See `Cluster`."""
        return self._do(["delete", "--ignore-not-found", "--timeout=600s"], text)

    def restart(self, workload: str, namespace: str, *, limit_s: float) -> None:
        """See `Rollout`."""
        where = f"--namespace={namespace}"
        for words in (["restart"], ["status", f"--timeout={min(limit_s, _MOST_S):.0f}s"]):
            done = self._run("rollout", *words, workload, where)
            if done.returncode:
                raise ClusterUnavailable(_fault(done.stderr))

    def _do(self, words: list[str], text: str) -> list[str]:
        done = self._run(*words, "--filename=-", told=text)
        if done.returncode:
            raise ClusterUnavailable(_fault(done.stderr))
        return done.stdout.splitlines()

    def _run(self, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # the operator's own kubectl, found on the PATH
                [self._kubectl, *words],
                input=told,
                capture_output=True,
                text=True,
                timeout=_MOST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ClusterUnavailable(f"kubectl {words[0]} does not come to an end") from None


def _read(said: str) -> dict[str, Any]:
    try:
        told = json.loads(said)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ClusterUnavailable("it answers, but not as an API server does")
    return told


def _fault(said: str) -> str:
    r"""Return what kubectl says went wrong, without its warnings.

    >>> _fault("Warning: is missing an annotation\nError from server (Forbidden): no")
    'Error from server (Forbidden): no'
    """
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return "; ".join(errors or lines[-1:]) or "kubectl says nothing"
