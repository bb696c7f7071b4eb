"""Does usage arrive as it should? Each check speaks of the table that it reads, and of all tenants at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
import psycopg

from dagster_project.defs.landing.assets import USAGE_EVENTS
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally import usage_checks
from tally.settings import Settings
from tally.usage_checks import UsageCheck

Look = Callable[[psycopg.Connection[Any], datetime, Settings], UsageCheck]


@dataclass(frozen=True)
class _Claim:
    asset: dg.AssetKey
    description: str
    look: Look


CLAIMS: Mapping[str, _Claim] = {
    "usage_keeps_arriving": _Claim(
        USAGE_EVENTS,
        "No sender is silent for longer than its rhythm explains. One that stopped while others arrive has stopped; "
        "when nothing arrives from anybody, the door or the apps are broken; without history nothing is claimed.",
        lambda connection, now, settings: usage_checks.usage_keeps_arriving(connection, now, settings.silence_factor),
    ),
    "usage_volume_is_usual": _Claim(
        dg.AssetKey(["marts", "usage_hourly"]),
        "Each sender's newest 24 hours, in events and in quantity, are like those hours of the weeks before.",
        lambda connection, now, settings: usage_checks.usage_volume_is_usual(connection, now, settings.volume_factor),
    ),
    "deliveries_are_rarely_repeated": _Claim(
        dg.AssetKey(["marts", "usage_deliveries"]),
        "Apps do not retry what was accepted. Repeats are counted once; many of them are an app that ignores answers.",
        lambda connection, now, settings: usage_checks.deliveries_are_rarely_repeated(
            connection, now, settings.duplicate_ratio
        ),
    ),
    "events_are_rarely_late": _Claim(
        dg.AssetKey(["ledger", "int_usage_events_late"]),
        "Events come before their counter closes. Late ones are adjustments that a person decides about.",
        lambda connection, now, settings: usage_checks.events_are_rarely_late(connection, now, settings.late_ratio),
    ),
    "conflicts_are_decided": _Claim(
        dg.AssetKey(["ledger", "int_usage_events_conflicts"]),
        "A person has decided about every key that was sent with two payloads; once its period ends, that is money.",
        lambda connection, now, settings: usage_checks.conflicts_are_decided(connection, now),
    ),
    "counters_hold_what_was_delivered": _Claim(
        dg.AssetKey(["marts", "usage_counters"]),
        "Deliveries = events + repeats + conflicts, and every counter has the events that were delivered for it.",
        lambda connection, now, settings: usage_checks.counters_hold_what_was_delivered(connection, now),
    ),
}


@dg.multi_asset_check(
    name="usage_checks",
    specs=[dg.AssetCheckSpec(name, asset=claim.asset, description=claim.description) for name, claim in CLAIMS.items()],
    can_subset=True,
    description="How usage arrives: silence, volume, repeats, lateness, conflicts, integrity. Reads counted hours.",
)
def check_usage(context: dg.AssetCheckExecutionContext, tally: TallyResource) -> Iterator[dg.AssetCheckResult]:
    wanted = {key.name for key in context.selected_asset_check_keys}
    with tally.connect() as connection:
        now = tally.clock(connection).now()
        for name in CLAIMS.keys() & wanted:
            yield _result(name, CLAIMS[name].look(connection, now, tally.settings))


def _result(name: str, found: UsageCheck) -> dg.AssetCheckResult:
    numbers = {what: dg.MetadataValue.int(number) for what, number in found.numbers.items()}
    return dg.AssetCheckResult(
        asset_key=CLAIMS[name].asset,
        check_name=name,
        passed=found.holds,
        severity=dg.AssetCheckSeverity.ERROR if found.costs_money else dg.AssetCheckSeverity.WARN,
        description=found.sentence,
        metadata={
            **numbers,
            "worst": dg.MetadataValue.md(markdown_table(found.columns, found.against)),
        },
    )
