"""`tally sync`: mirror Stripe's subscriptions and billing periods."""

from dataclasses import asdict
from typing import Any

import typer

from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.cli.stripe_mode import print_closed_shadows
from tally.clock import clock_for
from tally.settings import load_settings
from tally.shadow.parallel import in_shadows
from tally.stripe.account import StripeAccount, open_account
from tally.stripe.sync import sync_subscriptions


def sync(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Read subscriptions, so that events are dated by the periods that bill them. Do it before events land."""
    settings = load_settings()
    results = []
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)

        def work(account: StripeAccount) -> dict[str, Any]:
            with console.status(f"reading subscriptions of {account.account} ({account.mode} mode) ..."):
                summary = sync_subscriptions(connection, account, tenant_id, clock_for(settings, connection))
            return {"account": account.account, "mode": account.mode, **asdict(summary)}

        for _, account_id in (pair for pair in billed_accounts(connection) if pair[0] == tenant_id):
            account = open_account(settings, account_id)
            results.append(work(account))
        shadows = in_shadows(settings, connection, tenant_id, work)
    results += [shadow.result for shadow in shadows if shadow.result]
    closed = [shadow for shadow in shadows if shadow.failure]
    if as_json:
        print_json(results + [vars(shadow) for shadow in closed])
        raise typer.Exit(1 if closed else 0)
    for result in results:
        console.print(
            f"Stripe account {result['account']}, {result['mode'].upper()} mode: {result['items']} metered items of "
            f"{result['customers']} customers, {result['periods_confirmed']} periods, "
            f"{result['periods_projected']} more laid out ahead"
        )
        if result["unmapped"]:
            rows = [(thing["object_id"], thing["reason"]) for thing in result["unmapped"]]
            print_table("Not mapped", ["in Stripe", "why"], rows)
    if not results:
        console.print(f"{tenant_id} maps no metric to Stripe: give a meter a `stripe` event_name and `tally apply`")
    print_closed_shadows(closed)
    raise typer.Exit(1 if closed else 0)
