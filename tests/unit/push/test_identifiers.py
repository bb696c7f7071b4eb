"""The names and numbers of a push."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.push.identifiers import as_text, identifier

KEY: dict[str, Any] = {
    "account": "self",
    "livemode": False,
    "tenant_id": "acme",
    "stripe_customer_id": "cus_1",
    "event_name": "calls",
    "customer_ref": "globex",
    "metric": "api_calls",
    "period_start": datetime(2024, 3, 1, 5, tzinfo=UTC),
    "seq": 1,
}


@pytest.mark.parametrize(
    "change",
    [
        {"account": "acct_1"},
        {"livemode": True},
        {"tenant_id": "acme2"},
        {"stripe_customer_id": "cus_2"},
        {"event_name": "calls2"},
        {"customer_ref": "globex2"},
        {"metric": "api_calls2"},
        {"period_start": datetime(2024, 3, 1, 5, 0, 0, 1, tzinfo=UTC)},
        {"seq": 2},
        {"customer_ref": "globexapi", "metric": "_calls"},
    ],
)
def test_every_part_of_the_key_makes_another_identifier(change: dict[str, Any]) -> None:
    assert identifier(**KEY) != identifier(**(KEY | change))


def test_an_identifier_is_stable_and_does_not_depend_on_how_the_time_is_written() -> None:
    new_york = datetime(2024, 3, 1, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert len(identifier(**KEY)) == 36
    assert identifier(**(KEY | {"period_start": new_york})) == identifier(**KEY)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_quantities_are_plain_digits_that_say_the_same_number(value: Decimal) -> None:
    text = as_text(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert not text.endswith(".")
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize(("value", "text"), [("1E+3", "1000"), ("0.10", "0.1"), ("-5.00", "-5"), ("100", "100")])
def test_quantities_in_examples(value: str, text: str) -> None:
    assert as_text(Decimal(value)) == text
