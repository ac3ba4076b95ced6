"""Run in the image, by its own Python: starts what it starts, and tells how that went, as JSON."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE_S = 120


def is_ready() -> bool:
    try:
        with urlopen("http://127.0.0.1:8080/v2/models/rag-agent/ready", timeout=5) as reply:
            return reply.status == 200
    except URLError:
        return False


def spent_s(process: int) -> float:
    """Return what a process has taken of the processor's time."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def served(serve: list[str], health: list[str]) -> dict[str, object]:
    """Start it, ask for its health while it serves and when it has ended."""
    began = time.monotonic()
    server = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    while not (ready := is_ready()) and server.poll() is None:
        if time.monotonic() > began + PATIENCE_S:
            break
        time.sleep(0.02)
    ready_s = time.monotonic() - began
    told: dict[str, object] = {"ready": ready, "ready_s": ready_s, "cpu_s": spent_s(server.pid)}
    told["while_it_serves"] = subprocess.call(health)
    server.send_signal(signal.SIGTERM)
    told["code"] = server.wait(timeout=PATIENCE_S)
    told["when_it_has_ended"] = subprocess.call(health, stderr=subprocess.DEVNULL)
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(served(*json.loads(sys.argv[1]))))
