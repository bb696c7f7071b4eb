"""What many runs came to: faults against fates, and the line that sums it up."""

import json
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.simulation.run import Outcome

FATES = (
    "answer",
    "duplicate",
    "summary",
    "operator",
    "missing",
    "refused",
    "cancelled",
    "superseded",
    "disputed",
    "never an intent",
)
_MOST_SHOWN = 20


@dataclass
class Sum:
    """Of all runs of an invocation."""

    streams: bool = False
    seeds: int = 0
    crash_points: int = 0
    fault_points: int = 0
    steps: int = 0
    seconds: float = 0.0
    applied_twice: int = 0
    missing: int = 0
    frozen: int = 0
    late: int = 0
    fired: Tally[str] = field(default_factory=Tally)
    fates: dict[str, Tally[str]] = field(default_factory=dict)
    violated_with: Tally[str] = field(default_factory=Tally)
    states: Tally[str] = field(default_factory=Tally)
    violations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one run in."""
        verdict = outcome.verdict
        if ":" not in outcome.seed:
            self.seeds += 1
        elif ":crash_" in outcome.seed:
            self.crash_points += 1
        else:
            self.fault_points += 1
        self.steps += outcome.steps
        self.applied_twice += verdict.applied_twice
        self.missing += verdict.missing
        self.frozen += len(verdict.frozen)
        self.late += len(verdict.late)
        self.states += verdict.states
        names = [f"{step.kind} {fault}" for step, fault in outcome.fired]
        self.fired.update(names)
        for fault, fate in outcome.fates:
            self.fates.setdefault(f"post {fault}", Tally())[fate] += 1
        if verdict.violations:
            self.violated_with.update(set(names))
            self.violations.append({
                "run": outcome.seed,
                "again": again(outcome.seed, streams=self.streams),
                "violations": verdict.violations,
                "faults": [f"step {at.number} {at.actor} {at.kind} {at.label}: {fault}" for at, fault in outcome.fired],
            })  # fmt: skip

    def last_line(self) -> str:
        """The sum in a line."""
        return (
            f"{self.seeds} seeds, {self.crash_points} crash points, {self.fault_points} other fault points: "
            f"applied twice {self.applied_twice}, missing {self.missing}, frozen {self.frozen} (each listed), "
            f"violations {len(self.violations)}; {self.steps} steps in {self.seconds:.0f} s"
        )

    def as_json(self) -> str:
        """Everything, for a program."""
        return json.dumps(vars(self) | {"summary": self.last_line()}, indent=2, default=dict)

    def show(self, console: Console) -> None:
        """The table, the violations with the command that repeats each, and the last line."""
        met = [fate for fate in FATES if any(fates[fate] for fates in self.fates.values())]
        table = Table("fault", "fired", *met, "violated", title="faults, and what became of the intents they hit")
        for name in sorted(self.fired):
            fates = self.fates.get(name, Tally())
            row = [str(fates[fate] or "") for fate in met]
            table.add_row(name, str(self.fired[name]), *row, str(self.violated_with[name] or ""))
        console.print(table)
        for violation in self.violations[:_MOST_SHOWN]:
            show_violation(console, violation["again"], [*violation["violations"], *violation["faults"]])
        console.print(self.last_line(), soft_wrap=True)


def show_violation(console: Console, command: str, lines: Sequence[str]) -> None:
    """What was violated, below the command that plays it again."""
    console.print(f"[red]violated[/red]: {command}", soft_wrap=True)
    for line in lines:
        console.print(f"    {line}", soft_wrap=True, markup=False)


def again(run: str, *, streams: bool = False) -> str:
    """The command that repeats one run."""
    command = f"make simulate POINT={run!r}" if ":" in run else f"make simulate SEED={run}"
    return f"{command} SIMULATE=--stream" if streams else command
