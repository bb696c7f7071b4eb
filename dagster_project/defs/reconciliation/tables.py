"""What a reconciliation run writes beside its lines: their prices, and since when they do not agree."""

import dagster as dg

from dagster_project.defs import stages

_TABLES = {
    "priced_lines": "What each line's counted and billed quantity costs under the price in force, or why not.",
    "reconciliation_findings": "Lines that do not agree: since when, and how many checks in a row found it.",
}

tables = [
    dg.AssetSpec(
        ["tally", table],
        description=description,
        group_name=stages.RECONCILIATION,
        owners=["team:billing"],
        kinds={"postgres"},
    )
    for table, description in _TABLES.items()
]
