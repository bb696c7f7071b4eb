"""`tally status`: one screen, and an exit code for monitors."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from tally import closing
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.loop_heartbeat import LoopState
from tally.pipeline_status import PipelineStatus, pipeline_status
from tally.settings import load_settings


def status(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Say whether billing is healthy. Exits 1 when something needs a person."""
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        settings = load_settings()
        clock = clock_for(settings, connection)
        found = pipeline_status(connection, tenant_id, clock.now(), settings.stripe_read_allowance)
        ending = closing.overview(connection, tenant_id, clock)
    wrong = (*found.wrong, *ending.wrong)
    if as_json:
        print_json({"tenant_id": tenant_id, **vars(found), "closing": ending, "wrong": wrong})
    else:
        print_table(f"Tallyledger: {tenant_id}", ["stage", "what", "value"], [*_rows(found), *_closing_rows(ending)])
        for sentence in wrong:
            console.print(f"[red]wrong:[/red] {sentence}")
        if not wrong:
            console.print("[green]nothing needs a person[/green]")
    raise typer.Exit(1 if wrong else 0)


def _rows(found: PipelineStatus) -> Iterator[tuple[Any, ...]]:
    yield "landed", "last delivery", found.last_landed_at
    yield "", "waiting for the ledger", found.rows_waiting
    yield "", "lag: age of the oldest", found.lag
    yield from _loop(found.loop)
    yield "counted", "counters", found.counters
    yield "", "events in them", found.events_counted
    yield "", "late, not in them", found.late_events
    yield "", "conflicts", found.conflicts
    yield "sent", "oldest open intent", found.oldest_open_intent_at
    yield from _by_name("intents", found.intents)
    yield "parity", "lines", sum(found.lines.values())
    yield from _by_name("lines", found.lines)
    for budget in found.reads:
        mode = "live" if budget.livemode else "test"
        yield "reads", f"GETs in 30 days, {budget.account} ({mode})", f"{budget.used:,} of {budget.allowance:,}"


def _closing_rows(found: closing.Overview) -> Iterator[tuple[Any, ...]]:
    yield "closing", "drafts", len(found.drafts)
    yield "", "drafts with something unsettled", sum(bool(draft.unsettled) for draft in found.drafts)
    yield "", "drafts held by us", len(found.holds)
    yield from _by_name("rests", Counter(rest.state for rest in found.rests))


def _loop(loop: LoopState | None) -> Iterator[tuple[Any, ...]]:
    if loop is None:
        yield "loop", "state", "none has run here"
        return
    state = "runs" if loop.is_running else "died" if loop.died else f"stopped at {loop.stopped_at:%Y-%m-%d %H:%M:%S}Z"
    yield "loop", "state", f"{state} ({loop.process})"
    yield "", "last tick", loop.last_tick_at
    if loop.is_running:
        yield "", "ticks per minute", loop.ticks_last_minute


def _by_name(what: str, counts: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    for name, number in counts.items():
        yield "", f"{what} {name}", number
