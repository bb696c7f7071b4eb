"""Quantities, kept as decimal text from the wire to the row: never a float, refused rather than rounded."""

import re
from decimal import Decimal

from ingest.refusal import Refusal

MAX_SIGNIFICANT_DIGITS = 15
MAX_DECIMALS = 12
_MAX_CHARACTERS = 64

# JSON's own number grammar, also inside a string: no NaN, no Infinity, no "+1", no "1_000", no other alphabet's digits.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


def quantity_text(text: str) -> str:
    """The plain decimal text of a quantity, exactly equal to what was sent ("1.5e3" gives "1500").

    Zeros at the end of the decimals do not count as digits; zeros at the end of a whole number do.

    Raises:
        Refusal: not a decimal number, or more digits than Stripe takes.
    """
    if len(text) > _MAX_CHARACTERS:
        raise _bad(f"is written in more than {_MAX_CHARACTERS} characters")
    if _NUMBER.fullmatch(text) is None:
        raise _bad("is not a decimal number such as 12, -0.5 or 1e3; NaN and Infinity are not taken")
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)  # the pattern leaves no NaN
    if not any(digits):
        return "0"
    while exponent < 0 and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if -exponent > MAX_DECIMALS:
        raise _bad(f"has {-exponent} decimals; at most {MAX_DECIMALS} are taken, nothing is rounded")
    significant = len(digits) + max(0, exponent)
    if significant > MAX_SIGNIFICANT_DIGITS:
        raise _bad(f"has {significant} digits; at most {MAX_SIGNIFICANT_DIGITS} are taken, nothing is rounded")
    return format(Decimal((sign, digits, exponent)), "f")


def _bad(reason: str) -> Refusal:
    return Refusal("quantity", "bad_quantity", reason)
