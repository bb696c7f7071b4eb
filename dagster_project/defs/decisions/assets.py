"""What people decided about usage and its keeping. Dagster reads these tables; the commands and the door write them."""

import dagster as dg

from dagster_project.defs import stages

_TABLES = {
    "adjustments": "Signed, reasoned corrections of counters: pending until a person decides.",
    "adjustment_events": "Which events an adjustment stands for.",
    "event_reversals": "Events taken back by a decision: they count nowhere from the next replay of their counters on.",
    "conflict_decisions": "Which of two payloads under one key holds, as a person decided it.",
    "detached_days": "Landing days whose raw rows a person archived or dropped.",
    "detached_deliveries": "What the raw rows of a detached day were, by tenant.",
    "deleted_hours": "Up to when a tenant's hourly usage was deleted.",
}

tables = [
    dg.AssetSpec(
        ["tally", table],
        description=description,
        group_name=stages.DECISIONS,
        owners=["team:billing"],
        kinds={"postgres"},
    )
    for table, description in _TABLES.items()
]
