"""What is wrong becomes alerts, and people are told: looked at every minute, and at once when a run fails."""

from datetime import UTC, datetime

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.health.assets import BILLING_HEALTH
from dagster_project.defs.push.assets import NOTHING_WAITS, PUSH_INTENTS
from dagster_project.defs.reconciliation.asset_checks import usage_parity_within_epsilon
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.dagster_findings import check_findings, failed_run, run_findings
from tally import alerts
from tally.finding import Finding

SECONDS_BETWEEN_LOOKS = 60
SECONDS_BETWEEN_FAILURES = 10
# These checks say what `tally status` says, which is looked at directly: one fault is one alert.
_TOLD_ANYWAY = {dg.AssetCheckKey(PUSH_INTENTS, NOTHING_WAITS), usage_parity_within_epsilon.check_key}


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description=(
        "Looks at everything that can be wrong (status, usage rules, the door, failed runs and checks), opens and ends "
        "alerts, and tells people through the channels that are set up. Starts no run; says what it did."
    ),
)
def alerts_sensor(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SkipReason:
    found, looked_at = _of_dagster(context)
    with tally.connect() as connection:
        done = alerts.evaluate(
            connection,
            tally.settings,
            tally.clock(connection),
            evaluator=alerts.DAGSTER,
            more=found,
            looked_at=looked_at,
        )
    return dg.SkipReason(_story(done))


@dg.run_failure_sensor(
    name="run_failures",
    minimum_interval_seconds=SECONDS_BETWEEN_FAILURES,
    default_status=automation.SENSORS,
    description="A run that fails opens an alert at once, and ends it when the job's next run succeeds.",
)
def run_failures(context: dg.RunFailureSensorContext, tally: TallyResource) -> dg.SkipReason:
    run = context.dagster_run
    with tally.connect() as connection:
        clock = tally.clock(connection)
        alert_id = alerts.report(connection, tally.settings, clock, failed_run(run, context.failure_event.message))
    return dg.SkipReason(f"run {run.run_id} of {run.job_name}: {f'alert {alert_id}' if alert_id else 'known already'}")


def _of_dagster(context: dg.SensorEvaluationContext) -> tuple[list[Finding], frozenset[str]]:
    repository = context.repository_def
    if repository is None:
        return [], frozenset()
    keys = [
        key
        for key in repository.asset_graph.asset_check_keys
        if key.asset_key != BILLING_HEALTH and key not in _TOLD_ANYWAY
    ]
    runs = run_findings(context.instance, repository.job_names, datetime.now(UTC))
    return [*runs, *check_findings(context.instance, keys)], alerts.DAGSTER_KINDS


def _story(done: alerts.Evaluation) -> str:
    if done.is_busy:
        return "another process evaluates right now"
    told = "nobody is told: no channel is set up" if done.nobody_is_told else f"{done.sent} messages sent"
    waits = f", {done.waiting} wait ({'; '.join(done.reasons)})" if done.waiting else ""
    return f"{len(done.open)} alerts are open, {len(done.triggered)} began, {len(done.resolved)} ended; {told}{waits}"
