"""`make chaos`: kill everything in turn under load, and hold what was acknowledged against what was billed.

Exits 1 when anything is violated. docs/chaos.md says what is broken, and what must hold.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from rich.console import Console
from rich.live import Live

from tests.chaos.alerts import Watch
from tests.chaos.day import Day
from tests.chaos.faults import FAULTS, FIRST, Fault
from tests.chaos.gather import gather
from tests.chaos.processes import adopt_orphans
from tests.chaos.show import finish, table
from tests.chaos.stage import staged
from tests.chaos.verdict import judge

FOLDER = Path("build/chaos")


def main() -> int:
    """One day; the table, the violations, the last line."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 140)
    chance = Random(options.seed)
    faults = in_order(options.faults or [fault.name for fault in FAULTS], chance)
    console.print(f"chaos day, seed {options.seed}: {', '.join(fault.name for fault in faults)}", highlight=False)
    adopt_orphans()
    began, started_at = time.monotonic(), datetime.now(UTC)
    with staged(options.folder.resolve() / "stage", options.seed, options.events_per_second) as stage:
        with Watch(stage) as watch, Live(console=console, refresh_per_second=2, transient=True) as live:

            def say(what: str) -> None:
                live.console.print(f"{datetime.now(UTC):%H:%M:%S} {what}", highlight=False)

            day = Day(stage, watch, faults, chance, lambda: live.update(table(day.outcomes)), say, options.patience)
            day.run(options.minutes)
        verdict = judge(gather(stage, day.outcomes))
        ended, turned_away = stage.supervisor.ended, stage.book.turned_away
    console.print(table(day.outcomes))
    for each in ended:
        console.print(f"{each.service} ended by itself at {each.at:%H:%M:%S} ({each.code}) and was started again")
    about = {
        "seed": options.seed,
        "started_at": started_at,
        "seconds": round(time.monotonic() - began, 1),
        "turned_away": dict(turned_away),
        "ended_by_themselves": [vars(each) for each in ended],
    }
    return finish(console, options.folder / "chaos.json", verdict, day.outcomes, about)


def in_order(names: Sequence[str], chance: Random) -> list[Fault]:
    """The named faults as the seed has them, but first those whose alert takes long to resolve."""
    chosen = [fault for fault in FAULTS if fault.name in names]
    chance.shuffle(chosen)
    return sorted(chosen, key=lambda fault: FIRST.index(fault.name) if fault.name in FIRST else len(FIRST))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="order and times of the faults, and the load")
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--faults", nargs="+", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--minutes", type=float, default=5.0, help="over how long the faults are spread, at least")
    parser.add_argument("--events-per-second", type=float, default=60.0, help="how steady the load is")
    parser.add_argument("--patience", type=float, default=1.0, help="times as long as usual, on a slow or busy machine")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="logs, the record and the result; emptied first")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
