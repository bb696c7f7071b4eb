"""What the reviewed configuration file declares. Dagster reads these tables and never writes them."""

import dagster as dg

from dagster_project.defs import stages

_TABLES = {
    "tenants": "Who meters and bills, in which time zone, and how much difference parity still calls equal.",
    "meters": "What is metered: per metric its aggregation, unit and lateness window.",
    "price_mappings": "Which metrics are billed: the Stripe meter and account that each one's usage goes to.",
}

tables = [
    dg.AssetSpec(
        ["tally", table],
        description=f"{description} Declared in one reviewed YAML file, written by `tally apply`.",
        group_name=stages.CONFIGURATION,
        owners=["team:metering"],
        kinds={"yaml", "postgres"},
    )
    for table, description in _TABLES.items()
]
