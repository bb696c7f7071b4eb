"""Stripe's limits, off unless a setting turns them on: calls per second, and calls at once per customer and event."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stripe_sandbox.clock import Clock
from stripe_sandbox.failures import rate_limited
from stripe_sandbox.settings import Settings


class Limits:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._in_progress: Counter[tuple[str, ...]] = Counter()

    def take_call(self, namespace: str) -> None:
        """A token bucket that holds one second's worth."""
        rate = self._settings.rate_limit_per_second
        if not rate:
            return
        now = self._clock.now()
        tokens, then = self._buckets.get(namespace, (rate, now))
        tokens = min(rate, tokens + (now - then) * rate)
        self._buckets[namespace] = (max(tokens - 1, 0), now) if tokens >= 1 else (tokens, now)
        if tokens < 1:
            raise rate_limited({"Stripe-Rate-Limited-Reason": "global-rate", "Retry-After": "1"})

    @contextmanager
    def one_at_a_time(self, key_of_call: Callable[[], tuple[str, ...] | None]) -> Iterator[None]:
        """Holds a place among the calls in progress for a key; a call without one needs no place."""
        most = self._settings.meter_event_concurrency
        key = key_of_call() if most else None
        if key is None:
            yield
            return
        if self._in_progress[key] >= most:
            raise rate_limited({"Stripe-Rate-Limited-Reason": "resource-specific"})
        self._in_progress[key] += 1
        try:
            yield
        finally:
            self._in_progress[key] -= 1
            if not self._in_progress[key]:
                del self._in_progress[key]
