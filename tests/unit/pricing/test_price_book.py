"""Prices by their effective date, and a period cut where they change."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from price_samples import per_unit, tiered

from tally.periods import Period
from tally.pricing import Price, PriceBook, PricingError, Version, currency_of, price_period
from tally.pricing.errors import MixedCurrencies, NoPriceInForce, TermsConflict

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
JANUARY = Period(START, END)
DAY = timedelta(days=1)


def book(*versions: tuple[datetime, Price]) -> PriceBook:
    return PriceBook(tuple(Version(moment, price) for moment, price in versions))


def flat(amount: int) -> Price:
    return Price("flat", currency_of("usd"), Decimal(amount), usage="licensed")


def test_the_price_in_force_at_a_moment() -> None:
    prices = book((START + 10 * DAY, per_unit(2)), (START, per_unit(1)))
    moments = [START, START + 10 * DAY - timedelta(microseconds=1), START + 10 * DAY, END + 365 * DAY]
    assert [prices.at(moment).unit_amount for moment in moments] == [1, 1, 2, 2]
    with pytest.raises(NoPriceInForce, match=r"no price at 2025-12-31.+from 2026-01-01"):
        prices.at(START - DAY)


def test_a_period_is_cut_where_the_price_changes() -> None:
    prices = book(
        (START - DAY, per_unit(1)),
        (START, per_unit(2)),  # at the very start: no cut
        (START + 10 * DAY, per_unit(2)),  # the same price: no cut
        (START + 11 * DAY, per_unit(3)),
        (END, per_unit(4)),  # at the very end: the next period's
    )
    segments = prices.segments(JANUARY)
    assert [(each.period.start, each.price.unit_amount, each.share) for each in segments] == [
        (START, 2, Fraction(11, 31)),
        (START + 11 * DAY, 3, Fraction(20, 31)),
    ]
    assert segments[-1].period.end == END


def test_each_segment_is_priced_by_its_own_quantity() -> None:
    tiers: list[Any] = [(1000, 10, 0), (None, 8, 0)]
    prices = book((START, tiered("graduated", *tiers)), (START + 10 * DAY, tiered("volume", *tiers)))
    used = {START: 1500, START + 10 * DAY: 1500}
    lines = [line for _, line in price_period(prices, JANUARY, lambda span: used[span.start])]
    assert [line.amount_minor for line in lines] == [14_000, 12_000]
    assert [line.share for line in lines] == [1, 1]


def test_a_licensed_price_is_prorated_by_seconds() -> None:
    prices = book((START, flat(3100)), (START + 10 * DAY + timedelta(seconds=1), flat(6200)))
    lines = [line for _, line in price_period(prices, JANUARY, lambda _: 1)]
    assert [line.amount_minor for line in lines] == [1000, 4200]
    assert lines[0].share == Fraction(864_001, 2_678_400)


def test_a_minimum_counts_for_the_share_of_the_period_it_is_in_force() -> None:
    low, high = per_unit(1, minimum=Decimal(3100)), per_unit(1, minimum=Decimal(6200), maximum=Decimal(6200))
    prices = book((START, low), (START + DAY, high))
    lines = [line for _, line in price_period(prices, JANUARY, lambda _: 0)]
    assert [line.amount_minor for line in lines] == [100, 6000]
    assert [line.amount_minor for _, line in price_period(book((START, low)), JANUARY, lambda _: 0)] == [3100]


@pytest.mark.parametrize(
    ("versions", "error"),
    [
        ([], NoPriceInForce),
        ([(START, per_unit(1)), (START, per_unit(2))], TermsConflict),
        ([(START, per_unit(1)), (END, per_unit(1, "eur"))], MixedCurrencies),
        ([(datetime(2026, 1, 1), per_unit(1))], TermsConflict),  # noqa: DTZ001
    ],
)
def test_books_that_are_none(versions: list[Any], error: type[PricingError]) -> None:
    with pytest.raises(error, match="versions"):
        book(*versions)


def test_a_period_that_begins_before_the_first_price_is_not_free() -> None:
    with pytest.raises(NoPriceInForce):
        price_period(book((START + DAY, per_unit(1))), JANUARY, lambda _: 5)
