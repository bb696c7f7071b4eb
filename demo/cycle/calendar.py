"""The three periods, and the moments at which something happens to a subscription."""

from datetime import UTC, datetime, timedelta

from demo.billing_periods import BillingPeriod
from demo.steps import Milestone

FINALIZATION_GRACE = timedelta(hours=72)


def _month(name: str, number: int) -> BillingPeriod:
    return BillingPeriod(
        f"{name} 2013", datetime(2013, number, 1, tzinfo=UTC), datetime(2013, number + 1, 1, tzinfo=UTC)
    )


JANUARY, FEBRUARY, MARCH = PERIODS = (_month("January", 1), _month("February", 2), _month("March", 3))
STARTS_AT, ENDS_AT = JANUARY.start, MARCH.finalizes_at

PAUSED_AT = datetime(2013, 2, 10, tzinfo=UTC)
UPGRADED_AT = datetime(2013, 2, 15, tzinfo=UTC)
CANCELLED_AT = datetime(2013, 2, 20, tzinfo=UTC)
RESUMED_AT = datetime(2013, 3, 10, tzinfo=UTC)


def cuts() -> list[tuple[datetime, Milestone | None, BillingPeriod | None]]:
    """Every moment at which time stops, in order: something happens to a subscription, or to a period."""
    middle = JANUARY.start + (JANUARY.end - JANUARY.start) / 2
    happens: list[tuple[datetime, Milestone | None, BillingPeriod | None]] = [
        (at, None, None) for at in (middle, PAUSED_AT, UPGRADED_AT, CANCELLED_AT, RESUMED_AT)
    ]
    for period in PERIODS:
        happens += [
            (period.end, "period_ends", period),
            (period.closes_at, "window_closes", period),
            (period.finalizes_at, "invoice_finalizes", period),
        ]
    return sorted(happens, key=lambda cut: cut[0])
