"""The activator that tests stand behind: it holds, refuses, starts, stops as the real ones do."""

import gc
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

SLOW_TO_SAY = """
import http.server, sys, time

class Busy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(1.0)
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Busy).serve_forever()
"""


def models(service: Activator, timeout_s: float = 20.0) -> httpx.Response:
    return httpx.get(f"{service.base_url}/models", timeout=timeout_s)


def until(is_so, limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "did not come about in time"
        time.sleep(0.02)


def test_requests_are_held_while_one_server_is_started_for_all_of_them():
    with Activator(command(start_s=0.3)) as service, ThreadPoolExecutor(8) as callers:
        replies = list(callers.map(lambda _: models(service), range(8)))

        assert [reply.status_code for reply in replies] == [200] * 8
        assert replies[0].json()["data"][0]["id"] == "llm-server"
        assert len(service.starts) == 1
        assert service.held == 8


def test_a_request_that_is_held_too_long_gets_a_504_and_the_start_goes_on():
    with Activator(command(start_s=0.8), hold_limit_s=0.1) as service:
        reply = models(service)
        until(lambda: service.is_up)

        assert (reply.status_code, reply.text) == (504, "activator request timeout")
        assert models(service).status_code == 200
        assert len(service.starts) == 1


def test_a_caller_who_hangs_up_does_not_stop_the_start():
    with Activator(command(start_s=0.5)) as service:
        with pytest.raises(httpx.ReadTimeout):
            models(service, timeout_s=0.1)
        until(lambda: service.is_up)

        assert len(service.starts) == 1


def test_a_start_that_nobody_waits_for_any_more_is_not_collected_as_garbage():
    slow_to_say = [sys.executable, "-c", SLOW_TO_SAY, "{port}"]
    with Activator(slow_to_say) as service:
        with pytest.raises(httpx.ReadTimeout):
            models(service, timeout_s=0.1)

        def is_up_or_collects() -> bool:
            gc.collect()
            return service.is_up

        until(is_up_or_collects)

        assert len(service.starts) == 1


def test_a_request_at_the_very_end_starts_nothing_that_outlives_it():
    with ThreadPoolExecutor(1) as caller:
        with Activator(command(start_s=0.5)) as service:
            late = caller.submit(models, service)
            until(lambda: service.held)

        assert isinstance(late.exception(), httpx.HTTPError)
    assert len(service.starts) == len(service.stops) == 1


def test_an_idle_server_is_stopped_and_the_next_request_starts_another():
    with Activator(command(start_s=0.0), idle_s=0.2) as service:
        models(service)
        until(lambda: service.stops)

        assert models(service).status_code == 200
        assert len(service.starts) == 2


@pytest.mark.parametrize(("cold", "status"), [("503", 503), ("404", 404)])
def test_a_gateway_before_nothing_says_so_at_once_and_starts_nothing(cold, status):
    with Activator(command(), cold=cold) as service:
        reply = models(service, timeout_s=1)

        assert (reply.status_code, service.starts) == (status, [])


def test_without_a_server_nobody_listens_until_there_is_demand_for_one():
    demand = [0.0]
    with Activator(
        command(start_s=0.0), cold="refuse", demand=lambda: demand[0], idle_s=0.2
    ) as service:
        with pytest.raises(httpx.ConnectError):
            models(service)
        demand[0] = 1.0
        until(lambda: service.is_up)
        answered = models(service)
        demand[0] = 0.0
        until(lambda: service.stops)

        assert answered.status_code == 200
        with pytest.raises(httpx.ConnectError):
            models(service)
        assert len(service.starts) == 1


def test_a_server_that_loads_is_up_and_has_no_model():
    slow = command(start_s=0.0, loading_s=2.0)
    with Activator(slow, cold="503", demand=lambda: 1.0, health="") as service:
        until(lambda: service.is_up)
        listed = models(service).json()["data"]
        health = httpx.get(f"http://127.0.0.1:{service.port}/health", timeout=5)

        assert (listed, health.status_code) == ([], 503)
        until(lambda: models(service).json()["data"])


def test_a_caller_who_goes_away_in_mid_answer_is_gone_for_the_server_too():
    slow = command(start_s=0.0, ms_per_token=200, reply="one two three four five six")
    body = {"model": "llm-server", "messages": [{"role": "user", "content": "Hi"}]}
    with Activator(slow, idle_s=0.1) as service:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{service.base_url}/chat/completions", json=body, timeout=0.9)

        until(lambda: service.stops, 2.0)  # nothing is in flight any more
