"""The invoice lines of the three months, and whether they bill what a plain count of the deliveries says."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import psycopg
from psycopg.rows import dict_row
from rich import box
from rich.table import Table

from demo.comparison import written
from demo.cycle.calendar import PERIODS, UPGRADED_AT
from demo.cycle.cast import CLEO
from demo.cycle.usage import API_CALLS

_LINES = """
select
    customer_ref, metric, period_start, period_end, local_quantity, stripe_quantity, invoice_quantity,
    invoice_amount, invoice_status, verdict
from marts.reconciliation_lines
where tenant_id = %s and period_start < %s
order by customer_ref, period_start, metric
"""
_FIGURES = ("counted", "Stripe's total", "on the invoice", "amount")
Key = tuple[str, str, datetime]


def lines_table(connection: psycopg.Connection[Any], tenant: str) -> Table:
    """A line a row; amounts in dollars."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("customer", "from", "to", "metric"):
        table.add_column(name)
    for name in _FIGURES:
        table.add_column(name, justify="right")
    table.add_column("invoice")
    table.add_column("verdict")
    for line in _lines(connection, tenant):
        amount = line["invoice_amount"]
        table.add_row(
            line["customer_ref"], f"{line['period_start']:%d %b}", f"{line['period_end']:%d %b}", line["metric"],
            written(line["local_quantity"]), written(line["stripe_quantity"]), written(line["invoice_quantity"]),
            "–" if amount is None else f"{amount / 100:,.2f}", line["invoice_status"] or "–",
            f"[green]{line['verdict']}[/green]" if line["verdict"] == "ok" else f"[red]{line['verdict']}[/red]",
        )  # fmt: skip
    return table


def wrong_lines(connection: psycopg.Connection[Any], tenant: str, landing: pl.DataFrame) -> list[str]:
    """Sentences on lines that are not ok, or whose quantities are not all what the deliveries come to."""
    expected = {key: quantity for key, quantity in _plain_count(landing) if quantity}
    said = []
    for line in _lines(connection, tenant):
        key = (line["customer_ref"], line["metric"], line["period_start"])
        true = expected.pop(key, Decimal(0))
        shown = [line["local_quantity"], line["stripe_quantity"], line["invoice_quantity"]]
        if line["verdict"] != "ok" or any((quantity or Decimal(0)) != true for quantity in shown):
            figures = " / ".join(written(quantity) for quantity in shown)
            said.append(f"{_named(key)}: {line['verdict']}, counted / Stripe's / invoiced {figures}, truth {true}")
    return said + [f"{_named(key)}: no line, truth {quantity}" for key, quantity in expected.items()]


def _plain_count(landing: pl.DataFrame) -> Iterator[tuple[Key, Decimal]]:
    events = landing.sort("landed_at").unique("idempotency_key", keep="first")
    for (customer, metric), own in events.group_by("customer_ref", "metric"):
        cuts = [*(period.start for period in PERIODS), PERIODS[-1].end]
        cuts = sorted([*cuts, UPGRADED_AT] if customer == CLEO else cuts)
        for start, end in pairwise(cuts):
            inside = own.filter(pl.col("event_time").is_between(start, end, closed="left"))["quantity"]
            quantity: Any = inside.sum() if metric == API_CALLS else inside.max()
            yield (str(customer), str(metric), start), Decimal(quantity or 0)


def _lines(connection: psycopg.Connection[Any], tenant: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LINES, (tenant, PERIODS[-1].end)).fetchall()


def _named(key: Key) -> str:
    return f"{key[0]}, {key[1]} from {key[2]:%d %B}"
