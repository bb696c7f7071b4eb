"""`tally push resume` and `tally push adopt`: what a person decides about an account as a whole."""

from typing import Annotated

import typer
from psycopg import Connection

from tally import push
from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.cli.stripe_mode import banner
from tally.clock import clock_for
from tally.errors import TallyError
from tally.settings import Settings, load_settings
from tally.stripe.account import StripeAccount, open_account

Reason = Annotated[str, typer.Option("--reason", help="Who decided, and why.")]
Apply = Annotated[bool, typer.Option("--apply", help="Book the differences; without it they are only shown.")]


def resume(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Let accounts be called again that a refused key, a pause or an open circuit holds up: its cause is mended."""
    settings, resumed = load_settings(), {}
    with opened() as connection:
        for account in _accounts(settings, connection, tenant_meant(connection, tenant)):
            resumed[account.account] = push.resume(connection, account)
    if as_json:
        print_json(resumed)
        return
    for name, was_held_up in resumed.items():
        console.print(f"Stripe account {name}: {'resumed' if was_held_up else 'nothing held it up'}")


def adopt(tenant: TenantOption = None, reason: Reason = "", apply: Apply = False, as_json: JsonFlag = False) -> None:
    """Take over what Stripe was told after a backup that was restored. Exits 1 while something differs or is unread."""
    settings, adoptions = load_settings(), []
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)
        if apply and not reason:
            raise TallyError("--apply needs --reason: who decided, and why; it is kept with every row")
        for account in _accounts(settings, connection, tenant_id):
            with console.status(f"reading Stripe's totals ({account.mode} mode) ..."):
                adoptions.append(
                    (account, push.adopt(connection, account, tenant_id, clock, reason, dry_run=not apply))
                )
    if as_json:
        print_json([{"account": account.account, "mode": account.mode, **vars(each)} for account, each in adoptions])
    for account, adoption in adoptions if not as_json else ():
        _print_adoption(account, adoption)
    unread = any(line.unread for _, adoption in adoptions for line in adoption.lines)
    raise typer.Exit(1 if unread or (not apply and any(adoption.lines for _, adoption in adoptions)) else 0)


def _accounts(settings: Settings, connection: Connection, tenant_id: str) -> list[StripeAccount]:
    names = [name for tenant, name in billed_accounts(connection) if tenant == tenant_id]
    return [open_account(settings, name) for name in names]


def _print_adoption(account: StripeAccount, adoption: push.Adoption) -> None:
    console.print(banner(account))
    columns = ["customer", "metric", "period from", "counter", "known", "Stripe", "difference", "open", ""]
    rows = [
        (line.customer_ref, line.metric, line.period_start, line.counter_value, line.confirmed, line.stripe,
         line.difference, line.open_intents, line.unread or "")
        for line in adoption.lines
    ]  # fmt: skip
    if rows:
        print_table("Stripe has another total than the ledger knows", columns, rows)
    done = "would be taken over (dry run: nothing was; add --apply)" if adoption.dry_run else "taken over"
    console.print(f"{adoption.counters} open counters compared, {adoption.differences} differences {done}")
