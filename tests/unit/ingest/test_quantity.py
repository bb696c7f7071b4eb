"""Quantities reach the row as the exact number that was sent, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.quantity import MAX_DECIMALS, MAX_SIGNIFICANT_DIGITS, quantity_text
from ingest.refusal import Refusal


@pytest.mark.parametrize(
    ("sent", "landed"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000000000000", "0"),
        ("-12.50", "-12.5"),
        ("1.5e3", "1500"),
        ("1E-07", "0.0000001"),
        ("123456789012345", "123456789012345"),
        ("-99999.9999999999", "-99999.9999999999"),
        ("0.123456789012", "0.123456789012"),
        ("1.0000000000000000000000", "1"),
        ("0.1", "0.1"),
    ],
)
def test_a_number_within_the_limits_is_kept_exactly(sent: str, landed: str) -> None:
    assert quantity_text(sent) == landed


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("1234567890123456", "16 digits"),
        ("1000000000000000", "16 digits"),
        ("1e15", "16 digits"),
        ("9.999999999999999", "decimals"),
        ("12345.67890123456", "16 digits"),
        ("0.1234567890123", "13 decimals"),
        ("1e-13", "13 decimals"),
        ("NaN", "not a decimal number"),
        ("Infinity", "not a decimal number"),
        ("-inf", "not a decimal number"),
        ("+1", "not a decimal number"),
        ("01", "not a decimal number"),
        (".5", "not a decimal number"),
        ("5.", "not a decimal number"),
        ("1_000", "not a decimal number"),
        (" 1", "not a decimal number"),
        ("1\n", "not a decimal number"),
        ("", "not a decimal number"),
        ("１２", "not a decimal number"),
        ("0x10", "not a decimal number"),
        ("1e9999", "not a decimal number"),
        ("0." + "0" * 100, "64 characters"),
    ],
)
def test_anything_else_is_refused_and_never_rounded(sent: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        quantity_text(sent)
    assert caught.value.field == "quantity"
    assert reason in caught.value.reason


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=None))
def test_what_is_taken_is_equal_and_within_the_limits(number: Decimal) -> None:
    try:
        text = quantity_text(str(number))
    except Refusal:
        digits = number.normalize().as_tuple()
        assert isinstance(digits.exponent, int)
        whole = len(digits.digits) + max(0, digits.exponent)
        assert whole > MAX_SIGNIFICANT_DIGITS or -digits.exponent > MAX_DECIMALS or len(str(number)) > 64
    else:
        assert Decimal(text) == number
        assert "e" not in text.lower()
