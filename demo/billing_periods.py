"""The two periods the demo bills, and the instants at which something happens to them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TIME_ZONE = "America/New_York"
LATENESS_WINDOW = timedelta(hours=48)
# How long after a period's end its invoice stays a draft: Stripe's longest grace, a day more than the window.
FINALIZATION_GRACE = timedelta(hours=72)


@dataclass(frozen=True)
class BillingPeriod:
    """`[start, end)`, UTC."""

    name: str
    start: datetime
    end: datetime

    @property
    def closes_at(self) -> datetime:
        """An event that lands at this instant or later is late."""
        return self.end + LATENESS_WINDOW

    @property
    def finalizes_at(self) -> datetime:
        """The invoice of the period is final at this instant."""
        return self.end + FINALIZATION_GRACE


# Midnight in New York is 05:00 UTC all winter.
JANUARY = BillingPeriod("January 2013", datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 2, 1, 5, tzinfo=UTC))
FEBRUARY = BillingPeriod("February 2013", datetime(2013, 2, 1, 5, tzinfo=UTC), datetime(2013, 3, 1, 5, tzinfo=UTC))
PERIODS = (JANUARY, FEBRUARY)
STARTS_AT = JANUARY.start
ENDS_AT = FEBRUARY.finalizes_at
