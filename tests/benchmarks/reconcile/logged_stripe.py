"""A local Stripe that says what it was asked: `python -m tests.benchmarks.reconcile.logged_stripe`; prints its address.

`GET /_requests` gives the requests to /v1 and /v2 since it was last asked: how many by method, how many by what a GET
names (a customer's summaries, a subscription's invoices), and the seconds from the first to the last.
"""

import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse

from stripe_sandbox.server import SandboxServer

Application = Callable[..., Awaitable[None]]


class RequestLog:
    """ASGI middleware around the local Stripe."""

    def __init__(self) -> None:
        self._start_over()

    def _start_over(self) -> None:
        self._methods: Counter[str] = Counter()
        self._objects: Counter[str] = Counter()
        self._times: list[float] = []

    def __call__(self, application: Application) -> Application:
        async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
            path = scope.get("path", "")
            if path == "/_requests":
                await JSONResponse(self._told())(scope, receive, send)
                return
            if path.startswith(("/v1/", "/v2/")):
                self._note(scope["method"], parse_qs(scope["query_string"].decode()))
            await application(scope, receive, send)

        return wrapped

    def _note(self, method: str, query: dict[str, list[str]]) -> None:
        self._methods[method] += 1
        self._times.append(time.monotonic())
        for name in ("customer", "subscription"):
            if method == "GET" and name in query:
                self._objects[query[name][0]] += 1

    def _told(self) -> dict[str, Any]:
        seconds = self._times[-1] - self._times[0] if self._times else 0.0
        told = {"methods": dict(self._methods), "objects": dict(self._objects), "seconds": seconds}
        self._start_over()
        return told


def main() -> None:
    """Serve until terminated."""
    settings = {"apply_lag_seconds": 0.0, "rate_limit_per_second": 0.0, "live_meter_events_per_second": 0.0}
    with SandboxServer(wrap=RequestLog(), settings=settings) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
