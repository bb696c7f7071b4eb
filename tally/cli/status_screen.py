"""The one screen of `tally status`: at most 40 lines of 100 columns, whatever is wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from tally import closing
from tally.alerts import Alert
from tally.loop_heartbeat import LoopState
from tally.machine import Machine
from tally.pipeline_status import PipelineStatus
from tally.stripe.reads import ReadBudget

_SENTENCES = 5
_GIGABYTE = 10**9

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Look:
    """All that one screen shows of a tenant; `wrong` needs a person, `alerts` are open."""

    tenant_id: str
    now: datetime
    pipeline: PipelineStatus
    ending: closing.Overview
    machine: Machine
    alerts: Sequence[Alert]
    wrong: Sequence[str]


def screen(look: Look) -> RenderableType:
    """The table, and the first sentences on what is wrong below it."""
    table = Table(title=f"Tallyledger: {look.tenant_id}", title_justify="left", title_style="bold")
    table.add_column("stage", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    for stage, what, value in _rows(look):
        table.add_row(stage, what, escape(value))
    below = [f"[red]wrong:[/red] {escape(sentence)}" for sentence in look.wrong[:_SENTENCES]]
    if len(look.wrong) > _SENTENCES:
        below.append(f"[red]and {len(look.wrong) - _SENTENCES} more:[/red] `tally status --json` has them all")
    return Group(table, *(below or ["[green]nothing needs a person[/green]"]))


def _rows(look: Look) -> Iterator[Row]:
    found, machine = look.pipeline, look.machine
    yield "landed", "events in the last minute", f"{found.events_per_second:,.1f} a second"
    yield "", "last delivery", _since(found.last_landed_at, look.now)
    yield "", "waiting for the ledger", f"{found.rows_waiting:,}{'+' if found.more_are_waiting else ''}"
    yield "", "tick lag: age of the oldest", _span(found.lag)
    yield "loop", "state", _loop(found.loop)
    yield "counted", "counters", f"{found.counters:,}, of {found.events_counted:,} events"
    yield "", "not in them", f"{found.late_events:,} late, {found.conflicts:,} conflicts"
    yield "sent", "intents", _by_name(found.intents)
    yield "", "oldest unsettled intent", _since(found.oldest_open_intent_at, look.now)
    yield "agreed", "lines", _by_name(found.lines)
    yield "", "largest open drift", "—" if found.drift is None else str(found.drift)
    yield "", "oldest open break", _since(found.oldest_break_at, look.now)
    yield "reads", "GETs in 30 days", "; ".join(map(_reads, found.reads)) or "none"
    drafts = look.ending.drafts
    unsettled = sum(bool(draft.unsettled) for draft in drafts)
    yield "closing", "drafts", f"{len(drafts):,}, {unsettled:,} unsettled, {len(look.ending.holds):,} held by us"
    yield "", "rests", _by_name(Counter(rest.state for rest in look.ending.rests))
    yield "machine", "disk free", f"{_gigabytes(machine.free_bytes)} of {_gigabytes(machine.disk_bytes)}"
    yield "", "database", _gigabytes(machine.database_bytes)
    yield "", "oldest write transaction", _writing(machine)
    yield "alerts", "open", _by_name(Counter(alert.state for alert in look.alerts))


def _loop(loop: LoopState | None) -> str:
    if loop is None:
        return "none has run here"
    if loop.is_running:
        return f"runs ({loop.process}), {loop.ticks_last_minute:,} ticks a minute"
    return f"died ({loop.process})" if loop.died else f"stopped at {loop.stopped_at:%Y-%m-%d %H:%M:%S}Z"


def _reads(budget: ReadBudget) -> str:
    mode = "live" if budget.livemode else "test"
    return f"{budget.account} ({mode}) {budget.used:,} of {budget.allowance:,}"


def _writing(machine: Machine) -> str:
    return "—" if machine.writing_for is None else f"{_span(machine.writing_for)}, {machine.writer}"


def _by_name(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "none"


def _since(at: datetime | None, now: datetime) -> str:
    return "—" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z, {_span(now - at)} ago"


def _span(span: timedelta | None) -> str:
    return "—" if span is None else str(timedelta(seconds=round(max(span, timedelta()).total_seconds())))


def _gigabytes(size: int) -> str:
    return f"{size / _GIGABYTE:,.1f} GB"
