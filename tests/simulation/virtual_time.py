"""The time of a simulated world: the product's clock, its waiting, Stripe's time and Postgres' are one number."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class VirtualTime:
    """Stands still until somebody moves it. A `Clock` for the product; `told` hears of every move."""

    def __init__(self, start: datetime, told: Callable[[int], None]) -> None:
        self._at = start
        self._told = told

    def now(self) -> datetime:
        return self._at

    def timestamp(self) -> float:
        """Seconds since 1970, for the local Stripe."""
        return (self._at - _EPOCH) / timedelta(seconds=1)

    def start_at(self, at: datetime) -> None:
        """Begin again, backwards too."""
        self._at = at
        self._told(round(self.timestamp() * 1_000_000))

    def move_to(self, at: datetime) -> None:
        """Forward; a moment that has passed changes nothing."""
        if at > self._at:
            self.start_at(at)
