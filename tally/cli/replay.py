"""`tally replay`: count landed events again, the difference first."""

import shlex
from typing import Annotated, Any

import typer

from tally.cli.adjustments import ByOption
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.output import progress as stderr
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.database import database_url
from tally.ledger import Ledger
from tally.replay import Change, Replay, ReplayChanged, Replays, Request
from tally.settings import load_settings

_COLUMNS = ("customer", "metric", "period", "before", "after", "events", "late", "moved", "would push", "")

SinceOption = Annotated[str | None, typer.Option(help="Event time from: 2013-01-31T05:00:00Z, -PT24H, -P7D.")]
UntilOption = Annotated[str | None, typer.Option(help="Event time before: a time as for --since, or now.")]


def replay(
    by: ByOption,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; may be repeated.")] = None,
    customer: Annotated[list[str] | None, typer.Option(help="Only this customer; may be repeated.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    closed: Annotated[bool, typer.Option("--closed", help="Change closed counters too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change: the default.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Ask, and apply what was shown.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --apply: do not ask.")] = False,
    shown: Annotated[
        str | None, typer.Option("--hash", help="With --apply: apply the difference shown under this hash.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Count landed events again by today's periods, meters and decisions. Shows the difference; --apply applies it."""
    if dry_run and apply:
        raise typer.BadParameter("--dry-run and --apply exclude each other")
    if shown is not None and (not apply or metric or customer or since or until or closed):
        raise typer.BadParameter("goes with --apply alone: a hash says what is replayed", param_hint="--hash")
    settings = load_settings()
    url = database_url(settings)
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        replays = Replays(url, clock_for(settings, connection), Ledger(settings).tick, _progress)
        try:
            found = None
            if shown is None:
                request = Request(tenant_id, _names(metric), _names(customer), since, until, closed=closed)
                found = replays.show(request, by)
                shown = found.hash
                if apply and not yes and found.changes:
                    _print(found)
                    typer.confirm("Apply this?", abort=True, err=True)
            if apply:
                found = replays.apply(tenant_id, shown, by)
        except ReplayChanged as changed:
            _report(changed.shown, as_json)
            raise
    assert found is not None
    _report(found, as_json)


def _report(found: Replay, as_json: bool) -> None:
    if as_json:
        print_json(_document(found))
    else:
        _print(found)


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    return tuple(given) if given else None


def _progress(done: int, chunks: int) -> None:
    if chunks > 1:
        stderr.print(f"counted {done} of {chunks} chunks of customers")


def _document(found: Replay) -> dict[str, Any]:
    return {**vars(found), "changes": [{**vars(change), "delta": change.delta} for change in found.changes]}


def _print(found: Replay) -> None:
    rows = [
        (
            change.customer_ref, change.metric, f"{change.period_start:%Y-%m-%d %H:%M}Z", change.value_before,
            change.value_after, _step(change.events_before, change.events_after),
            _step(change.late_before, change.late_after), change.moved, change.would_push, _standing(change),
        )
        for change in found.changes
    ]  # fmt: skip
    print_table("Replay", _COLUMNS, rows)
    events = sum(scope.events for scope in found.events)
    console.print(f"{events:,} events in scope; {len(found.changes) - len(found.held):,} counters change")
    if missing := sum(scope.without_landing for scope in found.events):
        console.print(f"{missing:,} events stay as they are: what landed is gone by retention")
    if decided := sum(scope.decided for scope in found.events):
        console.print(f"{decided:,} events stay as they are: an adjustment about them was decided")
    if found.held:
        console.print("held: closed, or sharing moved events with a closed counter. To correct what is billed instead:")
        for change in found.held:
            if change.delta:
                console.print(
                    f"  {adjustment_line(found.request.tenant_id, change, found.hash)}", markup=False, soft_wrap=True
                )
    if found.applied_at is not None:
        console.print(f"applied at {found.applied_at:%Y-%m-%d %H:%M:%SZ} by {found.applied_by}", markup=False)
    else:
        command = f"tally replay --tenant {found.request.tenant_id} --apply --hash {found.hash}"
        console.print(f"nothing was changed; to apply exactly this: {command}", markup=False, soft_wrap=True)


def _step(before: int, after: int) -> str:
    return f"{before:,}" if before == after else f"{before:,} → {after:,}"


def _standing(change: Change) -> str:
    if change.is_held:
        return "closed, held" if change.is_closed else "held"
    return "closed" if change.is_closed else ""


def adjustment_line(tenant_id: str, change: Change, shown: str) -> str:
    """The command that proposes what a held change would do to its counter."""
    return shlex.join(
        [
            "tally", "adjustments", "create", "--tenant", tenant_id, f"--customer={change.customer_ref}",
            "--metric", change.metric, f"--amount={change.delta.normalize():f}", "--reason", "correction",
            "--period", f"{change.period_start:%Y-%m-%dT%H:%M:%S.%f}Z".replace(".000000Z", "Z"),
            "--note", f"replay {shown[:12]}",
        ]
    )  # fmt: skip
