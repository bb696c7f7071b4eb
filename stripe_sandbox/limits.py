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

    def take_call(self, namespace: str, path: str) -> None:
        """A token bucket that holds one second's worth; live meter events may have another one than all other calls."""
        meter_events = self._settings.live_meter_events_per_second
        if meter_events and namespace == "live" and path.endswith("/billing/meter_events"):
            self._take(f"{namespace} meter events", meter_events, "endpoint-rate")
        elif self._settings.rate_limit_per_second:
            self._take(namespace, self._settings.rate_limit_per_second, "global-rate")

    def _take(self, bucket: str, rate: float, reason: str) -> None:
        now = self._clock.now()
        tokens, then = self._buckets.get(bucket, (rate, now))
        tokens = min(rate, tokens + (now - then) * rate)
        self._buckets[bucket] = (max(tokens - 1, 0), now) if tokens >= 1 else (tokens, now)
        if tokens < 1:
            raise rate_limited({"Stripe-Rate-Limited-Reason": reason, "Retry-After": "1"})

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
