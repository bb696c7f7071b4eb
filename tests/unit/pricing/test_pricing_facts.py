"""Amounts that people had written down before: those of the systems this one replaces, and of Stripe."""

from decimal import Decimal

import pytest
from price_samples import per_unit, tiered

from tally.pricing import Package, Price, currency_of, price_line, stripe_amounts

README_TIERS = tiered("graduated", (1000, 10, 0), (10_000, 8, 0), (None, 5, 0))


def test_25_000_calls() -> None:
    price = tiered("graduated", (10_000, 1, 0), (60_000, "0.8", 0), (None, "0.5", 0))
    assert price_line(price, 25_000).amount == Decimal("220.00")


def test_5_247_images_of_which_1_000_are_free() -> None:
    assert price_line(tiered("graduated", (1000, 0, 0), (None, 2, 0)), 5247).amount == Decimal("84.94")


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        (1000, "100.00"),
        (1001, "100.08"),
        (5000, "420.00"),
        (10_000, "820.00"),
        (10_001, "820.05"),
        (12_000, "920.00"),
        (20_000, "1320.00"),
    ],
)
def test_no_unit_falls_between_the_tiers(quantity: int, amount: str) -> None:
    assert price_line(README_TIERS, quantity).amount == Decimal(amount)


def test_three_tenths_are_three_packages_of_a_tenth_of_the_unit() -> None:
    """In floats (0.1 + 0.2) / 0.1 is 3.0000000000000004, which was billed as 4."""
    tenths = Price("package", currency_of("usd"), Decimal(100), package=Package(Decimal("0.1")))
    assert [price_line(tenths, quantity).billed_quantity for quantity in ("0.3", "0.30000001", "0.2")] == [3, 4, 2]


@pytest.mark.parametrize(
    ("currency", "unit_amount", "quantity", "amount", "minor"),
    [
        ("jpy", "0.5", 101, "51", 51),  # 50.5 yen, not 50.50
        ("jpy", "0.49", 101, "49", 49),
        ("kwd", "0.5", 2469, "1.235", 1235),  # 1,234.5 fils
        ("usd", "0.05", 30, "0.02", 2),  # Stripe's own example: 1.5 cents become 2
        ("isk", 500, 3, "15.00", 1500),
    ],
)
def test_rounding_follows_the_currency(currency: str, unit_amount: str, quantity: int, amount: str, minor: int) -> None:
    line = price_line(per_unit(unit_amount, currency), quantity)
    assert (str(line.amount), line.amount_minor) == (amount, minor)


def test_stripes_own_volume_example() -> None:
    """7 USD up to 5 fonts, 6.50 up to 10, 6 beyond."""
    price = tiered("volume", (5, 700, 0), (10, 650, 0), (None, 600, 0))
    assert [price_line(price, fonts).amount_minor for fonts in (1, 5, 6, 20, 25)] == [700, 3500, 3900, 12000, 15000]


@pytest.mark.parametrize(("model", "none", "twelve"), [("volume", 1000, 6600), ("graduated", 1000, 11_100)])
def test_stripes_own_flat_amounts_and_its_bill_for_no_usage(model: str, none: int, twelve: int) -> None:
    """5 USD + 10 up to 5, 4 + 20 up to 10, 3 + 30 up to 15, 2 + 40 up to 20, 1 + 50 beyond."""
    price = tiered(model, (5, 500, 1000), (10, 400, 2000), (15, 300, 3000), (20, 200, 4000), (None, 100, 5000))
    assert [price_line(price, quantity).amount_minor for quantity in (0, 12)] == [none, twelve]


def test_invoice_lines_that_stripe_made() -> None:
    """Recorded from Stripe: 1,031 credits, 9.00 for the first 1,000, then 3.6 cents: 0.00, 9.00 and 1.12 USD."""
    price = tiered("graduated", (1000, 0, 900), (None, "3.6", 0))
    line = price_line(price, 1031)
    assert stripe_amounts(line) == [0, 900, 112]
    assert line.amount_minor == 1012


def test_stripe_bills_a_first_tiers_flat_amount_for_no_usage() -> None:
    """Recorded from Stripe: 0 characters under a flat 9.99 up to 100,000 made lines of 0.00 and 9.99 USD."""
    price = tiered("graduated", (100_000, 0, 999), (None, "0.02", 0))
    assert stripe_amounts(price_line(price, 0)) == [0, 999]
