"""How every benchmark ends: one row a bar, as a table, as build/bench/<name>.json and as the exit status."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path("build/bench")


@dataclass(frozen=True)
class Bar:
    """One figure against its limit. `holds` says whether it is on the right side of it."""

    name: str
    value: float
    unit: str
    bar: float
    holds: bool


def at_least(name: str, value: float, unit: str, bar: float) -> Bar:
    """A bar that `value` must reach."""
    return Bar(name, round(value, 4), unit, bar, value >= bar)


def at_most(name: str, value: float, unit: str, bar: float) -> Bar:
    """A bar that `value` must not pass."""
    return Bar(name, round(value, 4), unit, bar, value <= bar)


def report(name: str, bars: Sequence[Bar], console: Console) -> int:
    """Write and show the bars; the exit status is 1 when one does not hold or there is none."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps([asdict(bar) for bar in bars], indent=2) + "\n")
    table = Table("bar", "value", "limit", "holds", title=f"bars, also in {path}")
    for bar in bars:
        table.add_row(bar.name, f"{bar.value:g} {bar.unit}", f"{bar.bar:g}", "yes" if bar.holds else "[bold red]NO")
    console.print(table)
    return 0 if bars and all(bar.holds for bar in bars) else 1
