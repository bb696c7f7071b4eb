"""Stripe's credit grants, as JSON and as the SDK has them."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from tally.pricing import PricingError, grant_from_stripe
from tally.pricing.errors import AmountInvalid, UnknownCurrency, UnknownModel

GRANT: dict[str, Any] = {
    "id": "credgr_1",
    "object": "billing.credit_grant",
    "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 5000}},
    "applicability_config": {"scope": {"price_type": "metered"}},
    "category": "promotional",
    "created": 1767225600,
    "effective_at": 1767312000,
    "expires_at": None,
    "priority": 7,
    "voided_at": None,
}


IN_XXX = {"type": "monetary", "monetary": {"currency": "xxx", "value": 1}}


@pytest.mark.parametrize("grant", [GRANT, stripe.billing.CreditGrant.construct_from(GRANT, "sk_test_x")])
def test_what_a_grant_says(grant: Any) -> None:
    read = grant_from_stripe(grant, available=1200)
    assert (read.id, read.currency.code, read.amount, read.applied) == ("credgr_1", "usd", 5000, 3800)
    assert (read.priority, read.category, read.prices, read.expires_at) == (7, "promotional", None, None)
    assert (read.created, read.effective_at) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def test_a_grant_for_some_prices_and_one_that_was_voided() -> None:
    scope = {"scope": {"prices": [{"id": "price_1"}, {"id": "price_2"}]}}
    read = grant_from_stripe(GRANT | {"applicability_config": scope, "priority": None, "expires_at": 1767398400}, 5000)
    assert (read.prices, read.priority) == ({"price_1", "price_2"}, 50)
    assert read.expires_at == datetime(2026, 1, 3, tzinfo=UTC)
    assert grant_from_stripe(GRANT | {"voided_at": 1767398400}, 5000).applied == 5000


@pytest.mark.parametrize(
    ("changed", "available", "error", "field"),
    [
        ({}, 5001, AmountInvalid, "available"),
        ({}, -1, AmountInvalid, "available"),
        ({"amount": {"type": "custom_pricing_unit"}}, 0, UnknownModel, "amount.type"),
        ({"amount": IN_XXX}, 0, UnknownCurrency, "amount.monetary.currency"),
        ({"category": "lost"}, 0, UnknownModel, "credgr_1.category"),
    ],
)
def test_grants_that_are_none(changed: dict[str, Any], available: int, error: type[PricingError], field: str) -> None:
    with pytest.raises(error) as caught:
        grant_from_stripe(GRANT | changed, available)
    assert caught.value.field == field
