"""`tally close`: periods that have ended; drafts held and let go, and what a final invoice did not bill as counted."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from uuid import UUID

import psycopg
import typer
from rich.markup import escape

from tally import closing
from tally.billed_accounts import billed_accounts
from tally.cli.close_tables import print_overview, print_result, rests_table
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import Clock, clock_for
from tally.closing import ClosingRefused, Hold, NoSuchHold
from tally.settings import load_settings
from tally.stripe.account import StripeAccount, open_account


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise ClosingRefused("by: this process's user has no name; say who decides: --by NAME") from None


app = typer.Typer(no_args_is_help=True, help="Close periods: hold drafts, and settle what final invoices missed.")

RestArgument = Annotated[UUID, typer.Argument(help="rest_id, as `tally close list` shows it")]
InvoiceArgument = Annotated[str, typer.Argument(help="The invoice's id at Stripe, in_...")]
ByOption = Annotated[
    str, typer.Option("--by", help="Who decides; by default the operating system's user.", default_factory=_operator)
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for whoever reads it in a year.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, for whoever reads it in a year.")]
Way = Literal["invoice_item", "write_off", "credit_note", "credit_grant"]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Rests that are over as well.")] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Drafts, holds and rests as they stand. Exits 1 when something needs a person."""
    with _session(tenant) as (connection, tenant_id, clock):
        found = closing.overview(connection, tenant_id, clock, all_rests=everything)
    if as_json:
        print_json({"tenant_id": tenant_id, **vars(found), "wrong": found.wrong})
    else:
        print_overview(found)
    raise typer.Exit(1 if found.wrong else 0)


