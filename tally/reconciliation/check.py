"""One check: read what is due of Stripe's side, price the lines, and note what does not agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tally.clock import Clock
from tally.planner_statistics import renew_statistics
from tally.reconciliation.amounts import price_lines
from tally.reconciliation.findings import FindingsNoted, note_findings
from tally.reconciliation.sweeps import sweep
from tally.stripe.account import StripeAccount
from tally.stripe.totals import Progress, TotalsResult, Unread, read_totals


@dataclass(frozen=True)
class Scope:
    """What is checked: periods that start in `[first, second)` (None: all that may still move), of one customer or all.

    `everything` reads each total again, due or not.
    """

    starting_in: tuple[datetime, datetime] | None = None
    customer_ref: str | None = None
    everything: bool = False

    @property
    def name(self) -> str:
        """For telling sweeps apart."""
        span = "open" if self.starting_in is None else "..".join(f"{at:%Y-%m-%dT%H:%MZ}" for at in self.starting_in)
        return span if self.customer_ref is None else f"{span} {self.customer_ref}"


@dataclass(frozen=True)
class Checked:
    """What a check did.

    `unread`: numbers that Stripe did not give. `waiting`: due, but the read allowance has nothing left for them.
    """

    read: int
    unread: tuple[Unread, ...]
    waiting: int
    findings: FindingsNoted


def check(
    connection: psycopg.Connection[Any],
    accounts: Sequence[StripeAccount],
    tenant_id: str,
    clock: Clock,
    scope: Scope,
    *,
    allowance: int | None = None,
    on_progress: Progress = lambda _done, _all: None,
) -> Checked:
    """Read, price and note. Without accounts nothing is read: the lines are judged by what was read last.

    What is committed stays: a check that was killed is made again, and reads only what is still due.
    """
    results = [_read(connection, each, tenant_id, clock, scope, allowance, on_progress) for each in accounts]
    return Checked(
        read=sum(result.keys for result in results),
        unread=tuple(number for result in results for number in result.unread),
        waiting=sum(result.waiting for result in results),
        findings=conclude(connection, tenant_id, clock, scope),
    )


def conclude(connection: psycopg.Connection[Any], tenant_id: str, clock: Clock, scope: Scope) -> FindingsNoted:
    """Price the lines as they stand and note what does not agree."""
    where: dict[str, Any] = {"starting_in": scope.starting_in, "customer_ref": scope.customer_ref}
    renew_statistics(connection)
    price_lines(connection, tenant_id, clock, **where)
    renew_statistics(connection)
    return note_findings(connection, tenant_id, clock, **where)


def _read(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    scope: Scope,
    allowance: int | None,
    on_progress: Progress,
) -> TotalsResult:
    where: dict[str, Any] = {
        "starting_in": scope.starting_in,
        "customer_ref": scope.customer_ref,
        "allowance": allowance,
        "on_progress": on_progress,
    }
    if not scope.everything:
        return read_totals(connection, account, tenant_id, clock, only_due=True, **where)
    with sweep(connection, account, tenant_id, scope.name, clock.now()) as begun_at:
        return read_totals(connection, account, tenant_id, clock, begun_at=begun_at, **where)
