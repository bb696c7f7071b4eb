"""A sender that falls silent, or comes back, has the usage checks run at once instead of at the next hour."""

import hashlib

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.jobs import CHECK_USAGE, check_usage_job
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.unfinished_runs import unfinished_run
from tally.usage_checks import usage_keeps_arriving

# A look reads two weeks of every open counter's hours, and nobody is silent within four hours.
SECONDS_BETWEEN_LOOKS = 600


@dg.sensor(
    name="stale_data",
    job=check_usage_job,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description=(
        "Measures every sender's silence by its own rhythm. When somebody falls silent or comes back, the usage checks "
        "run at once. Says how all stand when it starts nothing."
    ),
)
def stale_data(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SensorResult | dg.SkipReason:
    with tally.connect() as connection:
        now = tally.clock(connection).now()
        found = usage_keeps_arriving(connection, now, tally.settings.silence_factor)
    # Who is silent since when: the same silence is one run, and a second one of the same sender another.
    silent = sorted(repr(row[:4]) for row in found.against)
    cursor = hashlib.sha256("\n".join(silent).encode()).hexdigest()[:16] if silent else "nobody"
    if cursor == (context.cursor or "nobody"):
        return dg.SkipReason(f"nobody fell silent or came back: {found.sentence}")
    if (run_id := unfinished_run(context.instance, CHECK_USAGE)) is not None:
        return dg.SkipReason(f"{found.sentence}; run {run_id} is under way, the next look starts another")
    request = dg.RunRequest(run_key=f"silent-{cursor}-after-{context.cursor or 'nobody'}-at-{now:%Y-%m-%dT%H:%M}")
    return dg.SensorResult(run_requests=[request], cursor=cursor)
