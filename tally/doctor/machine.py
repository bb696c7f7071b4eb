"""This machine: its clock beside Postgres', its disk, and that nothing phones home."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import yaml

from tally.doctor.patient import Patient
from tally.doctor.result import Result, ok, warning, wrong
from tally.ledger.environment import PROJECT

SKEW_WARNING, SKEW_WRONG = timedelta(seconds=2), timedelta(minutes=1)
LEAST_FREE, LITTLE_FREE = 1_000_000_000, 5_000_000_000


def clocks(patient: Patient) -> Iterator[Result]:
    """`landed_at` is Postgres' time, what the door refuses as too far ahead is this machine's."""
    began = datetime.now(UTC)
    [(there,)] = patient.rows("select clock_timestamp()")
    ended = datetime.now(UTC)
    off = max(began - there, there - ended, timedelta(0))
    found = f"this machine and Postgres are {off.total_seconds():.1f} s apart"
    if off > SKEW_WARNING:
        judge = wrong if off > SKEW_WRONG else warning
        yield judge("clock", found, "keep both by NTP: events are dated by the one and landed by the other")
    else:
        yield ok("clock", found)
    if patient.settings.clock == "simulated":
        yield from _simulated(patient)


def _simulated(patient: Patient) -> Iterator[Result]:
    rows = patient.rows("select now from tally.simulated_clock")
    if not rows:
        yield wrong(
            "clock", "TALLY_CLOCK is simulated, and no time was put into tally.simulated_clock", "unset TALLY_CLOCK"
        )
    else:
        found = f"TALLY_CLOCK is simulated: time stands at {rows[0][0]:%Y-%m-%d %H:%M:%S}Z, for demos and tests only"
        yield warning("clock", found, "unset TALLY_CLOCK where real usage lands")


def disk(patient: Patient) -> Iterator[Result]:
    """Room under TALLY_HOME: logs, reports, Dagster's files, and the embedded database."""
    home = patient.settings.home.resolve()
    there = next(folder for folder in (home, *home.parents) if folder.is_dir())
    usage = shutil.disk_usage(there)
    found = f"{usage.free / 1e9:,.1f} of {usage.total / 1e9:,.1f} GB are free under {patient.settings.home}"
    full = "a full disk stops the embedded Postgres" if patient.is_embedded else "a full disk stops logs and reports"
    if usage.free < LEAST_FREE:
        yield wrong("disk", f"{found}: {full}", "make room, or `tally retention`")
    elif usage.free < LITTLE_FREE and usage.free < usage.total // 5:
        yield warning("disk", f"{found}: {full}", "make room, or `tally retention`")
    else:
        yield ok("disk", found)


def telemetry(patient: Patient) -> Iterator[Result]:
    """Whether dbt and Dagster are still told to send nothing; Stripe's SDK is told by every process itself."""
    talkative = []
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    if project.get("flags", {}).get("send_anonymous_usage_stats") is not False:
        talkative.append("dbt_project/dbt_project.yml")
    instance = patient.settings.home / "dagster" / "dagster.yaml"
    if (
        instance.is_file()
        and (yaml.safe_load(instance.read_text()) or {}).get("telemetry", {}).get("enabled") is not False
    ):
        talkative.append(str(instance))
    if talkative:
        yield warning("telemetry", f"not switched off in {', '.join(talkative)}", "put the file back as it comes")
    else:
        yield ok("telemetry", "off for dbt, Dagster and Stripe's SDK")
