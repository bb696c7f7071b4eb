"""Which intents to doubt when Stripe dropped more events of a meter than it names: the meter's own totals tell.

A counter's total that reads exactly as if one of its late intents had never arrived puts that intent back to
`resolving`, where settlement waits for a day of such readings before it is `missing`. One reading decides nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import stripe
from psycopg.rows import class_row

from tally.clock import Clock
from tally.periods import Period
from tally.push.identifiers import as_text
from tally.stripe.account import StripeAccount
from tally.stripe.mirror import MirrorKey
from tally.stripe.subscriptions import StripeMeter
from tally.stripe.summaries import SummaryUnreadable, summary_quantity

# One read each, at Stripe's pace. The hourly reconciliation reads the others.
MOST_COUNTERS = 500

_SUSPECTS: LiteralString = (files(__package__) / "sql" / "suspects.sql").read_text()
_KEEP_TOTAL = """
insert into tally.stripe_totals (
    tenant_id, account, livemode, customer_ref, metric, period_start, period_end, summary_quantity, summary_read_at
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(customer_ref)s, %(metric)s, %(period_start)s, %(period_end)s, %(total)s,
    %(now)s
)
on conflict (tenant_id, account, livemode, customer_ref, metric, period_start) do update set
    summary_quantity = excluded.summary_quantity, summary_read_at = excluded.summary_read_at
"""
_DOUBT = """
update tally.push_intents as intent
set state = 'resolving', absent_since = null, absent_reads = 0, present_since = null, present_reads = 0,
    last_error = %(why)s
where intent.intent_id = %(intent_id)s and intent.state = 'confirmed' and not exists (
    select from tally.push_intents as other
    where other.tenant_id = intent.tenant_id and other.account = intent.account and other.livemode = intent.livemode
      and other.customer_ref = intent.customer_ref and other.metric = intent.metric
      and other.period_start = intent.period_start
      and other.state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
)
"""


@dataclass(frozen=True)
class Suspect:
    """A counter that was sent something lately. `intent_ids`, `intent_values` are of its late intents, newest first."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    stripe_customer_id: str
    confirmed: Decimal
    intent_ids: list[UUID]
    intent_values: list[Decimal]


def question(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    key: MirrorKey,
    meter: StripeMeter,
    event_id: str,
    clock: Clock,
) -> int:
    """Read the meter's totals of late counters, keep them, doubt what they do not show; returns how many intents.

    What cannot be read is left to the reconciliation.
    """
    parameters = key.parameters(event_name=meter.event_name, most=MOST_COUNTERS)
    with connection.cursor(row_factory=class_row(Suspect)) as cursor:
        suspects = cursor.execute(_SUSPECTS, parameters).fetchall()
    return sum(_is_doubted(connection, account, key, meter, event_id, suspect, clock) for suspect in suspects)


def _is_doubted(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    key: MirrorKey,
    meter: StripeMeter,
    event_id: str,
    suspect: Suspect,
    clock: Clock,
) -> bool:
    period = Period(suspect.period_start, suspect.period_end)
    now = clock.now()
    try:
        total = summary_quantity(account, meter.meter_id, suspect.stripe_customer_id, period)
    except (stripe.StripeError, SummaryUnreadable):
        return False
    connection.execute(_KEEP_TOTAL, key.parameters() | vars(suspect) | {"total": total, "now": now})
    gap = suspect.confirmed - total
    if gap == 0 or gap not in suspect.intent_values:
        return False
    intent_id = suspect.intent_ids[suspect.intent_values.index(gap)]
    why = (
        f"report {event_id} of Stripe counts more dropped events than it names; the total is {as_text(total)}, and "
        f"{as_text(suspect.confirmed)} with this intent"
    )
    try:
        return connection.execute(_DOUBT, {"intent_id": intent_id, "why": why}).rowcount == 1
    except psycopg.errors.UniqueViolation:  # a planner was faster: the counter has an open intent now
        return False
