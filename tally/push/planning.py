"""What to send: one intent per counter that moved, and for each counter that stays behind, why."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from tally.clock import Clock
from tally.push.statements import statement
from tally.stripe.account import StripeAccount

REASONS = {
    "unmapped": "no active price mapping names this metric: give its meter a `stripe` event_name and `tally apply`",
    "in_flight": "an earlier intent of this counter is not settled yet: the rest follows once it is",
    "disputed": "frozen: Stripe's total fits neither with nor without the last intent; a person settles it",
    "paused": "the mapping is paused, as Stripe loses what is sent to its meter",
    "rejected": "Stripe dropped an intent that it had accepted: mend the cause, then `tally push --retry-refused`",
    "refused": "Stripe refused the last intent for good: mend the cause, then `tally push --retry-refused`",
    "no_subscription": "no synced subscription of this customer bills this metric in this period",
    "ambiguous_customer": "several Stripe customers carry this customer_ref: one of them must be it",
    "period_mismatch": "the counter's period is not a billing period that Stripe knows for this customer",
    "period_closed": "the period's invoice is final, usage sent now is billed nowhere: `tally close` settles it",
    "period_too_short": "the period has no two whole minutes in which an event could be placed",
    "segment_too_short": "the segment has no two whole minutes in which an event could be placed inside it: bill its"
    " usage by hand, on the invoice",
    "period_not_started": "the period's first whole minute has not begun",
    "period_too_old": "the period ended more than 34 days ago: Stripe takes no event that old",
    "too_large": "the counter is beyond 2^53, where Stripe's totals are no longer exact: declare a metric with"
    " divide_by",
    "too_precise": "the counter has more than 15 significant digits, more than Stripe can carry or give back: declare"
    " a metric with divide_by",
    "same_second": "Stripe's meter takes the last value, and one was sent for this very second: the next push sends it",
    "no_later_second": "Stripe's meter takes the last value, and one was sent for the period's last second: correct the"
    " invoice by hand",
}
# These pass by themselves, or are settled by closing the period; the others wait for somebody to do something.
PASSING = frozenset({"in_flight", "period_not_started", "same_second", "period_closed"})
# These say what Stripe said.
_EXPLAINED = frozenset({"refused", "rejected", "paused"})


@dataclass(frozen=True)
class Counter:
    """Which counter."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True)
class Planned:
    """An intent: `value` brings what Stripe was told from `told_quantity` towards `counter_value`.

    A meter that takes the last value is sent `absolute_value`; None: it sums, and is sent `value`.
    """

    counter: Counter
    seq: int
    value: Decimal
    counter_value: Decimal
    told_quantity: Decimal
    event_ts: datetime
    identifier: str
    absolute_value: Decimal | None


@dataclass(frozen=True)
class Held:
    """A counter with a `delta` that was not planned; `reason` is a key of REASONS, `detail` says it in words."""

    counter: Counter
    delta: Decimal
    counter_value: Decimal
    told_quantity: Decimal
    reason: str
    detail: str

    @property
    def needs_a_person(self) -> bool:
        """Whether it stays like this until somebody does something."""
        return self.reason not in PASSING


@dataclass(frozen=True)
class PlanResult:
    """What was planned, or in a dry run would be, and what is held back."""

    planned: list[Planned]
    held: list[Held]
    dry_run: bool


def plan(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock) -> PlanResult:
    """Write an intent for every counter that moved and may be pushed, in one statement, and commit it.

    Any number of planners may run at once. A transaction that the caller has open is not committed.
    """
    rows = _run(connection, account, tenant_id, clock, "candidates.sql", "plan.sql")
    return PlanResult([_planned(row) for row in rows if row["is_planned"]], _held(rows), dry_run=False)


def preview(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock) -> PlanResult:
    """What `plan` would do at this moment; nothing is written."""
    rows = _run(connection, account, tenant_id, clock, "candidates.sql", "preview.sql")
    return PlanResult([_planned(row) for row in rows if row["reason"] is None], _held(rows), dry_run=True)


def _run(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock, *names: str
) -> list[DictRow]:
    parameters = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "now": clock.now(),
    }
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        # Every join is over whole sets, and hashed. Tables filled a moment ago have no statistics yet: Postgres, blind,
        # loops over them, or merges them by the period's start, which all have in common, and either costs the square
        # of the number of counters.
        cursor.execute("select set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true)")
        return cursor.execute(statement(*names), parameters).fetchall()


def _counter(row: DictRow) -> Counter:
    return Counter(row["customer_ref"], row["metric"], row["period_start"], row["period_end"])


def _planned(row: DictRow) -> Planned:
    return Planned(
        _counter(row),
        row["seq"],
        row["value"],
        row["counter_value"],
        row["told_quantity"],
        row["event_ts"],
        row["identifier"],
        row["absolute_value"],
    )


def _held(rows: list[DictRow]) -> list[Held]:
    return [
        Held(
            _counter(row),
            row["delta"],
            row["counter_value"],
            row["told_quantity"],
            row["reason"],
            f"{REASONS[row['reason']]} ({row['last_error']})"
            if row["reason"] in _EXPLAINED
            else REASONS[row["reason"]],
        )
        for row in rows
        if row["reason"] is not None
    ]
