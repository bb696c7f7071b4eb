"""Who evaluates, and who has fallen silent: a dead daemon cannot say that it is dead, so the others do."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tally.finding import Finding

DAGSTER = "dagster"
LOOP = "loop"
_BEAT = """
insert into tally.alert_evaluators (evaluator, evaluated_at) values (%s, clock_timestamp())
on conflict (tenant_id, evaluator) do update set evaluated_at = excluded.evaluated_at
"""
_LAST = "select evaluated_at, clock_timestamp() - evaluated_at from tally.alert_evaluators where evaluator = %s"
_ANYBODY = "select exists (select from tally.alert_evaluators where evaluated_at > clock_timestamp() - %s::interval)"


def beat(connection: psycopg.Connection[Any], evaluator: str) -> None:
    """This evaluator has looked, in the database's own time: a simulated clock may stand still."""
    connection.execute(_BEAT, (evaluator,))


def silent_dagster(connection: psycopg.Connection[Any], patience: timedelta) -> Iterator[Finding]:
    """`dagster_silent`, once the sensor has looked at all and then has not for `patience`."""
    row: tuple[datetime, timedelta] | None = connection.execute(_LAST, (DAGSTER,)).fetchone()
    if row is not None and row[1] > patience:
        sentence = (
            f"Dagster's sensors have not looked since {row[0]:%Y-%m-%d %H:%M:%S}Z: the daemon is down, or the sensor"
            " `alerts` is switched off; nothing is pushed, reconciled or closed until it runs"
        )
        yield Finding("dagster_silent", "sensors", sentence, is_global=True)


def looked_within(connection: psycopg.Connection[Any], span: timedelta) -> bool:
    """Whether anybody has evaluated within `span`."""
    return connection.execute(_ANYBODY, (span,)).fetchone() == (True,)
