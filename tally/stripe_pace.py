"""How fast Stripe may be called: a token bucket that threads share, and a pause that Stripe itself asks for."""

import threading
import time


class Pace:
    """At most `per_second` calls a second, with bursts of a tenth of a second's worth; None is no limit of our own."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._burst = 0.1
        self._next = 0.0
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take a turn: return when the next call may go out."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._burst) + self._gap
            at = max(self._next, self._paused_until)
        if at > now:
            time.sleep(at - now)

    def pause(self, seconds: float) -> None:
        """Let nothing out for that long: the answer was 429."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def wait_out_pause(self, deadline: float) -> bool:
        """True once no pause holds calls up, without taking a turn; False at once if one lasts past `deadline`.

        `deadline` is in seconds of `time.monotonic()`.
        """
        now = time.monotonic()
        if max(now, self._paused_until) >= deadline:
            return False
        if self._paused_until > now:
            time.sleep(self._paused_until - now)
        return True
