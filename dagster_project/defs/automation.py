"""Whether sensors and schedules start switched on: one setting, TALLY_DAGSTER_AUTOMATION. The UI overrides it."""

import dagster as dg

from tally.settings import load_settings

_IS_ON = load_settings().dagster_automation == "on"

SENSORS = dg.DefaultSensorStatus.RUNNING if _IS_ON else dg.DefaultSensorStatus.STOPPED
SCHEDULES = dg.DefaultScheduleStatus.RUNNING if _IS_ON else dg.DefaultScheduleStatus.STOPPED
