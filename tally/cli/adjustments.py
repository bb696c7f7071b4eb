"""`tally adjustments`: corrections of counters, from a proposal to what is billed, and back."""

import getpass
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from uuid import UUID

import psycopg
import typer
from rich.markup import escape

from tally import adjustments
from tally.adjustments import Adjustment, AdjustmentRefused, Booking, Request
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import Clock, clock_for
from tally.settings import load_settings


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise AdjustmentRefused("by: this process's user has no name; say who decides: --by NAME") from None


app = typer.Typer(no_args_is_help=True, help="List, create, approve, reject and revert corrections of counters.")

IdArgument = Annotated[UUID, typer.Argument(help="adjustment_id, as `tally adjustments list` shows it")]
ByOption = Annotated[
    str,
    typer.Option("--by", help="Who decides; by default the operating system's user.", default_factory=_operator),
]
NoteOption = Annotated[str, typer.Option("--note", help="Why, for whoever reads it in a year.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would do; write nothing.")]
StateOption = Literal["pending", "approved", "reverted", "rejected"]


@app.command("list")
def list_(
    state: Annotated[StateOption | None, typer.Option(help="Only those in this state.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only this metric's.")] = None,
    event: Annotated[str | None, typer.Option(help="Only those that stand for the event with this key.")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List adjustments, oldest first."""
    with opened() as connection:
        found = adjustments.list_adjustments(
            connection, tenant_meant(connection, tenant), state=state, customer_ref=customer, metric=metric, event=event
        )
    if as_json:
        print_json(found)
    else:
        _print_all("Adjustments", found)


@app.command()
def show(adjustment_id: IdArgument, tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Show one adjustment, the events it stands for, and the other adjustments that those are in."""
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        found = adjustments.read(connection, tenant_id, adjustment_id)
        events = adjustments.events_of(connection, tenant_id, adjustment_id)
        value = adjustments.counter_value(connection, tenant_id, found, found.booked or found.period)
    if as_json:
        print_json({"adjustment": found, "counter_value": value, "events": events})
        return
    fields = [(name, content) for name, content in vars(found).items() if content not in (None, "")]
    facts = [(name, _plain(content)) for name, content in [*fields, ("counter_value", value)]]
    print_table("Adjustment", ["field", "is"], as_text(facts))
    rows = [
        (row.idempotency_key, row.event_time, row.landed_at, row.quantity, row.outcome, "\n".join(row.also_in))
        for row in events
    ]
    print_table("Events", ["key", "happened", "landed", "quantity", "outcome", "also in"], as_text(rows))


@app.command()
def create(
    customer: Annotated[str, typer.Option(help="customer_ref")],
    metric: Annotated[str, typer.Option(help="The metric whose counter is corrected.")],
    amount: Annotated[str, typer.Option(help="What it adds, in the meter's unit; negative takes away.")],
    at: Annotated[str, typer.Option("--period", help="A day or moment (UTC) in the period, e.g. 2013-01-31")],
    reason: Annotated[Literal["correction", "goodwill", "billing_error"], typer.Option(help="What kind it is.")],
    note: NoteOption,
    by: ByOption,
    dry_run: DryRun = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose a correction of one counter. Nothing is billed by it until it is approved."""
    request = Request(customer, metric, _moment(at), _decimal(amount), reason, note)
    with _session(tenant, dry_run) as (connection, tenant_id, clock):
        made = adjustments.create(connection, tenant_id, request, by, clock)
        value = adjustments.counter_value(connection, tenant_id, made, made.period)
    if as_json:
        print_json({"dry_run": dry_run, "adjustment": made, "counter_value": value})
        return
    _print_all("Would be created" if dry_run else "Created, pending", [made])
    console.print(f"the counter of that period stands at {_plain(value)}")
    if not dry_run:
        console.print(f"next: tally adjustments approve {made.adjustment_id} --dry-run", soft_wrap=True)


@app.command()
def approve(
    adjustment_id: IdArgument,
    by: ByOption,
    dry_run: DryRun = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Book a pending adjustment into the counter that the tenant's policy names; the next push sends it."""
    with _session(tenant, dry_run) as (connection, tenant_id, clock):
        booking = adjustments.approve(connection, tenant_id, adjustment_id, by, clock)
    _print_booking("Approved", booking, dry_run, as_json)


@app.command()
def reject(
    adjustment_id: IdArgument,
    by: ByOption,
    dry_run: DryRun = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Decide that a pending adjustment is never booked. Its events are not proposed again."""
    with _session(tenant, dry_run) as (connection, tenant_id, clock):
        rejected = adjustments.reject(connection, tenant_id, adjustment_id, by, clock)
    if as_json:
        print_json({"dry_run": dry_run, "adjustment": rejected})
    else:
        _print_all("Would be rejected" if dry_run else "Rejected", [rejected])


@app.command()
def revert(
    adjustment_id: IdArgument,
    by: ByOption,
    note: NoteOption = "",
    dry_run: DryRun = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take an approved adjustment back, with one of exactly the opposite amount."""
    with _session(tenant, dry_run) as (connection, tenant_id, clock):
        booking = adjustments.revert(connection, tenant_id, adjustment_id, by, clock, note)
    _print_booking("Reverted by", booking, dry_run, as_json)


@contextmanager
def _session(tenant: str | None, dry_run: bool) -> Iterator[tuple[psycopg.Connection, str, Clock]]:
    """Connection, tenant and clock; what a dry run writes is rolled back."""
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(load_settings(), connection)
        # Without a dry run each step commits by itself, also where it refuses and writes why.
        with connection.transaction(force_rollback=True) if dry_run else nullcontext():
            yield connection, tenant_id, clock


def _print_booking(title: str, booking: Booking, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": dry_run, **vars(booking)})
        return
    _print_all(f"{title}{' (dry run: nothing written)' if dry_run else ''}", [booking.adjustment])
    console.print(f"counter: {_plain(booking.before)} -> {_plain(booking.after)}")


def _print_all(title: str, found: list[Adjustment]) -> None:
    rows = as_text(
        (row.adjustment_id, row.customer_ref, row.metric, row.period_start, row.amount, row.reason, row.state,
         row.booked_start, row.decided_by or row.created_by, row.note)
        for row in found
    )  # fmt: skip
    columns = [
        "id",
        "customer",
        "metric",
        "about period from",
        "amount",
        "reason",
        "state",
        "booked into",
        "by",
        "note",
    ]
    print_table(title, columns, rows)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AdjustmentRefused(
            f"period: {text!r} is neither a day nor a moment; write 2013-01-31 or 2013-01-31T10:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise AdjustmentRefused(f"amount: {text!r} is not a number") from None


def as_text(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """The rows with their texts as they stand: what somebody typed is no markup."""
    return [[escape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:,f}"
    return f"{value:%Y-%m-%d %H:%M:%SZ}" if isinstance(value, datetime) else str(value)
