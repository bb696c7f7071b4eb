"""How fast a key may post: a token bucket per key, filled by the second, emptied by events and not by requests.

A bucket belongs to this process: with N doors a key may post N times its limit.
"""

from collections import OrderedDict
from math import ceil
from time import monotonic

from ingest.asgi import Headers
from ingest.metrics import Metrics
from ingest.problem import Problem
from tally.api_keys import ApiKey
from tally.settings import Settings

MAX_BUCKETS = 10_000


class _Bucket:
    __slots__ = ("at", "burst", "rate", "tokens")

    def __init__(self, rate: int, burst: int, at: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self.at = at

    def fill(self, at: float) -> None:
        self.tokens = min(self.burst, self.tokens + (at - self.at) * self.rate)
        self.at = at

    def headers(self) -> Headers:
        """What is left, and in how many seconds the bucket is full again."""
        reset = ceil((self.burst - self.tokens) / self.rate)
        return (
            (b"ratelimit-limit", b"%d" % self.burst),
            (b"ratelimit-remaining", b"%d" % self.tokens),
            (b"ratelimit-reset", b"%d" % reset),
            (b"ratelimit-policy", b"%d;w=1;burst=%d" % (self.rate, self.burst)),
        )


class RateLimits:
    """The buckets of the keys that have a limit; the others cost a comparison."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._rate = settings.key_events_per_second
        self._burst = settings.key_burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: ApiKey, events: int) -> Headers:
        """Take `events` out of the key's bucket; the headers say what is left, and are none for a key without a limit.

        Raises:
            Problem: 429, not that many are left now; 413, so many never will be. Nothing is taken then.
        """
        left = self.at_once(key, events)
        if left is not None:
            return left
        bucket = self._buckets[key.key_id]
        if events > bucket.burst:
            detail = f"{events} events in one request; this API key may post at most {bucket.burst} at once"
            raise Problem(413, "too-many-events", detail, bucket.headers(), limit=bucket.burst)
        self._metrics.events_of(key.tenant_id, "limited").inc(events)
        wait = max(1, ceil((events - bucket.tokens) / bucket.rate))
        detail = (
            f"this API key may post {bucket.rate} events a second; nothing of this request landed: "
            f"send it again in {wait} seconds"
        )
        retry = (b"retry-after", b"%d" % wait)
        raise Problem(429, "rate-limited", detail, (retry, *bucket.headers()), landed="nothing")

    def at_once(self, key: ApiKey, events: int) -> Headers | None:
        """The same; None, and nothing is taken, when that many are not left."""
        rate = key.events_per_second or self._rate
        if not rate:
            return ()
        bucket = self._bucket(key.key_id, rate, key.burst or max(self._burst, rate))
        if events > bucket.tokens:
            return None
        bucket.tokens -= events
        return bucket.headers()

    def _bucket(self, key_id: str, rate: int, burst: int) -> _Bucket:
        at = monotonic()
        bucket = self._buckets.get(key_id)
        if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
            bucket = self._buckets[key_id] = _Bucket(rate, burst, at)
        bucket.fill(at)
        self._buckets.move_to_end(key_id)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket
