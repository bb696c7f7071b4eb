"""`tally subscribe`: a first customer in a test account, so that a push and an invoice have somebody to bill."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.clock import clock_for
from tally.errors import TallyError
from tally.settings import load_settings
from tally.stripe.account import open_account
from tally.stripe.sync import sync_subscriptions
from tally.stripe.trial_subscription import Subscribed
from tally.stripe.trial_subscription import subscribe as make


def subscribe(
    customer: Annotated[str, typer.Argument(help="The customer_ref of its events.")],
    unit_amount: Annotated[str, typer.Option("--unit-amount", help="Price of one unit, like 0.01.")] = "0.01",
    currency: Annotated[str, typer.Option("--currency", help="A currency with cents.")] = "usd",
    tenant: TenantOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made; make nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Test mode only: subscribe a customer to every metric that is mapped to Stripe, to try things with."""
    settings, amount, made = load_settings(), _amount(unit_amount), []
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        clock = clock_for(settings, connection)
        # A tenant that maps nothing is told so by the account of the key.
        for name in [name for each, name in billed_accounts(connection) if each == tenant_id] or ["self"]:
            account = open_account(settings, name)
            if not account.livemode:
                sync_subscriptions(connection, account, tenant_id, clock)
            made.append(make(connection, account, tenant_id, customer, amount, currency, dry_run=dry_run))
            if made[-1].subscription_id is not None:
                sync_subscriptions(connection, account, tenant_id, clock)
    if as_json:
        print_json(made)
        return
    for each in made:
        _print(each, dry_run)


def _print(made: Subscribed, dry_run: bool) -> None:
    new = "would be subscribed (dry run)" if dry_run else f"subscribed by {made.subscription_id}"
    rows = [(metric, new) for metric in made.metrics] + [(metric, "was subscribed before") for metric in made.already]
    print_table(f"{made.customer_ref}: Stripe customer {made.customer_id or 'to be made'}", ["metric", ""], rows)
    if made.subscription_id is not None:
        console.print("its billing period begins now: usage from now on is sent and billed")


def _amount(given: str) -> Decimal:
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise TallyError(f"--unit-amount {given}: give a decimal number that is not negative, like 0.01")
    return amount
