"""A plan change cuts a billing period in two: segments, counted and priced apart, which close together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tally.errors import TallyError
from tally.periods import Period


class NoSuchPeriod(TallyError):
    """There is no stored period to cut at that moment."""


@dataclass(frozen=True)
class StoredPeriod:
    """A row of tally.customer_periods; `closes_with` is the end of the billing period that a segment is a part of."""

    customer_ref: str
    period: Period
    origin: str
    closes_with: datetime | None


def listed_periods(
    connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str | None = None
) -> list[StoredPeriod]:
    """Of one customer or of all, in order."""
    rows = connection.execute(
        "select customer_ref, period_start, period_end, origin, closes_with from tally.customer_periods"
        " where tenant_id = %(tenant)s and (%(customer)s::text is null or customer_ref = %(customer)s)"
        " order by customer_ref, period_start",
        {"tenant": tenant_id, "customer": customer_ref},
    ).fetchall()
    return [StoredPeriod(ref, Period(start, end), origin, closes) for ref, start, end, origin, closes in rows]


def split_period(
    connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str, at: datetime, *, dry_run: bool = False
) -> tuple[StoredPeriod, StoredPeriod]:
    """Cut the stored period that holds `at`, which becomes the first moment of the second segment.

    Events that are counted already keep their date until they are replayed.

    Raises:
        NoSuchPeriod: no stored period holds `at`, or one begins there.
    """
    with connection.transaction():
        whole = _period_at(connection, tenant_id, customer_ref, at)
        closes_with = whole.closes_with or whole.period.end
        first = StoredPeriod(customer_ref, Period(whole.period.start, at), whole.origin, closes_with)
        second = StoredPeriod(customer_ref, Period(at, whole.period.end), whole.origin, closes_with)
        if not dry_run:
            connection.execute(
                "update tally.customer_periods set period_end = %s, closes_with = %s"
                " where tenant_id = %s and customer_ref = %s and period_start = %s",
                (at, closes_with, tenant_id, customer_ref, whole.period.start),
            )
            connection.execute(
                "insert into tally.customer_periods"
                " (tenant_id, customer_ref, period_start, period_end, origin, closes_with)"
                " values (%s, %s, %s, %s, %s, %s)",
                (tenant_id, customer_ref, at, whole.period.end, whole.origin, closes_with),
            )
    return first, second


def _period_at(connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str, at: datetime) -> StoredPeriod:
    row = connection.execute(
        "select period_start, period_end, origin, closes_with from tally.customer_periods"
        " where tenant_id = %s and customer_ref = %s and period_start <= %s and period_end > %s for update",
        (tenant_id, customer_ref, at, at),
    ).fetchone()
    if row is None:
        raise NoSuchPeriod(
            f"{customer_ref} has no stored billing period that holds {at:%Y-%m-%dT%H:%M:%SZ}:"
            f" `tally periods list --customer {customer_ref}` lists them"
        )
    if row[0] == at:
        raise NoSuchPeriod(f"a period of {customer_ref} begins at {at:%Y-%m-%dT%H:%M:%SZ} already: nothing to cut")
    return StoredPeriod(customer_ref, Period(row[0], row[1]), row[2], row[3])
