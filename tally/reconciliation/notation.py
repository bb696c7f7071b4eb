"""How numbers, amounts and times are written for people. Exact: nothing is rounded but ratios, which say so."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

# ISO 4217 currencies whose minor unit is not a hundredth, as Stripe counts amounts in.
_DECIMALS = dict.fromkeys(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"), 0
) | dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3)

UNKNOWN = "—"


def quantity(value: Decimal | int | None) -> str:
    """`1,234.5`; an em dash for a number that is not known."""
    if value is None:
        return UNKNOWN
    whole, _, fraction = f"{value:,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def money(minor_units: Decimal | None, currency: str | None) -> str:
    """`1,234.50 USD` from 123450 minor units."""
    if minor_units is None or currency is None:
        return UNKNOWN
    places = _DECIMALS.get(currency, 2)
    return f"{minor_units.scaleb(-places):,.{places}f} {currency.upper()}"


def percent(ratio: Decimal | None) -> str:
    """`0.5 %`, to three decimals; a ratio too small to show is `< 0.001 %`, never 0."""
    if ratio is None:
        return UNKNOWN
    shown = (ratio * 100).quantize(Decimal("0.001"), rounding=ROUND_HALF_UP)
    if ratio and not shown:
        return "< 0.001 %"
    return f"{quantity(shown)} %"


def moment(at: datetime) -> str:
    """`2024-03-01 08:30:15 UTC`, without the time where it is midnight."""
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute, at.second) == (0, 0, 0) else f"{at:%Y-%m-%d %H:%M:%S} UTC"
