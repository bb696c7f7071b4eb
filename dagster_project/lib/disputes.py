"""Push intents that neither an answer nor a summary of Stripe's could settle. No Dagster in here."""

from dataclasses import dataclass
from typing import Any

import psycopg

_DISPUTED = """
select intent_id::text, to_char(period_start at time zone 'UTC', 'YYYY-MM') as month
from tally.push_intents where state = 'disputed' order by planned_at, intent_id
"""


@dataclass(frozen=True)
class Dispute:
    """An intent that waits for a person, and the month that its period belongs to."""

    intent_id: str
    month: str


def disputes(connection: psycopg.Connection[Any]) -> list[Dispute]:
    """All of them, of every tenant, in the order in which they were planned."""
    return [Dispute(*row) for row in connection.execute(_DISPUTED)]
