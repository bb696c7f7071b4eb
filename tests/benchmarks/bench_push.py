"""`make bench-push`: ten thousand changed counters planned and delivered, against Stripe's limits of an account.

A Postgres with its durability on, a local Stripe and the pushers each in processes of their own, the real SDK between.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.benchmarks.bars import Bar, report
from tests.benchmarks.ingest.stage import server
from tests.benchmarks.push.delivering import measure_delivery, ways
from tests.benchmarks.push.planning import measure_planning
from tests.benchmarks.push.shop import shop


def main() -> int:
    """Measure; the exit status is 1 when a bar does not hold."""
    options = _options()
    console = Console()
    before = os.getloadavg()[0]
    bars: list[Bar] = []
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name) / "postgres") as postgres,
        shop(postgres, Path(name), "bench_push") as each,
    ):
        if "planning" in options.parts:
            bars += measure_planning(each, options.repeats, console)
        if "delivery" in options.parts:
            for way in ways(options.seconds, options.pushers):
                bars += measure_delivery(each, way, 1 if way.seconds else options.repeats, console)
    console.print(f"{os.cpu_count()} cores; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after.")
    return report("push", bars, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=("planning", "delivery"), default=("planning", "delivery"))
    parser.add_argument("--repeats", type=int, default=3, help="plans, and deliveries of all; medians are compared")
    parser.add_argument("--seconds", type=float, default=20, help="how long the slow limits are tried")
    parser.add_argument("--pushers", type=int, default=2, help="processes that deliver at once")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
