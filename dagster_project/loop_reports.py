"""What the resident loop did, told to Dagster: materializations of the assets that a run of the ledger makes."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import psycopg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from dagster_project.defs.landing.assets import USAGE_EVENTS
from dagster_project.defs.ledger.assets import STG_USAGE_EVENTS, models_in_order
from dagster_project.defs.ledger.dbt import relation_of
from dagster_project.defs.resources import Tally
from dagster_project.defs.stripe.assets import period_materializations
from dagster_project.lib.report_queue import NotReported
from dagster_project.lib.tick_numbers import CONFLICTS, LATE, TickNumbers
from dagster_project.lib.waiting_rows import FIRST_MODEL
from tally.stripe.mirror import SyncSummary

log = logging.getLogger("tally.loop")

# Milliseconds a statement may take, seconds after which a connection is renewed, connections beyond the kept one.
_KEPT_CONNECTION = {"statement_timeout": 30_000, "pool_recycle": 3_600, "max_overflow": 10}
_FAILURES = (SQLAlchemyError, DagsterPostgresException, dg.DagsterError, psycopg.Error, OSError)

Metadata = dict[str, dg.MetadataValue]


def tell_dagster(numbers: TickNumbers, synced: Sequence[SyncSummary]) -> None:
    """Record `numbers` and `synced` on the instance of DAGSTER_HOME, as events without a run.

    Raises:
        NotReported: Dagster's storage, or the database, did not take it.
        DatabaseUnavailable: the database does not answer.
    """
    try:
        with Tally().connect() as connection:
            landed = numbers.landed(connection)
        events: list[dg.AssetMaterialization | dg.AssetObservation] = []
        if synced:
            events += period_materializations(synced)
        if numbers.ticks:
            events += [dg.AssetObservation(USAGE_EVENTS, metadata=_landing(numbers, landed)), *_ledger(numbers, landed)]
        with dg.DagsterInstance.get() as instance:
            instance.optimize_for_webserver(**_KEPT_CONNECTION)
            for event in events:
                instance.report_runless_asset_event(event)
    except _FAILURES as error:
        raise NotReported(f"Dagster: {error}") from error
    log.info(
        "told Dagster: %d ticks, %d rows landed, %d new events, %d late; a tick %.2f s, worst %.2f s, lag %.1f s",
        numbers.ticks,
        landed,
        numbers.events,
        numbers.rows[LATE],
        numbers.median_seconds,
        numbers.worst_seconds,
        numbers.worst_lag_seconds,
    )


def _landing(numbers: TickNumbers, landed: int) -> Metadata:
    facts: Metadata = {"rows landed": dg.MetadataValue.int(landed)}
    if numbers.newest_tick_at is not None:
        facts["counted at"] = dg.MetadataValue.timestamp(numbers.newest_tick_at)
    return facts


def _ledger(numbers: TickNumbers, landed: int) -> Iterator[dg.AssetMaterialization]:
    """The assets that a run of the ledger materializes, in the order in which it does."""
    for key in models_in_order():
        relation = relation_of(key)
        facts: Metadata = {"ticks": dg.MetadataValue.int(numbers.ticks)}
        if key == STG_USAGE_EVENTS:
            facts["rows to read"] = dg.MetadataValue.int(landed)
        if relation in numbers.read_to:
            facts["rows written"] = dg.MetadataValue.int(numbers.rows[relation])
            facts["read to transaction"] = dg.MetadataValue.int(numbers.read_to[relation])
        if relation == FIRST_MODEL:
            facts |= _pace(numbers, landed)
        yield dg.AssetMaterialization(key, description="by the resident loop", metadata=facts)


def _pace(numbers: TickNumbers, landed: int) -> Metadata:
    conflicts = numbers.rows[CONFLICTS]
    counts: dict[str, int] = {
        "events": numbers.events,
        "duplicates": landed - numbers.events - conflicts,
        "conflicts": conflicts,
        "late": numbers.rows[LATE],
    }
    seconds: dict[str, Any] = {
        "tick seconds, median": numbers.median_seconds,
        "tick seconds, worst": numbers.worst_seconds,
        "lag seconds, worst": numbers.worst_lag_seconds,
    }
    return {name: dg.MetadataValue.int(count) for name, count in counts.items()} | {
        name: dg.MetadataValue.float(round(value, 3)) for name, value in seconds.items()
    }
