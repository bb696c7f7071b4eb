"""What the door accepted. Dagster does not write this table: a tick observes it before it reads."""

import dagster as dg

from dagster_project.defs import stages
from dagster_project.lib.landed_rows import LandedRows

USAGE_EVENTS = dg.AssetKey(["raw", "usage_events"])


usage_events = dg.AssetSpec(
    USAGE_EVENTS,
    description=(
        "Every delivery of a usage event, as the ingest door accepted it over HTTP. Append-only; retries of one event "
        "are several rows here and one event further on."
    ),
    group_name=stages.LANDING,
    owners=["team:metering"],
    kinds={"postgres"},
)


def observed(landed: LandedRows) -> dict[str, dg.MetadataValue]:
    """The landing table's state, as numbers that the UI plots."""
    facts: dict[str, dg.MetadataValue] = {
        "rows waiting": dg.MetadataValue.int(landed.waiting),
        "read to transaction": dg.MetadataValue.int(landed.read_to),
    }
    if landed.newest_landed_at is not None:
        facts["newest landed at"] = dg.MetadataValue.timestamp(landed.newest_landed_at)
    return facts
