"""Billing's health is looked at without a run: a look costs some milliseconds, a run five seconds and a process."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.health.assets import BILLING_HEALTH, health_now, looked
from dagster_project.defs.resources import TallyResource

SECONDS_BETWEEN_LOOKS = 60
# Each is five rows of history.
AT_LEAST_EVERY = timedelta(minutes=5)

check_health = dg.define_asset_job(
    "check_health",
    dg.AssetSelection.assets(BILLING_HEALTH),
    description="Look at billing's health at once. The sensor health_looks does so by itself, without a run.",
)


@dg.sensor(
    name="health_looks",
    target=dg.AssetSelection.assets(BILLING_HEALTH),
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description="Looks at billing's health every minute; writes it down when it changed, and every five minutes.",
)
def health_looks(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SensorResult:
    health, now = health_now(tally), datetime.now(UTC)
    fingerprint, told_at = json.loads(context.cursor) if context.cursor else ("", "0001-01-01T00:00:00+00:00")
    if fingerprint == health.fingerprint and now < datetime.fromisoformat(told_at) + AT_LEAST_EVERY:
        return dg.SensorResult(skip_reason=f"as it was at {told_at:.19}Z. {health.answer}", cursor=context.cursor)
    return dg.SensorResult(
        asset_events=looked(health),
        skip_reason=f"written down. {health.answer}",
        cursor=json.dumps([health.fingerprint, now.isoformat()]),
    )
