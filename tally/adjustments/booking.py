"""Where an approved adjustment is booked: the first period of the tenant's policy that somebody still bills."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg

from tally.adjustments.adjustment import Adjustment
from tally.adjustments.errors import NotBookable
from tally.adjustments.ledger_rules import statement
from tally.periods import Period


def dated(connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str, moment: datetime) -> Period:
    """The period in which an event of the customer at `moment` counts, by the ledger's own rule."""
    parameters = {"tenant_id": tenant_id, "customer_ref": customer_ref, "moment": moment}
    row = connection.execute(statement(__package__, "dated.sql"), parameters).fetchone()
    assert row is not None
    return Period(*row)


def book_into(connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, now: datetime) -> Period:
    """The period for an adjustment that is about to be approved at `now`.

    `own_period_if_open`: its own, else the current one, else the next; `current_period`: the current one, else the
    next; `next_period`: the next.

    Raises:
        NotBookable: none of them can be billed; the message says why of each.
    """
    policy = _policy(connection, tenant_id)
    own = [adjustment.period] if policy == "own_period_if_open" else []
    return _first_open(connection, tenant_id, adjustment, [*own, *_coming(connection, tenant_id, adjustment, now)], now)


def revert_into(connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, now: datetime) -> Period:
    """The period for the revert of an approved adjustment: where that was booked while it is open, else by policy.

    Raises:
        NotBookable: as `book_into`.
    """
    assert adjustment.booked is not None
    periods = [adjustment.booked, *_coming(connection, tenant_id, adjustment, now)]
    return _first_open(connection, tenant_id, adjustment, periods, now)


def _policy(connection: psycopg.Connection[Any], tenant_id: str) -> str:
    row = connection.execute(
        "select adjustments_book_into from tally.tenants where tenant_id = %s", (tenant_id,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def _coming(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, now: datetime
) -> Iterator[Period]:
    current = dated(connection, tenant_id, adjustment.customer_ref, now)
    if _policy(connection, tenant_id) != "next_period":
        yield current
    yield dated(connection, tenant_id, adjustment.customer_ref, current.end)


def _first_open(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, periods: list[Period], now: datetime
) -> Period:
    obstacles = []
    for period in periods:
        obstacle = _obstacle(connection, tenant_id, adjustment, period, now)
        if obstacle is None:
            return period
        obstacles.append(f"{period.start:%Y-%m-%d %H:%M:%SZ} to {period.end:%Y-%m-%d %H:%M:%SZ}: {obstacle}")
    raise NotBookable(
        f"no period of {adjustment.customer_ref} can bill {adjustment.metric} any more ({'; '.join(obstacles)}). "
        "Run `tally sync` if the subscription is new; else bill it by hand and reject the adjustment"
    )


def _obstacle(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment: Adjustment, period: Period, now: datetime
) -> str | None:
    row = connection.execute(
        statement(__package__, "obstacle.sql"),
        {
            "tenant_id": tenant_id,
            "customer_ref": adjustment.customer_ref,
            "metric": adjustment.metric,
            "period_start": period.start,
            "period_end": period.end,
            "now": now,
        },
    ).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])
