"""The comparison of an export with our counters: what it covers, what it adds up to, how both sides stand."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from tally.compare.dating import Calendar
from tally.compare.here import Names, read_counters, read_names, read_periods, read_tenant
from tally.compare.judging import Judge
from tally.compare.money import AmountUnit
from tally.compare.result import Comparison
from tally.compare.rows import Reading, Usage, columns_for, read_usage
from tally.compare.there import added_up

_LONGEST_MONTH = timedelta(days=32)


@dataclass(frozen=True)
class _Survey:
    rows: int
    metrics: frozenset[str]
    first: datetime
    last: datetime


def compare(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    path: Path,
    reading: Reading,
    now: datetime,
    *,
    customer_ref: str | None = None,
    epsilon: Decimal | None = None,
    amounts: AmountUnit | None = None,
) -> Comparison:
    """Read the file twice: once to know what it covers, once to add it up beside our counters.

    `epsilon` None: the meter's or the tenant's. `amounts` None: quantities only.

    Raises:
        CompareRefused: the file cannot be read; the message names line and field.
    """
    tenant, names = read_tenant(connection, tenant_id), read_names(connection, tenant_id)
    columns = columns_for(path, reading)

    def usages() -> Iterable[Usage]:
        for usage in read_usage(path, columns, reading, tenant.zone, with_amounts=amounts is not None):
            named = _named(usage, names)
            if customer_ref in (None, named.customer):
                yield named

    survey = _surveyed(usages(), now)
    counters = read_counters(connection, tenant_id, survey.metrics, (survey.first, survey.last), customer_ref)
    calendar = Calendar(tenant, counters, read_periods(connection, tenant_id))
    theirs = added_up(usages(), calendar, tenant)
    first = min((each.starts for each in theirs.values()), default=now)
    last = max((each.ends for each in theirs.values()), default=now)
    asked = [
        each for each in counters if each.key in theirs or (first <= each.period_start and each.period_end <= last)
    ]
    lines = Judge(connection, tenant, asked, theirs, (first, last), epsilon, amounts).lines()
    return Comparison(
        tenant_id, tenant.name, path.name, now, columns, survey.rows, tuple(sorted(survey.metrics)), first, last,
        len(counters) - len(asked), amounts is not None, tuple(lines),
    )  # fmt: skip


def _named(usage: Usage, names: Names) -> Usage:
    customer = names.customers.get(usage.customer, usage.customer)
    metric = names.metrics.get(usage.metric, usage.metric)
    return (
        usage
        if (customer, metric) == (usage.customer, usage.metric)
        else replace(usage, customer=customer, metric=metric)
    )


def _surveyed(usages: Iterable[Usage], now: datetime) -> _Survey:
    rows, metrics, first, last = 0, set(), None, None
    for usage in usages:
        rows += 1
        metrics.add(usage.metric)
        first = min(first or usage.start, usage.start)
        last = max(last or usage.end, usage.end)
    # A row that names a period by its month or a moment may mean one that ends much later.
    return _Survey(rows, frozenset(metrics), (first or now) - _LONGEST_MONTH, (last or now) + 2 * _LONGEST_MONTH)