@app.command()
def plan(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """What a run would hold, let go and propose, by what was read last. Exits 1 when a person is needed."""
    _run(tenant, as_json, dry_run=True)


@app.command()
def run(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Push, hold or let go drafts, work rests out and send them. Exits 1 when a person is needed."""
    _run(tenant, as_json, dry_run=False)


@app.command()
def approve(
    rest_id: RestArgument,
    by: ByOption,
    note: NoteOption = "",
    way: Annotated[Way | None, typer.Option("--as", help="Another way than the one proposed.")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a rest be billed, credited or written off; the next `tally close run` sends it."""
    with _session(tenant) as (connection, tenant_id, clock):
        rest = closing.approve(connection, tenant_id, rest_id, by, clock, note=note, kind=way)
    _print_rest("Approved", rest, as_json)


@app.command()
def reject(
    rest_id: RestArgument,
    by: ByOption,
    note: NoteOption = "",
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Decide that a rest is neither billed nor given back. It is not proposed again."""
    with _session(tenant) as (connection, tenant_id, clock):
        rest = closing.reject(connection, tenant_id, rest_id, by, clock, note=note)
    _print_rest("Rejected", rest, as_json)


@app.command()
def settle(
    customer: Annotated[str, typer.Argument(help="customer_ref, as `tally close list` shows it")],
    metric: Annotated[str, typer.Argument(help="What is metered.")],
    period: Annotated[str, typer.Option("--period", help="When it starts (UTC), as `tally close list` shows it.")],
    amount: Annotated[str, typer.Option("--amount", help="What is due, e.g. 12.50; 0: nothing, or settled elsewhere.")],
    by: ByOption,
    way: Annotated[Way | None, typer.Option("--as", help="How it is billed, given back or written off.")] = None,
    note: NoteOption = "",
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Name the amount of a counter that no price explains, and how it is settled; the next run sends it."""
    counter = customer, metric, _moment(period)
    with (
        _session(tenant) as (connection, tenant_id, clock),
        _account_billing(connection, tenant_id, counter) as account,
    ):
        rest = closing.settle_by_hand(
            connection, account, tenant_id, counter, _amount(amount), by, clock, kind=way, note=note
        )
    _print_rest("Settled", rest, as_json)


@app.command()
def show(rest_id: RestArgument, tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """One rest, with the events that it comes from."""
    with _session(tenant) as (connection, tenant_id, _):
        rest = closing.read(connection, tenant_id, rest_id)
        events = closing.events_of(connection, tenant_id, rest_id)
    if as_json:
        print_json({"rest": rest, "events": events})
        return
    facts = [(name, escape(str(value))) for name, value in vars(rest).items() if value not in (None, "", [])]
    print_table("Rest", ["field", "is"], facts)
    print_table("Events", ["key"], [(escape(key),) for key in events])


@app.command()
def hold(
    invoice_id: InvoiceArgument,
    reason: ReasonOption,
    by: ByOption,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep a draft from finalizing until somebody releases it."""
    with _session(tenant) as (connection, tenant_id, clock), _account_of(connection, tenant_id, invoice_id) as account:
        held = closing.hold_by_hand(connection, account, tenant_id, invoice_id, by, reason, clock)
    _print_hold(held, as_json)


@app.command()
def release(
    invoice_id: InvoiceArgument,
    reason: ReasonOption,
    by: ByOption,
    finalize: Annotated[
        bool, typer.Option("--finalize", help="Make it final now, not after Stripe's own delay.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a draft go that we hold, settled or not. It is not held again by itself."""
    with _session(tenant) as (connection, tenant_id, clock), _account_of(connection, tenant_id, invoice_id) as account:
        held = closing.release(connection, account, tenant_id, invoice_id, by, reason, clock, finalize=finalize)
    _print_hold(held, as_json)


def _run(tenant: str | None, as_json: bool, *, dry_run: bool) -> None:
    settings = load_settings()
    results = []
    with _session(tenant) as (connection, tenant_id, clock):
        for _, name in (pair for pair in billed_accounts(connection) if pair[0] == tenant_id):
            account = open_account(settings, name)
            with console.status(f"closing periods ({account.mode} mode) ..."):
                results.append(closing.close_periods(settings, connection, account, tenant_id, clock, dry_run=dry_run))
            account.close()
    if as_json:
        print_json([{**vars(result), "needs_a_person": result.needs_a_person} for result in results])
    else:
        for result in results:
            print_result(result)
        if not results:
            console.print(f"{tenant_id} maps no metric to Stripe: there is nothing to close")
    raise typer.Exit(1 if any(result.needs_a_person for result in results) else 0)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ClosingRefused(f"period: {text!r} is no moment: write 2024-03-01T08:30:15Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise ClosingRefused(f"amount: {text!r} is no amount: write 12.50, or -12.50 for what is given back")
    return amount


@contextmanager
def _session(tenant: str | None) -> Iterator[tuple[psycopg.Connection[Any], str, Clock]]:
    with opened() as connection:
        yield connection, tenant_meant(connection, tenant), clock_for(load_settings(), connection)


@contextmanager
def _account_of(connection: psycopg.Connection[Any], tenant_id: str, invoice_id: str) -> Iterator[StripeAccount]:
    """The account whose mirror has the invoice.

    Raises:
        NoSuchHold: no counter of the tenant is on an invoice of this id.
    """
    row = connection.execute(
        "select account from tally.stripe_totals where tenant_id = %s and invoice_id = %s"
        " and not tally.is_shadow(account) limit 1",
        (tenant_id, invoice_id),
    ).fetchone()
    if row is None:
        raise NoSuchHold(f"no counter of {tenant_id} is on invoice {invoice_id}: `tally close list`")
    with _opened_account(row[0]) as account:
        yield account


@contextmanager
def _account_billing(
    connection: psycopg.Connection[Any], tenant_id: str, counter: tuple[str, str, datetime]
) -> Iterator[StripeAccount]:
    """The account that bills the counter.

    Raises:
        ClosingRefused: no invoice of an account of the tenant's bills it.
    """
    row = connection.execute(
        "select account from tally.stripe_totals where tenant_id = %s and customer_ref = %s and metric = %s"
        " and period_start = %s and not tally.is_shadow(account) limit 1",
        (tenant_id, *counter),
    ).fetchone()
    if row is None:
        said = (
            f"{counter[0]} has no period of {counter[1]} from {counter[2]:%Y-%m-%d %H:%M:%S}Z that was read at Stripe"
        )
        raise ClosingRefused(f"period: {said}: `tally close list` shows what is not settled")
    with _opened_account(row[0]) as account:
        yield account


@contextmanager
def _opened_account(name: str) -> Iterator[StripeAccount]:
    account = open_account(load_settings(), name)
    try:
        yield account
    finally:
        account.close()


def _print_rest(title: str, rest: closing.Rest, as_json: bool) -> None:
    if as_json:
        print_json(rest)
        return
    rests_table(f"{title} by {escape(rest.decided_by or '')}", [rest])
    if rest.state == "approved":
        console.print("next: tally close run")


def _print_hold(held: Hold, as_json: bool) -> None:
    if as_json:
        print_json(held)
        return
    who = held.released_by if held.state in ("releasing", "released") else held.held_by
    console.print(f"{held.invoice_id} is {held.state} ({escape(who or '')})")
    if held.last_error:
        console.print(f"[yellow]note:[/yellow] {escape(held.last_error)}")
