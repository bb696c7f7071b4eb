"""What came of one fault. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Recovery:
    """Seconds until everything that was sent before a moment was acknowledged, counted, told; None: not in time.

    `lost`: events acknowledged by then and not counted.
    """

    taken: float | None
    counted: float | None
    told: float | None
    lost: int

    def __str__(self) -> str:
        words = zip(("taken", "counted", "sent"), (self.taken, self.counted, self.told), strict=True)
        return ", ".join(f"{word} {'never' if at is None else f'after {at:.0f} s'}" for word, at in words)

    @property
    def is_whole(self) -> bool:
        return None not in (self.taken, self.counted, self.told)


@dataclass(frozen=True)
class Raised:
    """An alert. `resolved_at` is None while its cause lasts, as far as anybody knows."""

    kind: str
    subject: str
    triggered_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


@dataclass
class Outcome:
    """One fault: when, until when, how the stack came back, which alert was raised.

    Between `began_at` and `broken_at` the right moment was waited for.

    `twice`: deltas that Stripe has applied more than once by then. `failure`: why the fault could not be made.
    """

    name: str
    does: str
    wanted_alert: str
    began_at: datetime
    broken_at: datetime | None = None
    mended_at: datetime | None = None
    recovery: Recovery | None = None
    alert: Raised | None = None
    twice: int = 0
    failure: str | None = None

    def faults(self) -> Iterator[str]:
        """What did not go as it must, in words."""
        if self.failure:
            yield self.failure
        elif self.recovery is None or not self.recovery.is_whole:
            yield f"the stack did not come back in time: {self.recovery}"
        if self.recovery is not None and self.recovery.lost:
            yield f"{self.recovery.lost} acknowledged events were not counted"
        if self.twice:
            yield f"{self.twice} deltas were applied twice by then"
        yield from self.alert_faults()

    def alert_faults(self) -> Iterator[str]:
        """What is wrong with its alert."""
        if self.alert is None:
            yield f"no alert {self.wanted_alert} was raised"
        elif self.alert.resolved_at is None:
            yield f"the alert {self.alert.kind} {self.alert.subject} did not resolve"
