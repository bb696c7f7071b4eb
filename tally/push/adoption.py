"""Taking over what only Stripe knows: after an older backup was restored, what was pushed since is in no ledger.

Stripe's total of each open counter, minus what the ledger knows for certain, becomes one confirmed intent. So the next
push sends what is really missing, and nothing twice.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import stripe
from psycopg.rows import class_row

from tally.clock import Clock
from tally.errors import TallyError
from tally.periods import Period, minute_window
from tally.push.identifiers import as_text, identifier
from tally.push.statements import statement
from tally.stripe.account import StripeAccount
from tally.stripe.reads import reads_booked
from tally.stripe.summaries import SummaryUnreadable, summary_quantity

# Identifiers are made of sequence numbers, and Stripe knows some that this ledger has lost. Behind this gap none is.
SEQUENCE_GAP = 1_000_000
_READERS = 8


class PusherAtWork(TallyError):
    """A push is on its way: what Stripe says now is not what it will say in a moment."""


@dataclass(frozen=True)
class Known:
    """A counter of an open period: what Stripe was told for certain, and where its total is read."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    event_name: str
    meter_id: str
    stripe_customer_id: str
    stripe_customers: int
    is_absolute: bool
    counter_value: Decimal
    confirmed: Decimal
    open_intents: list[UUID]
    is_being_sent: bool
    last_seq: int


@dataclass(frozen=True)
class Adopted:
    """A counter of which Stripe has more or less than the ledger knows: `difference` = `stripe` - `confirmed`.

    `unread` says why Stripe's total is not known; then nothing is taken over.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    counter_value: Decimal
    confirmed: Decimal
    stripe: Decimal | None
    difference: Decimal | None
    open_intents: int
    unread: str | None


@dataclass(frozen=True)
class Adoption:
    """What was compared, and every counter that differs or could not be read."""

    counters: int
    lines: tuple[Adopted, ...]
    dry_run: bool

    @property
    def differences(self) -> int:
        """How many counters differ."""
        return sum(line.unread is None for line in self.lines)


def adopt(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    reason: str,
    *,
    dry_run: bool,
) -> Adoption:
    """Compare every open counter with Stripe's total, and unless `dry_run` book the differences, in one transaction.

    A total that lags behind is taken over as it is: let some hours pass after the last push that is to be found.

    Raises:
        PusherAtWork: an intent is being sent.
    """
    now = clock.now()
    scope = {"tenant_id": tenant_id, "account": account.account, "livemode": account.livemode, "now": now}
    with connection.cursor(row_factory=class_row(Known)) as cursor:
        known = cursor.execute(statement("adoptable.sql"), scope).fetchall()
    if any(counter.is_being_sent for counter in known):
        raise PusherAtWork("a push is on its way: stop every pusher, wait until its lease is over, and adopt again")
    with (
        reads_booked(connection, account, tenant_id, "adoption", clock),
        ThreadPoolExecutor(_READERS, thread_name_prefix="adopt") as pool,
    ):
        totals = list(pool.map(lambda counter: _total(account, counter), known))
    compared = list(zip(known, totals, strict=True))
    if not dry_run:
        with connection.transaction():
            for counter, total in compared:
                if isinstance(total, Decimal) and total != counter.confirmed:
                    connection.execute(
                        statement("adopt.sql"), scope | _row(account, tenant_id, counter, total, now, reason)
                    )
    lines = [_line(counter, total) for counter, total in compared]
    return Adoption(len(known), tuple(line for line in lines if line.difference != 0), dry_run)


def _total(account: StripeAccount, counter: Known) -> Decimal | str:
    if counter.stripe_customers > 1:
        return "several Stripe customers carry this customer_ref"
    try:
        period = Period(counter.period_start, counter.period_end)
        # A float's trailing zero is no digit of the quantity.
        return Decimal(as_text(summary_quantity(account, counter.meter_id, counter.stripe_customer_id, period)))
    except (stripe.StripeError, SummaryUnreadable) as error:
        return str(error)
    finally:
        account.close()


def _line(counter: Known, total: Decimal | str) -> Adopted:
    read = total if isinstance(total, Decimal) else None
    return Adopted(
        counter.customer_ref,
        counter.metric,
        counter.period_start,
        counter.counter_value,
        counter.confirmed,
        read,
        None if read is None else read - counter.confirmed,
        len(counter.open_intents),
        None if read is not None else str(total),
    )


def _row(
    account: StripeAccount, tenant_id: str, counter: Known, total: Decimal, now: datetime, reason: str
) -> dict[str, Any]:
    window = minute_window(Period(counter.period_start, counter.period_end))
    assert window is not None, "a total was read over it"
    seq = counter.last_seq + SEQUENCE_GAP
    return vars(counter) | {
        "seq": seq,
        "value": total - counter.confirmed,
        "absolute_value": total if counter.is_absolute else None,
        "event_ts": min(now, window.end - timedelta(minutes=1)).replace(microsecond=0),
        "identifier": identifier(
            account.account, account.livemode, tenant_id, counter.stripe_customer_id, counter.event_name,
            counter.customer_ref, counter.metric, counter.period_start, seq,
        ),
        "evidence": f"adopted: Stripe's total was {as_text(total)}, {as_text(counter.confirmed)} of it known: {reason}",
    }  # fmt: skip
