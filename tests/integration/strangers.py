"""A stranger who has read an OpenAPI document and tries all that it allows, and all that not."""

import subprocess
import sys
from pathlib import Path

from tests.integration.servers import MODEL, environment

HANG_S = 30

_MANNERS = f"""
request-timeout = {HANG_S}
suppress-health-check = ["all"]
warnings = false

# who gives an answer no time is told to come back, which is the truth
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]

[parameters]
"path.model_name" = "{MODEL}"

# which tensors make a question is more than a schema of tensors can say
[[operations]]
include-path = "/v2/models/{{model_name}}/infer"
checks.positive_data_acceptance.enabled = false

# what makes a conversation is more than a schema can say, and null asks for nothing in any field
[[operations]]
include-path = "/api/chat"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false

# of another route that has this path, too, Starlette takes the methods that it allows
[[operations]]
include-path = "/v1/models/{{model_name}}:predict"
checks.allow_header_conformance.enabled = false
"""


def complaints(document: str, base: str, folder: Path, *, seconds: int, seed: int = 6) -> str:
    """Let schemathesis ask for so long; return what it complains of, or nothing.

    A 5xx, a status that is not in the document, a reply of another shape, a request that is refused
    though the document allows it or taken though it does not, and silence are all complaints.
    """
    manners = folder / "schemathesis.toml"
    manners.write_text(_MANNERS, "utf-8")
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", manners, "run"]
    limits = ["--max-time", str(seconds), "--seed", str(seed), "--phases", "coverage,fuzzing"]
    done = subprocess.run(
        [*command, document, "--url", base, *limits],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
