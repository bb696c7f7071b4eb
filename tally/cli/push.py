"""`tally push`: send Stripe what it has not been told yet."""

from typing import Annotated, Any

import typer
from psycopg import Connection

from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.push_accounts import adopt, resume
from tally.cli.session import opened, tenant_meant
from tally.cli.stripe_mode import banner, print_closed_shadows
from tally.clock import Clock, clock_for
from tally.push import (
    DeliveryResult,
    PlanResult,
    Standing,
    deliver,
    plan,
    preview,
    release_refused,
    standing,
)
from tally.settings import Settings, load_settings
from tally.shadow.parallel import in_shadows
from tally.stripe.account import StripeAccount, open_account

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent and what is held back; send nothing.")]
RetryRefused = Annotated[bool, typer.Option("--retry-refused", help="Plan refused values anew: their cause is mended.")]

app = typer.Typer(help="Send Stripe what it has not been told yet.")
app.command("resume")(resume)
app.command("adopt")(adopt)
Result = tuple[StripeAccount, int, PlanResult, DeliveryResult | None, Standing | None]


@app.callback(invoke_without_command=True)
def push(
    context: typer.Context,
    tenant: TenantOption = None,
    dry_run: DryRun = False,
    retry_refused: RetryRefused = False,
    as_json: JsonFlag = False,
) -> None:
    """Plan the difference of every counter and deliver it. Exits 1 when something needs a person."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings()
    results = []
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)

        def work(account: StripeAccount) -> Result:
            released = release_refused(connection, account, tenant_id) if retry_refused and not dry_run else 0
            pushed = _pushed(settings, connection, account, tenant_id, clock, dry_run)
            return account, released, *pushed, standing(connection, account)

        for _, account_id in (pair for pair in billed_accounts(connection) if pair[0] == tenant_id):
            account = open_account(settings, account_id)
            results.append(work(account))
        shadows = in_shadows(settings, connection, tenant_id, work)
    results += [shadow.result for shadow in shadows if shadow.result]
    closed = [shadow for shadow in shadows if shadow.failure]
    if as_json:
        print_json([_document(*result) for result in results] + [vars(shadow) for shadow in closed])
    else:
        for result in results:
            _print(*result)
        print_closed_shadows(closed)
        if not results:
            console.print(f"{tenant_id} maps no metric to Stripe: give a meter a `stripe` event_name and `tally apply`")
    needs_a_person = any(_needs_a_person(*result) for result in results)
    raise typer.Exit(1 if needs_a_person or closed else 0)


def _pushed(
    settings: Settings, connection: Connection, account: StripeAccount, tenant_id: str, clock: Clock, dry_run: bool
) -> tuple[PlanResult, DeliveryResult | None]:
    if dry_run:
        return preview(connection, account, tenant_id, clock), None
    planned = plan(connection, account, tenant_id, clock)
    with console.status(f"delivering {len(planned.planned)} deltas to Stripe ({account.mode} mode) ..."):
        return planned, deliver(settings, account, tenant_id, clock)


def _needs_a_person(
    _account: StripeAccount, _released: int, planned: PlanResult, delivery: DeliveryResult | None, now: Standing | None
) -> bool:
    stopped = now is not None and now.stopped_at is not None
    waits = any(held.needs_a_person for held in planned.held)
    return stopped or waits or (delivery is not None and delivery.needs_a_person)


def _document(
    account: StripeAccount, released: int, planned: PlanResult, delivery: DeliveryResult | None, now: Standing | None
) -> dict[str, Any]:
    return {
        "account": account.account,
        "mode": account.mode,
        "released": released,
        "plan": planned,
        "delivery": delivery,
        "standing": now,
    }


def _print(
    account: StripeAccount, released: int, planned: PlanResult, delivery: DeliveryResult | None, now: Standing | None
) -> None:
    console.print(banner(account))
    if now is not None:
        console.print(f"[red]wrong:[/red] {now}")
    if released:
        console.print(f"{released} refused intents released")
    if planned.planned:
        columns = ["customer", "metric", "period from", "told", "delta", "counter", "sent as"]
        rows = [
            (
                row.counter.customer_ref,
                row.counter.metric,
                row.counter.period_start,
                row.told_quantity,
                row.value,
                row.counter_value,
                "difference" if row.absolute_value is None else "whole value",
            )
            for row in planned.planned
        ]
        print_table("Would be sent" if planned.dry_run else "Planned", columns, rows)
    if planned.held:
        held = [
            (row.counter.customer_ref, row.counter.metric, row.counter.period_start, row.delta, row.detail)
            for row in planned.held
        ]
        print_table("Held back", ["customer", "metric", "period from", "delta", "why"], held)
    if delivery is None:
        console.print(f"{len(planned.planned)} deltas would be sent (dry run: nothing was)")
        return
    outcomes = ", ".join(f"{number} {kind}" for kind, number in sorted(delivery.attempts.items())) or "nothing to send"
    left = ", ".join(f"{number} {state}" for state, number in sorted(delivery.left.items()))
    console.print(outcomes + (f"; still open: {left}" if left else ""))
    if delivery.held_up and now is None:
        console.print(f"held up: {delivery.held_up}")
    for sentence in delivery.refusals:
        console.print(f"[red]wrong:[/red] {sentence}")
