"""How fast one process reads from Stripe. Meter events have turns across processes: `tally.push.turns`."""

import threading
import time


class Pace:
    """At most `per_second` calls a second, with bursts of a tenth of a second's worth; None is no limit of our own."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._burst = 0.1
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take a turn: return when the next call may go out."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._burst) + self._gap
            at = self._next
        if at > now:
            time.sleep(at - now)
