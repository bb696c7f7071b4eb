"""The HTTP side of the SDK, with a count of its reads: every GET, each page and each retry, as Stripe counts them."""

import threading
from collections.abc import Mapping
from typing import Any

import stripe


class CountedRequests(stripe.RequestsClient):
    """`requests`, as the SDK uses it, that knows how many GETs went out; threads share it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._gets = 0
        self._counting = threading.Lock()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any
    ) -> Any:
        """One request. Counted before it goes out: one without an answer is one that Stripe may have counted."""
        if method.upper() == "GET":
            with self._counting:
                self._gets += 1
        return super().request(method, url, headers, post_data, **more)

    def take_gets(self) -> int:
        """How many GETs there were since this was last asked."""
        with self._counting:
            taken, self._gets = self._gets, 0
        return taken
