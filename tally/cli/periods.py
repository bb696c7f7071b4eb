"""`tally periods`: the billing periods that events are dated into, and the cut that a plan change makes."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.period_segments import StoredPeriod, listed_periods, split_period

app = typer.Typer(no_args_is_help=True, help="Billing periods, as Stripe's subscription items say, and their segments.")
_COLUMNS = ("customer", "from", "to", "origin", "closes with")


@app.command("list")
def list_(
    customer: Annotated[str | None, typer.Option(help="Of one customer.")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The stored periods. What lies between them is cut by the tenant's calendar."""
    with opened() as connection:
        periods = listed_periods(connection, tenant_meant(connection, tenant), customer)
    if as_json:
        print_json(periods)
    else:
        print_table("Billing periods", _COLUMNS, [_row(each) for each in periods])


@app.command("split")
def split(
    customer: str,
    at: Annotated[datetime, typer.Option(help="When the plan changed (UTC): the second segment's first moment.")],
    tenant: TenantOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the segments.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Cut a billing period in two. Both segments close with the whole; usage of each is counted and priced apart."""
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        segments = split_period(connection, tenant_id, customer, moment, dry_run=dry_run)
    if as_json:
        print_json(segments)
        return
    print_table("Would become" if dry_run else "Now", _COLUMNS, [_row(each) for each in segments])
    if not dry_run:
        console.print(
            "Events counted before keep their date until you replay them:"
            f" tally replay --tenant {tenant_id} --customer {customer}"
        )


def _row(stored: StoredPeriod) -> tuple[object, ...]:
    return stored.customer_ref, stored.period.start, stored.period.end, stored.origin, stored.closes_with
