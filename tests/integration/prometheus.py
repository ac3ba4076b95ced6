"""A real Prometheus, in a process of its own, that scrapes what a test tells it to."""

import contextlib
import json
import math
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.integration.servers import HOST, START_LIMIT_S, STOP_LIMIT_S
from tests.ports import free_port

_EVERY = "2s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Somebody to scrape, with a key or without."""

    name: str
    port: int
    key: str | None = None

    def written(self) -> dict[str, Any]:
        """Return the job as Prometheus' configuration has it."""
        bearer = {"authorization": {"credentials": self.key}} if self.key else {}
        target = {"targets": [f"{HOST}:{self.port}"]}
        return {"job_name": self.name, "static_configs": [target], **bearer}


class Prometheus:
    """The server, from its start to its end."""

    def __init__(self, folder: Path, jobs: list[Job], rules: Sequence[Path] = ()) -> None:
        """Start it; the test is skipped where there is none.

        Args:
            folder: for what it keeps.
            jobs: who is scraped.
            rules: files of PrometheusRules, which it gets as the operator would give it them.
        """
        binary = shutil.which("prometheus")
        if not binary:
            pytest.skip("prometheus is not installed (Debian: prometheus)")
        address = f"{HOST}:{free_port()}"
        self._client = httpx.Client(base_url=f"http://{address}", timeout=60)
        times = ("scrape_interval", "scrape_timeout", "evaluation_interval")
        told = {
            "global": dict.fromkeys(times, _EVERY),
            "scrape_configs": [job.written() for job in jobs],
            "rule_files": [str(_unwrapped(each, folder)) for each in rules],
        }
        (folder / "prometheus.yml").write_text(json.dumps(told), "utf-8")  # which is YAML, too
        flags = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": address,
        }
        with (folder / "prometheus.log").open("w") as log:
            self._process = subprocess.Popen(
                [binary, *(f"--{name}={value}" for name, value in flags.items())],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, query: str) -> dict[str, float]:
        """Return the value of each job that a query has one for."""
        found = self._data("query", query=query)["result"]
        return {each["metric"].get("job", ""): float(each["value"][1]) for each in found}

    def numbers(self, query: str) -> list[float]:
        """Return what a query finds, but what is no number."""
        found = (float(each["value"][1]) for each in self._data("query", query=query)["result"])
        return [each for each in found if not math.isnan(each)]

    def sick_rules(self) -> dict[str, str]:
        """Return what is wrong with each rule that cannot be computed, or was not yet."""
        groups = self._data("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert rules
        return {r["name"]: r.get("lastError", "") for r in rules if r["health"] != "ok"}

    def series(self, job: str) -> list[dict[str, str]]:
        """Return the names and labels of all that was ever scraped from somebody."""
        return list(self._data("series", **{"match[]": f'{{job="{job}"}}'}))

    def wait(self, query: str) -> dict[str, float]:
        """Ask until there is something that the query finds."""
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):  # it has only just started
                if found := self.ask(query):
                    return found
            time.sleep(0.2)
        raise AssertionError(f"nothing was found by {query}")

    def wait_for_scrapes(self) -> None:
        """Wait until everybody has been scraped again: what there was by now has been seen."""
        self.wait(f"count(timestamp(up) > {time.time()}) == count(up)")

    def _data(self, door: str, **told: str) -> Any:
        reply = self._client.get(f"/api/v1/{door}", params=told)
        return reply.raise_for_status().json()["data"]

    def stop(self) -> None:
        """End it."""
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _unwrapped(rules: Path, folder: Path) -> Path:
    """Write what a PrometheusRule holds as a file of rules."""
    spec = yaml.safe_load(rules.read_text("utf-8"))["spec"]
    (folder / rules.name).write_text(json.dumps(spec), "utf-8")
    return folder / rules.name
