"""`tally counters`: what is known now, what was known at a moment, and how that differs from what was billed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import psycopg
import typer

from tally.cli.output import JsonFlag, TenantOption, console, print_json, print_table
from tally.cli.session import opened, tenant_meant
from tally.errors import TallyError
from tally.explain import moment_of, month_of
from tally.history import Difference, KnownCounter, Selection, differences, known_at, known_now

app = typer.Typer(invoke_without_command=True, help="List counters as known now or at a past moment; `diff` compares.")

CustomerOption = Annotated[str | None, typer.Option("--customer", help="Only this customer's.")]
MetricOption = Annotated[str | None, typer.Option("--metric", help="Only this metric's.")]
MonthOption = Annotated[str | None, typer.Option("--month", help="Periods that start in it, like 2013-01 (UTC).")]
AtOption = Annotated[str | None, typer.Option("--as-of", help="What landed and was decided before this moment.")]


@app.callback()
def counters(
    context: typer.Context,
    customer: CustomerOption = None,
    metric: MetricOption = None,
    month: MonthOption = None,
    as_of: AtOption = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List counters. With --as-of they are counted afresh from the events that had landed by then."""
    if context.invoked_subcommand is not None:
        return
    selection = _selection(customer, metric, month)
    with _ledger(tenant) as (connection, tenant_id, zone):
        if as_of is None:
            found = known_now(connection, tenant_id, selection)
        else:
            found = known_at(connection, tenant_id, moment_of(as_of, zone, "--as-of"), selection)
    if as_json:
        print_json(found)
    else:
        _print_counters(f"Counters as known {'now' if as_of is None else f'at {as_of}'}", found)


@app.command()
def diff(
    as_of: Annotated[str, typer.Option("--as-of", help="The moment whose bill is compared with what is known now.")],
    customer: CustomerOption = None,
    metric: MetricOption = None,
    month: MonthOption = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List what is known otherwise now than it was billed by at a moment, each with its reasons."""
    with _ledger(tenant) as (connection, tenant_id, zone):
        at = moment_of(as_of, zone, "--as-of")
        found = differences(connection, tenant_id, at, _selection(customer, metric, month))
    if as_json:
        print_json(found)
    else:
        _print_differences(at, found)


@contextmanager
def _ledger(tenant: str | None) -> Iterator[tuple[psycopg.Connection[Any], str, ZoneInfo]]:
    with opened() as connection:
        tenant_id = tenant_meant(connection, tenant)
        row = connection.execute(
            "select time_zone, to_regclass('marts.usage_counters') is not null from tally.tenants where tenant_id = %s",
            (tenant_id,),
        ).fetchone()
        assert row is not None
        if not row[1]:
            raise TallyError("no ledger yet: run `tally tick`")
        yield connection, tenant_id, ZoneInfo(row[0])


def _selection(customer: str | None, metric: str | None, month: str | None) -> Selection:
    span = month_of(month, "--month") if month else (None, None)
    if span is None:
        raise TallyError(f"--month: {month!r} is no month: write 2013-01")
    return Selection(customer, metric, *span)


def _print_counters(title: str, found: list[KnownCounter]) -> None:
    columns = ["customer", "metric", "from", "to", "events", "from events", "adjustments", "value", "unit"]
    rows = [
        (each.customer_ref, each.metric, each.period_start, each.period_end, each.event_count, each.event_value,
         each.adjustment, each.value, each.unit or "")
        for each in found
    ]  # fmt: skip
    print_table(title, columns, rows)


def _print_differences(at: datetime, found: list[Difference]) -> None:
    columns = ["customer", "metric", "from", "account", "billed", "by", "known now", "difference", "because"]
    rows = [
        (each.customer_ref, each.metric, each.period_start, each.account or "",
         "not billed" if each.billed is None else each.billed, each.source, each.known, each.difference,
         "\n".join(f"{reason.amount:+f} {reason.cause}: {reason.detail}" for reason in each.reasons))
        for each in found
    ]  # fmt: skip
    print_table(f"As billed at {at:%Y-%m-%d %H:%M:%SZ} and as known now", columns, rows)
    if not found:
        console.print("no difference")
