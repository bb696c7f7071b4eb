"""`make bench-ingest`: how fast the door is, against the limits of the same machine in the same run.

Postgres with its durability on, the door and the load generator are processes of their own and share the machine.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.benchmarks.bars import FOLDER, Bar, report
from tests.benchmarks.ingest.batches import measure_batches
from tests.benchmarks.ingest.curve import measure_curves
from tests.benchmarks.ingest.history import measure_history
from tests.benchmarks.ingest.imports import measure_imports
from tests.benchmarks.ingest.picture import draw
from tests.benchmarks.ingest.singles import measure_singles
from tests.benchmarks.ingest.soak import measure_soak
from tests.benchmarks.ingest.stage import door, server

PARTS = ("history", "soak", "batches", "singles", "import", "curves")


def main() -> int:
    """Run the parts that were asked for; the exit status is 1 when a bar does not hold."""
    options = _options()
    console = Console()
    bars: list[Bar] = []
    before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder) / "postgres") as postgres,
        door(postgres, "ingest") as empty,
    ):
        if "history" in options.parts:
            with door(postgres, "history") as full:
                rows, repeats = options.history_rows, 2 * options.repeats
                bars += measure_history(empty, full, rows, repeats, options.seconds, console)
        if "soak" in options.parts:
            with door(postgres, "soak") as soaked:
                bars += measure_soak(soaked, options.soak_minutes, console)
        if "batches" in options.parts:
            bars += measure_batches(empty, options.repeats, options.seconds, console)
        if "singles" in options.parts:
            bars += measure_singles(empty, options.repeats, options.seconds, console)
        if "import" in options.parts:
            with door(postgres, "importing") as importing:
                bars += measure_imports(importing, options.import_rows, options.repeats, console)
        if "curves" in options.parts:
            draw(measure_curves(empty, options.seconds, console), FOLDER / "ingest.svg")
            console.print(f"picture: {FOLDER / 'ingest.svg'}")
    console.print(
        f"{os.cpu_count()} cores; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after. "
        "Every run was audited: what was acknowledged is what landed, to the event."
    )
    return report("ingest", bars, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each load, medians are compared (at least 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run")
    parser.add_argument("--history-rows", type=int, default=20_000_000)
    parser.add_argument("--import-rows", type=int, default=1_000_000)
    parser.add_argument("--soak-minutes", type=float, default=10.0)
    options = parser.parse_args()
    if options.repeats < 3:
        parser.error("a median needs at least 3 repeats")
    return options


if __name__ == "__main__":
    sys.exit(main())
