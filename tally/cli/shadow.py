"""`tally shadow`: whether the test account that shadows the live one was told, and counts, the same."""

from typing import Annotated

import typer

from tally.billed_accounts import billed_accounts
from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.cli.stripe_mode import banner, print_closed_shadows
from tally.clock import clock_for
from tally.errors import TallyError
from tally.months import bounds
from tally.settings import load_settings
from tally.shadow.parallel import Shadowed, in_shadows, shadow_accounts
from tally.shadow.parity import ShadowLine, ShadowParity, shadow_parity
from tally.stripe.account import StripeAccount, open_account
from tally.stripe.totals import read_totals

app = typer.Typer(no_args_is_help=True, help="Live counters pushed to a test account in parallel.")
MonthOption = Annotated[
    str | None, typer.Option("--month", help="Periods that start in it, like 2013-01 (UTC); default: all of 35 days.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Judge by what was read last; call nobody.")]
Everything = Annotated[bool, typer.Option("--all", help="Print the lines that agree too.")]


@app.callback()
def shadow() -> None:
    """Shadow mode."""


@app.command()
def report(
    month: MonthOption = None,
    tenant: TenantOption = None,
    offline: Offline = False,
    everything: Everything = False,
    as_json: JsonFlag = False,
) -> None:
    """Parity of shadow against live, per counter. Exits 1 unless every counter agrees to the last digit."""
    settings = load_settings()
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        if not shadow_accounts(connection, tenant_id):
            raise TallyError(f"{tenant_id} declares no shadow: give a meter's `stripe` a `shadow` and `tally apply`")
        clock = clock_for(settings, connection)
        starting_in = bounds(month) if month else None

        def read(account: StripeAccount) -> StripeAccount:
            with console.status(f"reading totals of {account.account} ({account.mode} mode) ..."):
                read_totals(connection, account, tenant_id, clock, starting_in=starting_in)
            return account

        live = [account for known, account in billed_accounts(connection) if known == tenant_id and not offline]
        accounts = [read(open_account(settings, account)) for account in live]
        shadows = [] if offline else in_shadows(settings, connection, tenant_id, read)
        parity = shadow_parity(connection, tenant_id, starting_in)
    accounts += [each.result for each in shadows if each.result]
    closed = [each for each in shadows if each.failure]
    if as_json:
        print_json({"tenant_id": tenant_id, "passed": parity.passed and not closed, "closed": closed, "parity": parity})
    else:
        _print(accounts, closed, parity, everything)
    raise typer.Exit(0 if parity.passed and not closed else 1)


def _print(
    accounts: list[StripeAccount], closed: list[Shadowed[StripeAccount]], parity: ShadowParity, everything: bool
) -> None:
    for account in accounts:
        console.print(banner(account))
    print_closed_shadows(closed)
    shown = [line for line in parity.lines if everything or line.verdict != "ok"]
    if shown:
        columns = ["customer", "metric", "period from", "counted", "told live", "shadow", "meter live", "shadow", ""]
        print_table("Shadow against live", columns, map(_row, shown))
    counts = ", ".join(f"{number} {verdict}" for verdict, number in parity.counts.items())
    console.print(
        f"{len(parity.lines)} counters: {counts}" if parity.lines else "nothing was told to either account yet"
    )


def _row(line: ShadowLine) -> tuple[object, ...]:
    judged = line.verdict if line.cause is None else f"{line.verdict}: {line.cause}"
    return (
        line.customer_ref,
        line.metric,
        line.period_start,
        line.counted,
        line.live_told,
        line.shadow_told,
        line.live_stripe,
        line.shadow_stripe,
        judged,
    )
