"""dbt's documentation follows the models by itself: links to it lead somewhere from the first day on."""

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.documentation.assets import dbt_docs
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.dbt_manifest import project_fingerprint

SECONDS_BETWEEN_LOOKS = 300

write_documentation = dg.define_asset_job(
    "write_documentation",
    dg.AssetSelection.assets(dbt_docs),
    description="Write dbt's documentation of every model, column and test. Started by the sensor changed_models.",
)

# Before that there are no tables whose columns it could show.
_IS_BUILT = "select exists (select from raw.usage_events) and exists (select from tally.model_bounds)"


@dg.sensor(
    name="changed_models",
    job=write_documentation,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description="Writes dbt's documentation once for each state of the dbt project, when there is something to show.",
)
def changed_models(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.RunRequest | dg.SkipReason:
    fingerprint = project_fingerprint()
    if context.cursor == fingerprint:
        return dg.SkipReason("the models are as they were when it was written")
    with tally.connect() as connection:
        if connection.execute(_IS_BUILT).fetchone() != (True,):
            return dg.SkipReason("nothing is counted yet")
    context.update_cursor(fingerprint)
    # Once for each state, also when it fails: what fails now fails in five minutes.
    return dg.RunRequest(run_key=fingerprint)
