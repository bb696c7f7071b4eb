"""The code location: everything under `defs/`. To add an asset, add it there; nothing needs editing here."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        # A run is one process: its steps share the ledger's dbt manifest, which costs seconds to build.
        dg.Definitions(executor=dg.in_process_executor),
    )
