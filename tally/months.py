"""Months of reconciliation: the month in which a period starts, in UTC.

A period belongs to the month of its first moment, read in UTC and in no tenant's zone: then every period that has
begun already has its partition, and the month of a line can be told from the line alone. A period that starts on
1 January at 05:00Z (midnight in New York) belongs to January; one that starts on 31 January at 15:00Z (midnight in
Tokyo, 1 February) belongs to January too, although Tokyo calls it February.
"""

from datetime import UTC, datetime, timedelta

import psycopg

KEY_FORMAT = "%Y-%m"
# After a period's end: 48 h in which late usage still counts, up to 72 h of grace before Stripe finalizes the invoice,
# and a weekend. A month whose periods all ended longer ago changes only by somebody's hand.
SETTLING = timedelta(days=7)


def month_of(moment: datetime) -> str:
    """The key of the month that `moment` falls in, e.g. "2013-01"."""
    return moment.astimezone(UTC).strftime(KEY_FORMAT)


def first_and_last(months: str) -> tuple[str, str | None]:
    """The setting TALLY_MONTHS as keys: "2024-01" goes on for ever, "2013-01..2013-02" ends."""
    first, _, last = months.partition("..")
    return first, last or None


def bounds(month: str) -> tuple[datetime, datetime]:
    """The month's first moment and the next month's, UTC.

    Raises:
        ValueError: `month` is not like "2013-01".
    """
    start = datetime.strptime(month, KEY_FORMAT).replace(tzinfo=UTC)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start, following


def open_months(connection: psycopg.Connection, now: datetime) -> list[str]:
    """The months ("2013-01", by period start in UTC) of the counters whose period ended less than `SETTLING` ago.

    Empty when nothing was counted yet, or all of it is settled.
    """
    if connection.execute("select to_regclass('marts.usage_counters')").fetchone() == (None,):
        return []
    rows = connection.execute(
        "select distinct to_char(period_start at time zone 'UTC', 'YYYY-MM') as month"
        " from marts.usage_counters where period_end > %s order by month",
        (now - SETTLING,),
    )
    return [month for (month,) in rows]
