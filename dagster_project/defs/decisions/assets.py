"""What people decided about usage. Dagster reads these tables; the commands and the door write them."""

import dagster as dg

_TABLES = {
    "adjustments": "Signed, reasoned corrections of counters: pending until a person decides.",
    "event_reversals": "Events taken back by a decision: they count nowhere from the next replay of their counters on.",
    "conflict_decisions": "Which of two payloads under one key holds, as a person decided it.",
}

tables = [
    dg.AssetSpec(
        ["tally", table],
        description=description,
        group_name="decisions",
        owners=["team:billing"],
        kinds={"postgres"},
    )
    for table, description in _TABLES.items()
]
