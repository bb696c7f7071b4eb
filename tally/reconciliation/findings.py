"""Open findings: since when a line does not agree, and how many checks in a row have seen it. No history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg

from tally.clock import Clock
from tally.reconciliation.statements import statement


@dataclass(frozen=True)
class FindingsNoted:
    """How many lines of the scope do not agree, how many of them since this check, and how many agree again."""

    open: int
    new: int
    closed: int


def note_findings(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    clock: Clock,
    *,
    starting_in: tuple[datetime, datetime] | None = None,
    customer_ref: str | None = None,
) -> FindingsNoted:
    """Bring tally.reconciliation_findings up to the lines of periods that start in `[first, second)`, and commit.

    Call it after each reading of Stripe's totals: a line that lags becomes a break by how many checks say so. Twice on
    one reading counts once.
    """
    first, second = starting_in or (None, None)
    asked = {
        "tenant_id": tenant_id,
        "starting_from": first,
        "starting_before": second,
        "customer_ref": customer_ref,
        "now": clock.now(),
        "check_id": uuid4(),
    }
    with connection.transaction():
        seen = connection.execute(statement("note_findings.sql"), asked).fetchall()
        closed = connection.execute(statement("close_findings.sql"), asked).rowcount
    return FindingsNoted(open=len(seen), new=sum(is_new for (is_new,) in seen), closed=closed)
