"""Run as a process of its own: materializes what test_pages.py opens, recorded on the instance of DAGSTER_HOME."""

import dagster as dg

from dagster_project.definitions import defs
from dagster_project.defs.documentation.assets import dbt_docs
from dagster_project.defs.health.assets import BILLING_HEALTH, CHECKS
from dagster_project.defs.reconciliation.assets import REPORT

# Health is looked at last: the report is part of what it sees.
MONTHS = {dbt_docs.key: None, REPORT: "2024-03", BILLING_HEALTH: None}
# Not the report's: Great Expectations costs five seconds, and other tests have it.
HEALTH_CHECKS = {dg.AssetCheckKey(BILLING_HEALTH, name) for name in CHECKS.values()}


def main() -> None:
    """One asset after the other."""
    assets = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        for key, month in MONTHS.items():
            checks = HEALTH_CHECKS if key == BILLING_HEALTH else set()
            only = assets.get_subset(asset_selection={key}, asset_check_selection=checks)
            only.execute_in_process(instance=instance, partition_key=month)


if __name__ == "__main__":
    main()
