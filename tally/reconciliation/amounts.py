"""What each line's quantity costs: the counted one, and the one that Stripe billed, under the price in force."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row
from pydantic import ValidationError

from tally.clock import Clock
from tally.pricing import DeclaredPrice, Price, PricingError, price_from_stripe, price_line, stripe_amounts
from tally.pricing.exact import half_up
from tally.reconciliation.statements import statement

_WRITE = """
insert into tally.priced_lines as old (
    tenant_id, account, livemode, customer_ref, metric, period_start, quantity, amount, invoice_quantity,
    expected_amount, rounded_parts, currency, price_id, fault, priced_at
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(customer_ref)s, %(metric)s, %(period_start)s, %(quantity)s, %(amount)s,
    %(invoice_quantity)s, %(expected_amount)s, %(rounded_parts)s, %(currency)s, %(price_id)s, %(fault)s, %(now)s
)
on conflict (tenant_id, account, livemode, customer_ref, metric, period_start) do update set
    quantity = excluded.quantity, amount = excluded.amount, invoice_quantity = excluded.invoice_quantity,
    expected_amount = excluded.expected_amount, rounded_parts = excluded.rounded_parts, currency = excluded.currency,
    price_id = excluded.price_id, fault = excluded.fault, priced_at = excluded.priced_at
where row(
    old.quantity, old.amount, old.invoice_quantity, old.expected_amount, old.rounded_parts, old.currency, old.price_id,
    old.fault
) is distinct from row(
    excluded.quantity, excluded.amount, excluded.invoice_quantity, excluded.expected_amount, excluded.rounded_parts,
    excluded.currency, excluded.price_id, excluded.fault
)
"""


@dataclass(frozen=True)
class Unpriced:
    """A line to price. `declared_price` is the configuration's, major units; `stripe_price` Stripe's price object.

    `is_trial`: it lies in a trial, which bills usage at 0.
    """

    account: str
    livemode: bool
    customer_ref: str
    metric: str
    period_start: datetime
    billable_quantity: Decimal
    invoice_quantity: Decimal | None
    invoice_line_count: int | None
    declared_price: Mapping[str, Any] | None
    items: int
    price_ids: Sequence[str] | None
    stripe_price: Mapping[str, Any] | None
    is_trial: bool


@dataclass(frozen=True)
class Priced:
    """Amounts in minor units; `fault` says why there are none. `rounded_parts`: how often they were rounded."""

    quantity: Decimal
    invoice_quantity: Decimal | None
    amount: int | None = None
    expected_amount: int | None = None
    rounded_parts: int | None = None
    currency: str | None = None
    price_id: str | None = None
    fault: str | None = None


def price_lines(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    clock: Clock,
    *,
    starting_in: tuple[datetime, datetime] | None = None,
    customer_ref: str | None = None,
) -> int:
    """Price the tenant's lines of periods that start in `[first, second)` into tally.priced_lines; returns how many.

    What cannot be priced is stored with the reason, and is no amount: never 0.
    """
    first, second = starting_in or (None, None)
    asked = {"tenant_id": tenant_id, "starting_from": first, "starting_before": second, "customer_ref": customer_ref}
    now = clock.now()
    with connection.transaction():
        with connection.cursor(row_factory=class_row(Unpriced)) as cursor:
            lines = cursor.execute(statement("to_price.sql"), asked).fetchall()
        rows = [
            {
                "tenant_id": tenant_id, "account": line.account, "livemode": line.livemode,
                "customer_ref": line.customer_ref, "metric": line.metric, "period_start": line.period_start, "now": now,
                **asdict(priced(line)),
            }
            for line in lines
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.executemany(_WRITE, rows)
    return len(rows)


def priced(line: Unpriced) -> Priced:
    """The line's two amounts, or why there are none."""
    nothing = Priced(line.billable_quantity, line.invoice_quantity)
    price_ids = line.price_ids or ()
    if line.declared_price is None and len(price_ids) > 1:
        return _faulty(nothing, f"two prices in one period ({', '.join(price_ids)}), cut it with `tally periods split`")
    if line.declared_price is None and line.stripe_price is None:
        return _faulty(nothing, "the price of its subscription item was not read, `tally sync` reads it")
    try:
        price = _price(line)
        if line.is_trial:
            return Priced(line.billable_quantity, line.invoice_quantity, 0, 0, 1, price.currency.code, price.id)
        amount, parts = _amount(price, line.billable_quantity, line.invoice_line_count)
        expected = None
        if line.invoice_quantity is not None:
            expected, of_invoice = _amount(price, line.invoice_quantity, line.invoice_line_count)
            parts = max(parts, of_invoice)
    except PricingError as error:
        return _faulty(nothing, str(error))
    except ValidationError as error:
        return _faulty(nothing, f"the declared price is none: {error.errors()[0]['msg']}")
    return Priced(line.billable_quantity, line.invoice_quantity, amount, expected, parts, price.currency.code, price.id)


def _faulty(nothing: Priced, fault: str) -> Priced:
    return Priced(nothing.quantity, nothing.invoice_quantity, fault=fault)


def _price(line: Unpriced) -> Price:
    if line.declared_price is not None:
        return DeclaredPrice.model_validate(line.declared_price).price()
    assert line.stripe_price is not None
    return price_from_stripe(line.stripe_price)


def _amount(price: Price, quantity: Decimal, invoice_lines: int | None) -> tuple[int, int]:
    """What Stripe's lines for it add up to, and of how many rounded parts.

    A graduated price is one line, one a tier, or one for a tier's units and one for its flat amount: as the invoice
    has it.
    """
    line = price_line(price, quantity)
    if invoice_lines == 1:
        return line.amount_minor, 1
    if invoice_lines == len(line.parts) and line.bound is None:
        return sum(half_up(part.amount_unrounded) for part in line.parts), len(line.parts)
    amounts = stripe_amounts(line)
    return sum(amounts), len(amounts)
