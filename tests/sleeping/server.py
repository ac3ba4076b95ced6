"""The scripted LLM in a process of its own, which takes its time to start as a real one does."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fakes import ScriptedLlm

ROOT = Path(__file__).resolve().parents[2]
REPLY = "I don't have that."


def command(
    *, start_s: float = 0.5, loading_s: float = 0.0, ms_per_token: float = 0.0, reply: str = REPLY
) -> list[str]:
    """Return what starts it; `{port}` is the activator's to fill in."""
    options = {"start-s": start_s, "loading-s": loading_s, "ms-per-token": ms_per_token}
    told = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "tests.sleeping.server", "--port={port}", *told, reply]


def main(arguments: Sequence[str] | None = None) -> None:
    """Sleep as a process that loads, listen, load on where that is wanted, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start-s", type=float, default=0.0)
    parser.add_argument("--loading-s", type=float, default=0.0)
    parser.add_argument("--ms-per-token", type=float, default=0.0)
    parser.add_argument("reply")
    told = parser.parse_args(arguments)
    # waited for, not handled: a handler that sets an `Event` hangs where it breaks into its `wait`
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if _told_to_end(told.start_s):
        return
    llm = ScriptedLlm(
        reply=told.reply,
        port=told.port,
        token_s=told.ms_per_token / 1000,
        loading=told.loading_s > 0,
    )
    with llm:
        if _told_to_end(told.loading_s):
            return
        llm.loading = False
        signal.sigwait({signal.SIGTERM})


def _told_to_end(within_s: float) -> bool:
    return signal.sigtimedwait({signal.SIGTERM}, within_s) is not None


if __name__ == "__main__":
    main()
