"""Every hour all usage checks are run, whether or not anybody fell silent."""

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import CHECK_USAGE

hourly_usage_checks = dg.ScheduleDefinition(
    name="hourly_usage_checks",
    job_name=CHECK_USAGE,
    cron_schedule="22 * * * *",
    default_status=automation.SCHEDULES,
    description="Silence, volume, repeats, lateness, conflicts, integrity: the usage checks of every table.",
)
