"""`tally sync`: mirror Stripe's subscriptions and billing periods."""

from dataclasses import asdict

from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.settings import load_settings
from tally.stripe_account import open_account
from tally.stripe_sync import sync_subscriptions


def sync(tenant: TenantOption = None, as_json: JsonFlag = False) -> None:
    """Read subscriptions, so that events are dated by the periods that bill them. Do it before events land."""
    settings = load_settings()
    results = []
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        for _, account_id in (pair for pair in billed_accounts(connection) if pair[0] == tenant_id):
            account = open_account(settings, account_id)
            with console.status(f"reading subscriptions of {account.account} ({account.mode} mode) ..."):
                summary = sync_subscriptions(connection, account, tenant_id, clock_for(settings, connection))
            results.append({"account": account.account, "mode": account.mode, **asdict(summary)})
    if as_json:
        print_json(results)
        return
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
