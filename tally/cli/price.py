"""`tally price`: what a quantity costs under a price, tier by tier; or a whole declared bill."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tally.cli.output import JsonFlag, console, print_json, print_table

if TYPE_CHECKING:
    from tally.pricing import Line

_TAKEN = ("amount", "discount", "commitment", "credit", "net", "tax")
_TOTALS = ("subtotal", "discount", "true_up", "commitment", "credit", "tax", "total", "chargeable")


def price(
    file: Annotated[
        Path | None, typer.Option("--price", help="A price: declared in YAML or JSON, or Stripe's object.")
    ] = None,
    quantity: Annotated[str | None, typer.Option(help="How many units, such as 25000 or 0.5.")] = None,
    at: Annotated[
        datetime | None, typer.Option(help="The moment (UTC) whose price counts, where the file is a price book.")
    ] = None,
    bill: Annotated[Path | None, typer.Option(help="A declared bill, instead of a price and a quantity.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Price a quantity and show each tier's part, or make a declared bill. Exits 1 when it cannot be priced."""
    if (file is None) != (quantity is None) or (file is None) == (bill is None):
        raise typer.BadParameter("give --price with --quantity, or --bill")
    if file is not None:
        _show_line(file, quantity, at and at.replace(tzinfo=UTC), as_json)
    if bill is not None:
        _show_bill(bill, as_json)


def _show_line(file: Path, quantity: str | None, at: datetime | None, as_json: bool) -> None:
    # Pricing brings Polars and Stripe's SDK, half a second that the other commands can do without.
    from tally.pricing import load_price, price_line

    line = price_line(load_price(file, at), quantity)
    if as_json:
        print_json(line.as_json())
        return
    code = line.price.currency.code
    columns = ["tier", "above", "up to", "units", "unit price", "flat fee", "exact", "rounded"]
    print_table(f"{line.price.model}, amounts in {code}", columns, _parts(line))
    if line.bound:
        console.print(f"the price's {line.bound} is charged")
    console.print(f"[bold]{line.amount} {code}[/bold], rounded {line.rounding}", soft_wrap=True)


def _parts(line: "Line") -> Iterator[tuple[Any, ...]]:
    exact = line.price.currency.exact_major
    for part, shown in zip(line.parts, line.as_json()["tiers"], strict=True):
        fees = exact(part.unit_amount), exact(part.flat_amount), exact(part.amount_unrounded)
        yield part.tier, part.above, part.up_to or "inf", part.quantity, *fees, shown["amount"]
    yield "line", None, None, line.billed_quantity, None, None, exact(line.amount_unrounded), str(line.amount)


def _show_bill(file: Path, as_json: bool) -> None:
    from tally.pricing import load_bill

    document = load_bill(file).as_json()
    if as_json:
        print_json(document)
        return
    rows = [[each["price"], each["quantity"], *(each[name] for name in _TAKEN)] for each in document["lines"]]
    print_table(f"bill in {document['currency']}", ["price", "units", *_TAKEN], rows)
    for name in _TOTALS:
        console.print(f"{name:>10} {document[name]:>14}")
