"""What the local Stripe was asked: every request to its API, as it arrived."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

Application = Callable[..., Awaitable[None]]


class RequestLog:
    """ASGI middleware: counts requests to /v1 and /v2 by method, while somebody listens."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._listens = False

    def __call__(self, application: Application) -> Application:
        async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if self._listens and scope["type"] == "http" and scope["path"].startswith(("/v1/", "/v2/")):
                self.seen[scope["method"]] += 1
            await application(scope, receive, send)

        return wrapped

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Requests of the block are seen: the product's. A test's own, outside of it, are not."""
        self._listens = True
        try:
            yield
        finally:
            self._listens = False
