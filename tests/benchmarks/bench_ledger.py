"""`make bench-ledger`: what keeping counters right costs, against limits of the same machine in the same run.

A Postgres of its own with its durability on; ticks run in this process, the resident loop and the door in theirs.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.benchmarks.bars import Bar, report
from tests.benchmarks.ingest.stage import server
from tests.benchmarks.ledger.batch import measure_batch
from tests.benchmarks.ledger.freshness import measure_freshness
from tests.benchmarks.ledger.history import measure_history
from tests.benchmarks.ledger.late import measure_late
from tests.benchmarks.ledger.state import measure_state

PARTS = ("history", "batch", "late", "freshness", "state")


@dataclass(frozen=True)
class Sizes:
    """Events, and seconds of load."""

    histories: tuple[int, int] = (1_000_000, 20_000_000)
    tick: int = 10_000
    batch: int = 100_000
    state: int = 300_000
    seconds: int = 90


SMALL = Sizes(histories=(50_000, 500_000), tick=1_000, batch=10_000, state=30_000, seconds=15)


def main() -> int:
    """Run the parts that were asked for; the exit status is 1 when a bar does not hold."""
    options = _options()
    console = Console()
    sizes = SMALL if options.small else Sizes()
    bars: list[Bar] = []
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, server(Path(name) / "postgres") as postgres:
        folder = Path(name)
        if "history" in options.parts:
            bars += measure_history(postgres, folder, sizes.histories, sizes.tick, options.repeats, console)
        if "batch" in options.parts:
            bars += measure_batch(postgres, folder, sizes.batch, options.repeats, console)
        if "late" in options.parts:
            bars += measure_late(postgres, folder, sizes.tick, options.repeats, console)
        if "freshness" in options.parts:
            bars += measure_freshness(postgres, folder, sizes.seconds, console)
        if "state" in options.parts:
            bars += measure_state(postgres, folder, sizes.state, 10, console)
    console.print(f"{os.cpu_count()} cores; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after.")
    return report("ledger", bars, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=7, help="ticks of each kind, medians are compared (at least 3)")
    parser.add_argument("--small", action="store_true", help="small sizes, for trying; says nothing about the bars")
    options = parser.parse_args()
    if options.repeats < 3:
        parser.error("a median needs at least 3 repeats")
    return options


if __name__ == "__main__":
    sys.exit(main())
