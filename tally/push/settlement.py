"""Settling intents whose answer never came: by Stripe's summary, and only where it is clear cut.

The total with the intent in it: it arrived; at once if nothing else can make that total, otherwise when it reads so for
a whole day. The total without it, for a whole day: it never did, and its value goes back into the next delta. Anything
else, for two days: disputed, and the counter is frozen until a person decides.
"""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import stripe
from psycopg.rows import class_row

from tally.clock import Clock
from tally.periods import Period
from tally.push.identifiers import as_text
from tally.push.statements import statement
from tally.stripe.account import StripeAccount
from tally.stripe.reads import reads_booked
from tally.stripe.summaries import SummaryUnreadable, summary_quantity

# An accepted event may take long to show in a summary, and a summary may go backwards: what it says for this long, in
# so many readings at least, is taken for true.
STABLE_FOR = timedelta(hours=24)
STABLE_READS = 2
DISPUTED_AFTER = timedelta(hours=48)

_NOTE_READ = """
update tally.push_intents
set
    absent_since = %(absent_since)s,
    absent_reads = %(absent_reads)s,
    present_since = %(present_since)s,
    present_reads = %(present_reads)s,
    last_error = %(evidence)s
where intent_id = %(intent_id)s and state = 'resolving'
"""
_DECIDE = """
update tally.push_intents
set
    state = %(state)s,
    confirmed_by = case when %(state)s = 'confirmed' then 'summary' end,
    confirmed_at = case when %(state)s = 'confirmed' then %(now)s end,
    last_error = %(evidence)s
where intent_id = %(intent_id)s and state = 'resolving'
returning intent_id
"""


@dataclass(frozen=True)
class Resolving:
    """An intent without a certain answer, and what Stripe's total is if it arrived (`told_with`).

    `is_offset`: the counter has an intent of the opposite sign, whose absence from the
    total looks like this one's presence.
    """

    intent_id: UUID
    stripe_customer_id: str
    period_start: datetime
    period_end: datetime
    value: Decimal
    last_attempt_at: datetime
    absent_since: datetime | None
    absent_reads: int
    present_since: datetime | None
    present_reads: int
    is_offset: bool
    told_with: Decimal
    meter_id: str | None


@dataclass(frozen=True)
class Verdict:
    """`state` is None while it stays open; the rest is what to remember of this read."""

    state: str | None
    evidence: str
    absent_since: datetime | None = None
    absent_reads: int = 0
    present_since: datetime | None = None
    present_reads: int = 0


def settle(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock
) -> Mapping[str, int]:
    """Read Stripe's summary for every `resolving` intent and decide what can be decided; counts by new state."""
    parameters = {"tenant_id": tenant_id, "account": account.account, "livemode": account.livemode}
    with connection.cursor(row_factory=class_row(Resolving)) as cursor:
        resolving = cursor.execute(statement("resolving.sql"), parameters).fetchall()
    decided: Tally[str] = Tally()
    with reads_booked(connection, account, tenant_id, "settlement", clock):
        for intent in resolving:
            total = _total(account, intent)
            if total is None:
                continue
            now = clock.now()
            verdict = judge(intent, total, now)
            noted = {"intent_id": intent.intent_id, "evidence": verdict.evidence, "now": now}
            if verdict.state is None:
                connection.execute(_NOTE_READ, noted | vars(verdict))
            elif connection.execute(_DECIDE, noted | {"state": verdict.state}).fetchone() is not None:
                decided[verdict.state] += 1
    return dict(decided)


def judge(intent: Resolving, total: Decimal, now: datetime) -> Verdict:
    """What one more reading of Stripe's total says about the intent. Exact comparison: an epsilon decides nothing."""
    told_without = intent.told_with - intent.value
    expected = f"{as_text(intent.told_with)} with this intent, {as_text(told_without)} without"
    evidence = f"{now:%Y-%m-%d %H:%M:%S}Z: Stripe's total is {as_text(total)}; {expected}"
    if total == intent.told_with:
        since, reads = intent.present_since or now, intent.present_reads + 1
        is_certain = not intent.is_offset or _is_stable(since, reads, now)
        return Verdict("confirmed" if is_certain else None, evidence, present_since=since, present_reads=reads)
    if total == told_without:
        since, reads = intent.absent_since or now, intent.absent_reads + 1
        is_missing = _is_stable(since, reads, now)
        return Verdict("missing" if is_missing else None, evidence, absent_since=since, absent_reads=reads)
    return Verdict("disputed" if now - intent.last_attempt_at >= DISPUTED_AFTER else None, evidence)


def _is_stable(since: datetime, reads: int, now: datetime) -> bool:
    return now - since >= STABLE_FOR and reads >= STABLE_READS


def _total(account: StripeAccount, intent: Resolving) -> Decimal | None:
    if intent.meter_id is None:
        return None
    period = Period(intent.period_start, intent.period_end)
    try:
        return summary_quantity(account, intent.meter_id, intent.stripe_customer_id, period)
    except (stripe.StripeError, SummaryUnreadable):
        # Not read is not absent: the intent stays as it is and the next delivery reads again.
        return None
