"""The image, built and mounted, and entered as Kubernetes would: not root, nothing to write to."""

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
SCRIPTS = REPO / "infra/scripts"
TAG = "localhost/agentic-rag-test:soak"
BASE = "localhost/python:3.11-bookworm"

# Mounts are this process' own, and so is its network: a loopback, and nobody to fetch from.
ENTER = """
ip link set lo up
mount --bind "$ROOT" "$ROOT"
mount --bind "$DATA" "$ROOT/var/lib/agentic-rag"
mount --types tmpfs tmpfs "$ROOT/tmp"
mount --types proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --options remount,bind,ro "$ROOT"
exec setpriv --no-new-privs chroot --userspec=1000:1000 "$ROOT" env --ignore-environment "$@"
"""


@dataclass(frozen=True)
class Image:
    """What was built.

    Attributes:
        config: what the image says of itself: Env, Entrypoint, Cmd, User ...
        data: the volume, which outlives each entering.
    """

    root: Path
    config: dict[str, Any]
    data: Path

    @property
    def packages(self) -> Path:
        (found,) = self.root.glob("opt/venv/lib/python3*/site-packages")
        return found

    @property
    def command(self) -> list[str]:
        return [*self.config["Entrypoint"], *self.config["Cmd"]]

    def run(self, *command: str, within_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run something in the image, as its user, with its environment alone."""
        enter = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        return subprocess.run(
            [*enter, "sh", "-ec", ENTER, "enter", *self.config["Env"], *command],
            env={**os.environ, "ROOT": str(self.root), "DATA": str(self.data)},
            capture_output=True,
            text=True,
            timeout=within_s,
        )


def build_image() -> None:
    """Build it as people would; on a base of Debian's, where PYTHON_IMAGE names none.

    BUILD_OPTIONS is for what a machine's own network needs, say `--volume` of a package index.
    """
    base = os.environ.get("PYTHON_IMAGE", BASE)
    if base == BASE and run("buildah", "inspect", BASE).returncode:
        run(SCRIPTS / "debian_base.sh", BASE).check_returncode()
    options = ["--isolation", "chroot", "--build-arg", f"PYTHON_IMAGE={base}"]
    options += shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    built = run(SCRIPTS / "build_image.sh", TAG, *options)
    assert built.returncode == 0, built.stderr[-3000:]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)


def ask_buildah(*arguments: str | Path) -> str:
    done = run("buildah", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def config_of(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask_buildah("inspect", container))["Docker"]["config"]
    return found


def names(packages: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return the name and version of each, the name as package indexes compare it."""
    return {
        (each["name"].lower().replace("_", "-").replace(".", "-"), each["version"])
        for each in packages
    }
