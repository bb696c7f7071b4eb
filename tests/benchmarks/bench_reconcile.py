"""`make bench-reconcile`: ten thousand (customer, meter) pairs swept, at a pace, through a SIGKILL, in few calls.

A Postgres with its durability on, a local Stripe and the sweeps each in processes of their own, the real SDK between.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.benchmarks.bars import report
from tests.benchmarks.ingest.stage import server
from tests.benchmarks.reconcile.shop import shop
from tests.benchmarks.reconcile.sweeping import measure_sweep


def main() -> int:
    """Measure; the exit status is 1 when a bar does not hold."""
    options = _options()
    console = Console()
    before, started = os.getloadavg()[0], time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name) / "postgres") as postgres,
        shop(postgres, Path(name), options.pairs) as each,
    ):
        console.print(f"{options.pairs:,} customers made, counted and told in {time.perf_counter() - started:.0f} s.")
        bars = measure_sweep(each, options.pace, options.seconds, console)
    console.print(f"{os.cpu_count()} cores; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after.")
    return report("reconcile", bars, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--pace", type=float, default=50, help="calls a second until it is killed")
    parser.add_argument("--seconds", type=float, default=40, help="how long it goes at that pace")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
