"""The declared tenants become partitions, so that a replay can be started for one of them from the UI."""

import dagster as dg

from dagster_project.defs import automation
from dagster_project.defs.partitions import tenants
from dagster_project.defs.resources import TallyResource

SECONDS_BETWEEN_LOOKS = 60


@dg.sensor(
    name="declared_tenants",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=automation.SENSORS,
    description="Tenants that were declared become partitions of replay_month. Says so when there is no new one.",
)
def declared_tenants(context: dg.SensorEvaluationContext, tally: TallyResource) -> dg.SensorResult | dg.SkipReason:
    with tally.connect() as connection:
        declared = [row[0] for row in connection.execute("select tenant_id from tally.tenants order by tenant_id")]
    known = set(context.instance.get_dynamic_partitions(str(tenants.name)))
    if new := [tenant for tenant in declared if tenant not in known]:
        return dg.SensorResult(
            dynamic_partitions_requests=[tenants.build_add_request(new)],
            skip_reason=f"partitions are new: {', '.join(new)}",
        )
    return dg.SkipReason(f"{len(declared)} tenants are declared and all of them are partitions")
