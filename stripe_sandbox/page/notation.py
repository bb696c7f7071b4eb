"""How the page writes times, quantities and amounts. Exact: nothing is rounded."""

from datetime import UTC, datetime
from decimal import Decimal

UNKNOWN = "—"
NO_DECIMALS = ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
THREE_DECIMALS = ("bhd", "jod", "kwd", "omr", "tnd")


def moment(timestamp: float | None) -> str:
    """`2013-01-01 05:00`, UTC, with the seconds where there are any."""
    if timestamp is None:
        return UNKNOWN
    at = datetime.fromtimestamp(int(timestamp), UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at.second else f"{at:%Y-%m-%d %H:%M}"


def quantity(value: Decimal | str | int | None) -> str:
    """`1,234.5`; an em dash for what is not known, which is not zero."""
    if value is None or value == "":
        return UNKNOWN
    try:
        number = Decimal(value)
    except ArithmeticError:
        return str(value)
    whole, _, fraction = f"{number:,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def money(minor_units: int | str | Decimal | None, currency: str) -> str:
    """`1,234.50 USD` from 123450; parts of a minor unit stay."""
    if minor_units is None:
        return UNKNOWN
    places = 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    amount = Decimal(minor_units).scaleb(-places)
    shown = f"{amount:,.{places}f}" if amount == round(amount, places) else quantity(amount)
    return f"{shown} {currency.upper()}"
