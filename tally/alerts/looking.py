"""Everything that an evaluation looks at: each tenant as `tally status` sees it, its usage, and the installation."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg

from tally import closing
from tally.alerts.door import door_findings
from tally.alerts.message import INSTALLATION
from tally.alerts.usage import usage_findings
from tally.alerts.watchers import silent_dagster
from tally.clock import Clock
from tally.finding import Finding
from tally.machine import machine
from tally.pipeline_status import Limits, pipeline_status
from tally.settings import Settings

# Only who has Dagster's instance at hand can say whether these are over.
DAGSTER_KINDS = frozenset({"run_failed", "run_lost", "check_failed"})


def look(connection: psycopg.Connection[Any], settings: Settings, clock: Clock) -> Iterator[tuple[str, Finding]]:
    """What is wrong now, each with its tenant."""
    for (tenant_id,) in connection.execute("select tenant_id from tally.tenants order by tenant_id").fetchall():
        for finding in _of_tenant(connection, settings, tenant_id, clock):
            yield tenant_id, finding
    for finding in _of_installation(connection, settings, clock):
        yield INSTALLATION, finding


def _of_tenant(
    connection: psycopg.Connection[Any], settings: Settings, tenant_id: str, clock: Clock
) -> Iterator[Finding]:
    now = clock.now()
    limits = Limits.of(settings)
    status = pipeline_status(connection, tenant_id, now, settings.stripe_read_allowance, limits)
    for found in status.findings.values():
        yield from found
    yield from closing.overview(connection, tenant_id, clock).findings
    yield from usage_findings(connection, tenant_id, now)


def _of_installation(connection: psycopg.Connection[Any], settings: Settings, clock: Clock) -> Iterator[Finding]:
    yield from machine(connection, settings.home).findings(Limits.of(settings).lag)
    if settings.dagster_automation == "on":
        yield from silent_dagster(connection, timedelta(seconds=settings.alert_silence_seconds))
    if settings.alert_door_url:
        refuses_for = timedelta(seconds=settings.alert_refusal_seconds)
        yield from door_findings(connection, settings.alert_door_url, clock.now(), refuses_for)
