"""`make simulate`: the push ledger against seeds and crash points. Exits 1 when anything is violated.

Ctrl-C ends it with the sum of what was played; where nobody watches a bar, a line is printed now and then instead.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.simulation.crash_points import crash_points, fault_points
from tests.simulation.run import Outcome
from tests.simulation.tally_up import Sum, again, show_violation
from tests.simulation.worlds import Run, Worlds, built_postgres, open_worlds

_TELL_EVERY_SECONDS = 30
_INTERRUPTED = 130


def main() -> int:
    """Play what was asked for; a table and a last line, or JSON."""
    options = _options()
    console = Console(stderr=options.json, width=None if sys.stdout.isatty() else 140)
    total = Sum(options.stream)
    with tempfile.TemporaryDirectory(prefix="simulation-") as name:
        console.print("building the ledger's models ...")
        with (
            built_postgres(Path(name)) as server,
            open_worlds(server, Path(name), options.jobs, streams=options.stream) as worlds,
        ):
            began = time.monotonic()
            runs = _runs(options, worlds)
            try:
                for outcome in _watched(worlds.play(runs), total, len(runs), console):
                    total.add(outcome)
                    if outcome.is_violated:
                        show_violation(console, again(outcome.seed, streams=total.streams), outcome.verdict.violations)
                    if options.trace:
                        _show_trace(console, outcome)
            except KeyboardInterrupt:
                worlds.give_up()
            total.seconds = time.monotonic() - began
    if options.json:
        print(total.as_json())
    else:
        total.show(console)
    played = total.seeds + total.crash_points + total.fault_points
    if played < len(runs):
        console.print(f"[yellow]interrupted[/yellow] after {played:,} of {len(runs):,} runs")
    return 1 if total.violations else _INTERRUPTED if played < len(runs) else 0


def _watched(outcomes: Iterable[Outcome], total: Sum, runs: int, console: Console) -> Iterator[Outcome]:
    """The outcomes, with a bar for a person, or a line now and then for a file."""
    if console.is_terminal:
        yield from track(outcomes, "simulating", runs, console=console)
        return
    began = told = time.monotonic()
    for played, outcome in enumerate(outcomes, 1):
        yield outcome
        if (now := time.monotonic()) - told >= _TELL_EVERY_SECONDS:
            told = now
            pace = played / (now - began)
            console.print(f"{played:,} of {runs:,} runs, {pace:.1f} a second, violations {len(total.violations)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--points", choices=("none", "crashes", "all"), default="all", help="steps of the way to break")
    parser.add_argument("--seed", type=int, help="this one seed only, with its trace")
    parser.add_argument("--point", help="this one point only, with its trace: STEP:FAULT")
    parser.add_argument("--stream", action="store_true", help="a live account, by the v2 meter-event stream")
    # A run waits for one round trip after another: two processes a core keep it busy.
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="processes")
    parser.add_argument("--json", action="store_true", help="the result as JSON on the standard output")
    options = parser.parse_args()
    options.trace = options.seed is not None or options.point is not None
    return options


def _runs(options: argparse.Namespace, worlds: Worlds) -> list[Run]:
    if options.seed is not None:
        return [options.seed]
    if options.point is not None:
        number, _, fault = options.point.partition(":")
        return [(int(number), fault)]
    runs: list[Run] = []
    if options.points != "none":
        steps = worlds.the_way()
        runs += crash_points(steps)
        runs += fault_points(steps) if options.points == "all" else []
    return [*runs, *range(options.first, options.first + options.seeds)]


def _show_trace(console: Console, outcome: Outcome) -> None:
    for line in outcome.trace:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(f"digest {outcome.digest}")


if __name__ == "__main__":
    sys.exit(main())
