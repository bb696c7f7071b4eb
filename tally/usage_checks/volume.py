"""Is the newest day's usage like the same hours of the weeks before?"""

from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tally.usage_checks.check import UsageCheck
from tally.usage_checks.statements import statement

WEEKS = 8
LEAST_WEEKS = 3
# A customer with fewer events in such a day doubles them by chance.
LEAST_EVENTS = 20
COLUMNS = ("tenant", "customer", "metric", "what", "newest 24 h", "median before", "from", "to", "weeks", "deviations")


def usage_volume_is_usual(connection: psycopg.Connection[Any], now: datetime, factor: float) -> UsageCheck:
    """The senders whose newest 24 hours lie more than `factor` deviations from the median of up to eight weeks."""
    parameters = {
        "now": now, "weeks": WEEKS, "least_weeks": LEAST_WEEKS, "least_events": LEAST_EVENTS, "factor": factor,
    }  # fmt: skip
    with connection.cursor(row_factory=dict_row) as cursor:
        compared = cursor.execute(statement("volume.sql"), parameters).fetchall()
    unusual = [each for each in compared if each["is_unusual"]]
    if unusual:
        sentence = (
            f"{len(unusual)} figures are far from the same hours of the weeks before: a launch, or a mistaken unit?"
        )
    else:
        sentence = f"{len(compared)} figures are like the same hours of the weeks before"
    return UsageCheck(
        holds=not unusual,
        costs_money=False,
        sentence=sentence,
        numbers={"figures compared": len(compared), "unusual": len(unusual)},
        columns=COLUMNS,
        against=tuple(
            (
                each["tenant_id"], each["customer_ref"], each["metric"], each["what"], each["newest"], each["median"],
                each["least"], each["greatest"], each["weeks"], each["deviations"],
            )
            for each in unusual
        ),
    )  # fmt: skip
