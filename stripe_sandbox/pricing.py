"""What a quantity costs under a price: exact decimals, rounded half up once per line, to the minor unit."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

# Wide enough that no sum or product of 15-digit quantities and 12-decimal amounts is ever rounded on the way.
EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Charge:
    """One invoice line's worth."""

    quantity: Decimal
    amount: int
    unit_amount: Decimal | None
    tier: int | None = None


def charges(
    price: dict[str, Any], quantity: Decimal, line_per_graduated_tier: bool = True, shows_packages: bool = False
) -> list[Charge]:
    if price["billing_scheme"] == "per_unit":
        unit_amount = Decimal(price["unit_amount_decimal"])
        billed = _transformed(quantity, price["transform_quantity"])
        return [
            Charge(
                billed if shows_packages else quantity, minor_units(EXACT.multiply(billed, unit_amount)), unit_amount
            )
        ]
    if price["tiers_mode"] == "volume":
        return [_volume_charge(price["_tiers"], quantity)]
    parts = list(_graduated_parts(price["_tiers"], quantity))
    if line_per_graduated_tier:
        return [Charge(used, minor_units(cost), unit, tier) for tier, used, unit, cost in parts]
    total = ZERO
    for _tier, _used, _unit, cost in parts:
        total = EXACT.add(total, cost)
    return [Charge(quantity, minor_units(total), None)]


def _transformed(quantity: Decimal, transform: dict[str, Any] | None) -> Decimal:
    """Packages: the quantity divided, then a begun package counted whole or not at all."""
    if transform is None:
        return quantity
    rounding = ROUND_CEILING if transform["round"] == "up" else ROUND_FLOOR
    packages = EXACT.divide(quantity, Decimal(transform["divide_by"]))
    return packages.to_integral_value(rounding=rounding, context=EXACT)


def _volume_charge(tiers: list[dict[str, Any]], quantity: Decimal) -> Charge:
    """All units at the price of the tier that the total reaches."""
    for number, tier in enumerate(tiers):
        if tier["up_to"] is None or quantity <= tier["up_to"]:
            unit_amount = _amount(tier, "unit_amount")
            cost = EXACT.add(EXACT.multiply(quantity, unit_amount), _amount(tier, "flat_amount"))
            return Charge(quantity, minor_units(cost), unit_amount, number)
    raise ValueError("the last tier has an end")


def _graduated_parts(tiers: list[dict[str, Any]], quantity: Decimal) -> Iterator[tuple[int, Decimal, Decimal, Decimal]]:
    """Each tier's own units at its own price. The first tier is reached even by nothing, with its flat amount."""
    start = ZERO
    for number, tier in enumerate(tiers):
        if number > 0 and quantity <= start:
            return
        end = quantity if tier["up_to"] is None else min(quantity, Decimal(tier["up_to"]))
        used, unit_amount = EXACT.subtract(end, start), _amount(tier, "unit_amount")
        yield number, used, unit_amount, EXACT.add(EXACT.multiply(used, unit_amount), _amount(tier, "flat_amount"))
        start = end


def _amount(tier: dict[str, Any], name: str) -> Decimal:
    return Decimal(tier[f"{name}_decimal"] or 0)


def minor_units(cost: Decimal) -> int:
    return int(cost.quantize(Decimal(1), rounding=ROUND_HALF_UP, context=EXACT))


def plain(number: Decimal) -> str:
    """Decimal text without an exponent or trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
