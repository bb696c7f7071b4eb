"""The day on a terminal: a table that grows with it, and what was wrong in the end; and all of it as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.outcome import Outcome
from tests.chaos.verdict import Verdict

MOST_SHOWN = 30


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row a fault; `taken` to `sent` are seconds after it was mended, those of the alert after it began."""
    shown = Table(title="chaos day", title_justify="left", caption_justify="left")
    for name in ("fault", "at (UTC)"):
        shown.add_column(name)
    for name in ("down", "taken", "counted", "sent", "lost", "twice"):
        shown.add_column(name, justify="right")
    for name in ("alert", "raised after", "resolved after"):
        shown.add_column(name)
    for outcome in outcomes:
        shown.add_row(*_row(outcome))
    return shown


def _row(outcome: Outcome) -> tuple[str, ...]:
    recovery, alert = outcome.recovery, outcome.alert
    came_back = (recovery.taken, recovery.counted, recovery.told) if recovery else ()
    return (
        outcome.name,
        f"{outcome.began_at:%H:%M:%S}",
        _seconds(outcome.broken_at, outcome.mended_at),
        *(_number(seconds) for seconds in came_back),
        *([""] * (3 - len(came_back))),
        str(recovery.lost) if recovery else "",
        str(outcome.twice) if recovery else "",
        outcome.wanted_alert,
        _seconds(outcome.began_at, alert.triggered_at) if alert else "-" if recovery else "",
        _seconds(outcome.began_at, alert.resolved_at) if alert and alert.resolved_at else "-" if alert else "",
    )


def _seconds(since: datetime | None, until: datetime | None) -> str:
    return "" if since is None or until is None else f"{(until - since).total_seconds():.0f} s"


def _number(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"


def finish(console: Console, path: Path, verdict: Verdict, outcomes: Sequence[Outcome], about: dict[str, Any]) -> int:
    """Print the violations and the last line, write the JSON to `path`; returns the exit code."""
    for violation in verdict.violations[:MOST_SHOWN]:
        console.print(f"[red]violated:[/red] {violation}", soft_wrap=True, highlight=False)
    if len(verdict.violations) > MOST_SHOWN:
        console.print(f"... and {len(verdict.violations) - MOST_SHOWN} more in {path}")
    console.print(verdict.last_line(), soft_wrap=True, highlight=False)
    listed = {"last_line": verdict.last_line(), "outcomes": [asdict(each) for each in outcomes]}
    document = about | asdict(verdict) | listed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, default=str) + "\n")
    return 1 if verdict.violations else 0
