"""Making an adjustment by hand: checked, written as pending, booked nowhere yet."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg

from tally.adjustments.adjustment import REASONS, Adjustment, read
from tally.adjustments.booking import dated
from tally.adjustments.errors import AdjustmentRefused
from tally.adjustments.people import require_person
from tally.clock import Clock

DECIMALS = 12
DIGITS = 15


@dataclass(frozen=True)
class Request:
    """A correction of the counter of `customer_ref` and `metric` over the period that holds the moment `at`.

    `amount` is what it adds, in the meter's unit; negative takes away. `reason` is one of `REASONS`.
    """

    customer_ref: str
    metric: str
    at: datetime
    amount: Decimal
    reason: str
    note: str


def create(
    connection: psycopg.Connection[Any], tenant_id: str, request: Request, actor: str, clock: Clock
) -> Adjustment:
    """Write the adjustment as pending and commit it.

    Raises:
        AdjustmentRefused: naming the field that is wrong and what it takes.
    """
    require_person(actor)
    with connection.transaction():
        now = clock.now()
        _check(request, now)
        _check_counter(connection, tenant_id, request)
        period = dated(connection, tenant_id, request.customer_ref, request.at)
        adjustment_id = str(uuid4())
        connection.execute(
            "insert into tally.adjustments (adjustment_id, tenant_id, customer_ref, metric, period_start, period_end,"
            " amount, reason, note, created_at, created_by)"
            " values (%s, %s, %s, %s, %s, %s, trim_scale(%s), %s, %s, %s, %s)",
            (adjustment_id, tenant_id, request.customer_ref, request.metric, period.start, period.end,
             request.amount, request.reason, request.note, now, actor),
        )  # fmt: skip
        return read(connection, tenant_id, adjustment_id)


def _check(request: Request, now: datetime) -> None:
    exact = request.amount.as_tuple()
    if not isinstance(exact.exponent, int) or not request.amount:
        raise AdjustmentRefused(f"amount: {request.amount} changes nothing; give a number other than 0")
    decimals = max(0, -request.amount.normalize().as_tuple().exponent)  # type: ignore[operator]  # finite: an int
    if decimals > DECIMALS or len(request.amount.normalize().as_tuple().digits) > DIGITS:
        raise AdjustmentRefused(
            f"amount: {request.amount} is finer than Stripe can carry: at most {DIGITS} digits and {DECIMALS} decimals"
        )
    if request.reason not in REASONS:
        raise AdjustmentRefused(f"reason: {request.reason!r} is none of {', '.join(REASONS)}")
    if request.at.utcoffset() is None:
        raise AdjustmentRefused("period: the moment needs a zone, e.g. 2013-01-31T00:00Z")
    if request.at > now:
        raise AdjustmentRefused(f"period: {request.at:%Y-%m-%d %H:%M:%SZ} is later than now: nothing was counted then")


def _check_counter(connection: psycopg.Connection[Any], tenant_id: str, request: Request) -> None:
    declared = connection.execute(
        "select from tally.meters where tenant_id = %s and metric = %s", (tenant_id, request.metric)
    ).fetchone()
    if declared is None:
        raise AdjustmentRefused(
            f"metric: tenant {tenant_id} has no meter {request.metric!r}: declare it, `tally apply`"
        )
    # An event names any customer it likes; a person who mistypes one would bill somebody who is not there.
    known = connection.execute(
        """
        select from tally.customers where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
        union all
        select from tally.customer_periods where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
        union all
        select from ledger.int_usage_counters where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
        limit 1
        """,
        {"tenant_id": tenant_id, "customer_ref": request.customer_ref},
    ).fetchone()
    if known is None:
        raise AdjustmentRefused(
            f"customer: nothing is known of {request.customer_ref!r}: no usage, no subscription, not declared"
        )
