"""What a Stripe meter says it counted for a customer in a period: its event summaries, as exact decimals."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from tally.errors import TallyError
from tally.periods import Period, minute_window
from tally.stripe.account import StripeAccount

# A float carries every decimal of 15 digits and gives it back; digits beyond are noise of the float itself.
_CARRIED = Context(prec=15, rounding=ROUND_HALF_EVEN)
_LARGEST_EXACT = Decimal(2**53)


class SummaryUnreadable(TallyError):
    """Stripe's summary exists but does not give an exact number; the message says why."""


def summary_quantity(account: StripeAccount, meter_id: str, stripe_customer_id: str, period: Period) -> Decimal:
    """The total over the whole minutes inside `period`; 0 when Stripe has counted nothing there.

    Eventually consistent: Stripe gives no bound for how long an accepted event takes to show.

    Raises:
        SummaryUnreadable: a period without a whole minute, or a total too large for Stripe's float.
        stripe.StripeError: the call failed.
    """
    window = minute_window(period)
    if window is None:
        raise SummaryUnreadable(f"no whole minute lies between {period.start} and {period.end}")
    account.reads.wait()
    page = account.client.v1.billing.meters.event_summaries.list(
        meter_id,
        {
            "customer": stripe_customer_id,
            "start_time": int(window.start.timestamp()),
            "end_time": int(window.end.timestamp()),
            "limit": 100,
        },
        account.options(),
    )
    return sum((exact(row.aggregated_value) for row in page.auto_paging_iter()), Decimal(0))


def exact(value: float) -> Decimal:
    """The decimal that Stripe's float stands for.

    Raises:
        SummaryUnreadable: beyond 2^53 neighbouring floats are more than 1 apart.
    """
    number = Decimal(repr(value))
    if abs(number) >= _LARGEST_EXACT:
        raise SummaryUnreadable(f"Stripe's summary of {number} is beyond 2^53: a float no longer holds it exactly")
    return _CARRIED.plus(number)
