"""`tally conflicts`: one key, different payloads; a person says which one counts."""

from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.markup import escape

from tally import conflicts
from tally.adjustments import counter_value, read
from tally.cli.adjustments import ByOption, DryRun, as_text
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.conflicts import Decision, Delivery
from tally.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="List conflicting deliveries, look at them, decide which one counts.")

KeyArgument = Annotated[str, typer.Argument(help="The event's idempotency_key")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, for whoever reads it in a year.")]


@app.command("list")
def list_(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that wait for a decision.")] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the events that arrived with different payloads."""
    with opened() as connection:
        found = conflicts.list_conflicts(connection, tenant_meant(connection, tenant), only_open=only_open)
    if as_json:
        print_json(found)
        return
    rows = as_text(
        (row.idempotency_key, row.customer_ref, row.metric, row.event_time, row.conflicting, row.undecided,
         row.last_landed_at, row.decided_by)
        for row in found
    )  # fmt: skip
    columns = ["key", "customer", "metric", "happened", "differ", "undecided", "last landed", "decided by"]
    print_table("Conflicts", columns, rows)


@app.command()
def show(key: KeyArgument, tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Show the first delivery and those that differ from it, side by side; * marks what differs."""
    with opened() as connection:
        deliveries = conflicts.deliveries_of(connection, tenant_meant(connection, tenant), key)
    if as_json:
        print_json([{**vars(row), "differs_in": row.differs_in(deliveries[0])} for row in deliveries])
        return
    columns = ["", *(f"delivery {row.number}" + (" (first)" if row.number == 1 else "") for row in deliveries)]
    fields = ("customer_ref", "metric", "quantity", "event_time", "properties", "landed_at", "decision", "decided_by")
    rows = as_text((field, *(_cell(row, field, deliveries[0]) for row in deliveries)) for field in fields)
    print_table(f"Deliveries of {escape(key)}", columns, rows)


@app.command("keep-first")
def keep_first(
    key: KeyArgument,
    note: NoteOption,
    by: ByOption,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let the first delivery stand. No counter changes."""
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        decision = conflicts.keep_first(connection, tenant_id, key, by, note, clock_for(settings, connection))
    if as_json:
        print_json(decision)
    else:
        console.print(f"{key}: the first delivery stands", markup=False)


@app.command()
def replace(
    key: KeyArgument,
    note: NoteOption,
    by: ByOption,
    delivery: Annotated[int | None, typer.Option(min=2, help="Which one, as `show` numbers them.")] = None,
    dry_run: DryRun = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let another delivery take the first one's place. A closed counter gets a pending adjustment instead."""
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)
        counter = None
        with connection.transaction(force_rollback=True) if dry_run else nullcontext():
            decision = conflicts.replace(connection, tenant_id, key, delivery, by, note, clock)
            if decision.adjustment_id is not None:
                adjustment = read(connection, tenant_id, decision.adjustment_id)
                counter = counter_value(connection, tenant_id, adjustment, adjustment.period)
    if decision.needs_recount and not dry_run:
        conflicts.recount(settings, tenant_id, key, by)
    if as_json:
        print_json({"dry_run": dry_run, "counter_value": counter, **vars(decision)})
        return
    for line in _story(decision, counter):
        console.print(line, markup=False, soft_wrap=True)
    if dry_run:
        console.print("dry run: nothing written")


def _story(decision: Decision, counter: Any) -> list[str]:
    what = f"{decision.idempotency_key}: delivery {decision.delivery} takes the first one's place"
    if decision.adjustment_id is None:
        return [
            f"{what}: the first is reversed, the other lands as {decision.replacement_key}",
            "next: tally tick counts it",
        ]
    return [
        f"{what} in no counter: that period is closed, it stays {counter:,f}",
        f"adjustment {decision.adjustment_id} of {decision.amount:,f} waits for a decision"
        if decision.amount
        else f"adjustment {decision.adjustment_id} of 0: nothing changes",
    ]


def _cell(row: Delivery, field: str, first: Delivery) -> Any:
    value = getattr(row, field)
    return value if field not in row.differs_in(first) else f"* {value}"
