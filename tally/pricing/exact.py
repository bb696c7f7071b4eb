"""Exact numbers: what may become one, and the one place where an amount is rounded."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from tally.pricing.errors import AmountInvalid, PricingError, QuantityInvalid

# Two numbers below 10**30 with 12 decimals multiply to 84 digits. Whatever would be rounded at 100 raises instead.
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_ROUNDING = Context(prec=100, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
_WHOLE = Decimal(1)
MAX_DECIMALS = 12  # Stripe's limit for amounts and quantities
MAX_DIGITS = 30  # before the point; far above Stripe's 15 significant ones
ZERO = Decimal(0)
ONE = Fraction(1)


def exact(value: object, field: str, refusal: type[PricingError] = AmountInvalid) -> Decimal:
    """A finite number below 10**30 with at most 12 decimals from a Decimal, an int or decimal text.

    Raises:
        AmountInvalid: (or `refusal`) it is missing, a float, not a number, too large, or has more decimals.
    """
    if value is None:
        raise refusal(field, "is missing")
    if isinstance(value, float | bool) or not isinstance(value, Decimal | int | str):
        raise refusal(field, f"{value!r} is not exact; give a Decimal, an int or decimal text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise refusal(field, f"{value!r} is not a number") from None
    if not number.is_finite():
        raise refusal(field, f"{value!r} is not a number")
    if number.adjusted() >= MAX_DIGITS:
        raise refusal(field, f"{value} has more than {MAX_DIGITS} digits before the point")
    if decimals_of(number) > MAX_DECIMALS:
        raise refusal(field, f"{value} has more than {MAX_DECIMALS} decimals")
    return number


def quantity_of(value: object, field: str = "quantity") -> Decimal:
    """A quantity; negative ones pass. Raises QuantityInvalid as `exact` does."""
    return exact(value, field, QuantityInvalid)


def decimals_of(number: Decimal) -> int:
    """How many decimals a number needs: 1.50 needs one."""
    if number.is_zero():
        return 0
    exponent = int(number.as_tuple().exponent)
    return 0 if exponent >= 0 else max(0, -int(number.normalize(EXACT).as_tuple().exponent))


def shifted(number: Decimal, places: int) -> Decimal:
    """The number times ten to the power of `places`."""
    return number.scaleb(places, context=EXACT)


def half_up(amount: Decimal, share: Fraction = ONE) -> int:
    """`amount` times `share`, rounded to a whole number: a half goes away from zero, so -0.5 becomes -1."""
    if share == ONE:
        return int(amount.quantize(_WHOLE, context=_ROUNDING))
    product = Fraction(amount) * share
    rounded = (2 * abs(product) + 1) // 2
    return -rounded if product < 0 else rounded


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Spread `total` over `weights` so that the parts add up to it: floors first, then the largest remainders.

    Weights are not negative; equal remainders are served in order. A total of zero gives zeros.

    Raises:
        ValueError: there is something to spread but no weight to take it.
    """
    if total == 0:
        return [0] * len(weights)
    if (whole := sum(weights)) <= 0:
        raise ValueError("nothing to spread the amount over")
    size, sign = abs(total), -1 if total < 0 else 1
    parts, remainders = [], []
    for weight in weights:
        part, remainder = divmod(size * weight, whole)
        parts.append(part)
        remainders.append(remainder)
    left = size - sum(parts)
    for index in sorted(range(len(weights)), key=lambda index: -remainders[index])[:left]:
        parts[index] += 1
    return [sign * part for part in parts]


def plain(number: Decimal) -> str:
    """Decimal text without an exponent or trailing zeros."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
