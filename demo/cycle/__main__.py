"""`make demo-close`, `tally demo --close`: three months of changing subscriptions, and every invoice line proven."""

import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from demo.cycle.calendar import ENDS_AT, FINALIZATION_GRACE, STARTS_AT
from demo.cycle.cast import CUSTOMERS
from demo.cycle.usage import METRICS, SEED, deliveries, steps
from tally.errors import TallyError


def main() -> int:
    """Exit code 0 when every line agrees with what was sent and is proven, 1 when one is off or a stage failed."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _demo(console)
    except TallyError as error:
        console.print(f"[red]The demo stopped:[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; run it again, it starts from a fresh database")
        return 130


def _demo(console: Console) -> int:
    started = time.perf_counter()
    landing = deliveries()
    console.print(
        f"[bold]Tallyledger: three months of a small cloud, {len(CUSTOMERS)} customers, {len(METRICS)} metrics[/bold]\n"
        f"  {landing.height:,} deliveries, some twice, some late, all by seed {SEED}"
    )
    # The stage sets the environment that Dagster's definitions read when they are imported.
    from demo.cycle.subscriptions import create_cycle_side, happenings
    from demo.stage import Setting, staged

    setting = Setting(
        tenant="cloud",
        configuration=Path(__file__).with_name("tally.yaml"),
        starts_at=STARTS_AT,
        ends_at=ENDS_AT,
        grace=FINALIZATION_GRACE,
        key_name="the cloud's gateway",
        customers=CUSTOMERS,
        create_side=create_cycle_side,
        in_stripe=f"{len(METRICS)} meters and {len(CUSTOMERS)} subscriptions",
    )
    with staged(setting, console) as stage:
        from dagster_project.materialize import Materializer
        from demo import closing, proofs, run
        from demo.cycle.table import lines_table, wrong_lines

        changes = happenings(stage.stripe_client, stage.stripe_side, stage.connection, stage.tenant)
        with Materializer() as dagster:
            story = run.play(stage, dagster, steps(landing), console, changes)
        console.print(lines_table(stage.connection, stage.tenant))
        wrong = wrong_lines(stage.connection, stage.tenant, landing)
        for line in wrong:
            console.print(f"[red]✗ {line}[/red]")
        twice = run.applied_other_than_once(stage)
        all_proven = proofs.print_proven(console, stage)
        closing.print_story(console, stage, story, twice, time.perf_counter() - started)
    return 0 if not wrong and twice == 0 and all_proven else 1


if __name__ == "__main__":
    sys.exit(main())
