"""Stripe's own totals, read back beside every counter: the meter's summary, and the invoice line or its preview."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.planner_statistics import renew_statistics
from tally.stripe.account import StripeAccount
from tally.stripe.invoices import BilledQuantity, UsageLine, billed, read_invoice_lines, read_preview_lines
from tally.stripe.reads import count_reads, read_budget
from tally.stripe.summaries import SummaryUnreadable, summary_quantity
from tally.stripe.totals_keys import LOOK_BACK, TotalsKey, affordable, totals_keys
from tally.stripe.totals_rows import NO_LINE, Reading, Unread, store_readings

__all__ = [
    "LOOK_BACK",
    "Reading",
    "TotalsKey",
    "TotalsResult",
    "Unread",
    "read_totals",
    "store_readings",
    "totals_keys",
]

# Read and committed together: a kill loses at most so many readings, and a customer's invoices are read once.
KEYS_AT_ONCE = 200

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TotalsResult:
    """How many counters' totals were asked for, and which numbers are not known, with the reason.

    `waiting`: counters that were due, but the month's read allowance has nothing left for them.
    """

    keys: int
    unread: tuple[Unread, ...]
    waiting: int = 0


def read_totals(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    period_start: datetime | None = None,
    starting_in: tuple[datetime, datetime] | None = None,
    customer_ref: str | None = None,
    look_back: timedelta = LOOK_BACK,
    only_due: bool = False,
    allowance: int | None = None,
    begun_at: datetime | None = None,
    workers: int = 8,
    on_progress: Progress = lambda _done, _all: None,
) -> TotalsResult:
    """Read Stripe's totals of every mapped customer, metric and period into tally.stripe_totals, and commit.

    `period_start` picks one period, `starting_in` those that start in `[from, before)`; else those that have begun and
    ended at most `look_back` ago. `only_due` leaves out what need not be read again yet, or what the read allowance
    (`allowance` GETs in 30 days; None: by Stripe's rule) has nothing left for. A call that fails leaves its numbers as
    they were and is listed in the result. Commits every `KEYS_AT_ONCE` counters: what was read before a kill stays.
    """
    now = clock.now()
    renew_statistics(connection)
    keys = totals_keys(
        connection, account, tenant_id, now, period_start=period_start, starting_in=starting_in, look_back=look_back,
        customer_ref=customer_ref, begun_at=begun_at,
    )  # fmt: skip
    waiting = 0
    if only_due:
        keys, waiting = affordable(keys, read_budget(connection, account, tenant_id, now, allowance), now)
    unread: list[Unread] = []
    done = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="totals") as pool:
        for some in _chunks(keys):
            readings = _read(pool, account, some)
            with connection.transaction():
                store_readings(connection, account, tenant_id, readings, now)
                count_reads(connection, account, tenant_id, "totals", now)
            unread += [number for reading in readings for number in reading.unread()]
            done += len(some)
            on_progress(done, len(keys))
    return TotalsResult(len(keys), tuple(unread), waiting)


def _chunks(keys: Sequence[TotalsKey]) -> Iterator[list[TotalsKey]]:
    """By urgency, as they come; a customer's keys of one urgency stay together, since one call reads their invoices."""
    chunk: list[TotalsKey] = []
    for _, of_one in groupby(sorted(keys, key=lambda key: (key.urgency, key.customer_ref)), _customer):
        chunk += of_one
        if len(chunk) >= KEYS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _customer(key: TotalsKey) -> tuple[int, str]:
    return key.urgency, key.customer_ref


def _read(pool: ThreadPoolExecutor, account: StripeAccount, keys: Sequence[TotalsKey]) -> list[Reading]:
    by_subscription: dict[str, list[TotalsKey]] = defaultdict(list)
    for key in keys:
        for subscription_id in key.subscription_ids:
            by_subscription[subscription_id].append(key)
    summaries = list(pool.map(lambda key: _summary(account, key), keys))
    lines = list(pool.map(lambda each: _usage_lines(account, *each), by_subscription.items()))
    lines_of = dict(zip(by_subscription, lines, strict=True))
    return [Reading(key, summary, _invoice(key, lines_of)) for key, summary in zip(keys, summaries, strict=True)]


def _summary(account: StripeAccount, key: TotalsKey) -> Decimal | str:
    if len(key.stripe_customer_ids) > 1:
        return f"customer_ref {key.customer_ref} names several Stripe customers: {', '.join(key.stripe_customer_ids)}"
    try:
        return summary_quantity(account, key.meter_id, key.stripe_customer_ids[0], key.period)
    except (stripe.StripeError, SummaryUnreadable) as error:
        return str(error)


def _usage_lines(account: StripeAccount, subscription_id: str, keys: list[TotalsKey]) -> list[UsageLine] | str:
    """The subscription's invoice lines, and the preview's where a period has none yet."""
    try:
        lines = read_invoice_lines(account, subscription_id, min(key.period_start for key in keys))
        if any(billed(lines, frozenset(key.item_ids), key.period) is None for key in keys):
            lines += read_preview_lines(account, subscription_id)
    except stripe.StripeError as error:
        return str(error)
    return lines


def _invoice(key: TotalsKey, lines_of: Mapping[str, list[UsageLine] | str]) -> BilledQuantity | str:
    lines: list[UsageLine] = []
    for subscription_id in key.subscription_ids:
        answer = lines_of[subscription_id]
        if isinstance(answer, str):
            return answer
        lines += answer
    return billed(lines, frozenset(key.item_ids), key.period) or NO_LINE
