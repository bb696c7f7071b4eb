"""A bill: discounts, commitments, credits and tax, each adding up over the lines."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_samples import per_unit, unhurried

from tally.periods import Period
from tally.pricing import (
    Commitment,
    CreditGrant,
    Discount,
    Line,
    MinimumSpend,
    PricingError,
    Tax,
    currency_of,
    make_bill,
    price_line,
)
from tally.pricing.errors import AmountInvalid, MixedCurrencies, OverApplied, TermsConflict, UnknownModel

AT = datetime(2026, 1, 31, tzinfo=UTC)
DAY = timedelta(days=1)
USD = currency_of("usd")


def line(amount: int, price: str = "price_1", currency: str = "usd", **terms: Any) -> Line:
    return price_line(per_unit(amount, currency, id=price, **terms), 1)


def grant(name: str, amount: int, **terms: Any) -> CreditGrant:
    given_terms = {"effective_at": AT - 30 * DAY, "created": AT - 30 * DAY, **terms}
    return CreditGrant(name, USD, amount, **given_terms)


def promised(amount: int, days: int = 0, **terms: Any) -> MinimumSpend:
    return MinimumSpend("yearly", USD, amount, Period(AT - 365 * DAY, AT + days * DAY), **terms)


def committed(amount: int, applied: int = 0, days: int = 30, name: str = "commitment") -> Commitment:
    return Commitment(name, USD, amount, Period(AT - DAY, AT + days * DAY), applied)


def test_everything_in_its_order() -> None:
    bill = make_bill(
        [line(10_000), line(5_000, "price_2")],
        AT,
        [Discount(Decimal(10))],
        [committed(4_000)],
        [grant("welcome", 1_000)],
        [Tax(Decimal("7.7"))],
    )
    assert (bill.subtotal, bill.discount, bill.commitment, bill.credit) == (15_000, 1_500, 4_000, 1_000)
    assert (bill.tax, bill.total) == (655, 9_155)  # 7.7 % of 85.00 is 6.545
    assert [(each.discount, each.commitment, each.credit, each.tax) for each in bill.lines] == [
        (1_000, 4_000, 1_000, 308),
        (500, 0, 0, 347),
    ]


def test_the_lines_add_up_to_a_discount_that_does_not_divide() -> None:
    bill = make_bill([line(333), line(333), line(334)], AT, [Discount(Decimal("33.3"))])
    assert [each.discount for each in bill.lines] == [111, 111, 111]
    assert make_bill([line(1), line(1), line(1)], AT, [Discount(Decimal(50))]).discount == 2


def test_discounts_follow_one_another_and_may_be_for_some_prices() -> None:
    lines = [line(1_000), line(1_000, "price_2")]
    bill = make_bill(lines, AT, [Discount(Decimal(50), frozenset({"price_2"})), Discount(Decimal(10))])
    assert [each.net for each in bill.lines] == [900, 450]


@pytest.mark.parametrize(("amount", "total"), [(100_00, 0), (300_00, 100_00)])
def test_a_fixed_amount_off_as_stripe_describes_it(amount: int, total: int) -> None:
    """Its own example: 200 off 100 leave 0, and off 300 they leave 100. What is not needed is lost."""
    bill = make_bill([line(amount)], AT, [Discount(amount=200_00, currency=USD)])
    assert (bill.total, bill.discount) == (total, min(amount, 200_00))


def test_a_fixed_amount_is_spread_over_its_lines_and_follows_what_was_taken_before() -> None:
    lines = [line(1_000), line(1_000, "price_2"), line(1_000, "price_2")]
    fixed = Discount(amount=100, currency=USD)
    bill = make_bill(lines, AT, [fixed])
    assert [each.discount for each in bill.lines] == [34, 33, 33]
    some = Discount(amount=2_500, currency=USD, prices=frozenset({"price_2"}))
    assert [each.net for each in make_bill(lines, AT, [some]).lines] == [1_000, 0, 0]
    half = Discount(Decimal(50))
    assert [make_bill(lines, AT, order).total for order in ([half, fixed], [fixed, half])] == [1_400, 1_450]


def test_several_rates_are_each_on_the_amount_without_tax() -> None:
    """9.975 % and 5 % (Quebec): they do not compound; each rounds by itself, and the lines add up to it."""
    rates = [Tax(Decimal(5)), Tax(Decimal("9.975"))]
    bill = make_bill([line(3_333), line(6_667)], AT, taxes=rates)
    assert [amount for _, amount in bill.taxes] == [500, 998]  # 997.5 rounded half up
    assert [each.taxes for each in bill.lines] == [(167, 333), (333, 665)]
    assert (bill.tax, bill.total) == (1_498, 11_498)
    contained = [Tax(each.percent, "inclusive") for each in rates]
    bill = make_bill([line(11_498)], AT, taxes=contained)  # 10,000.43 without tax
    assert ([amount for _, amount in bill.taxes], bill.total) == ([500, 998], 11_498)


def test_a_prices_own_rates_go_before_the_default_ones() -> None:
    reduced = Tax(Decimal(7), "inclusive", frozenset({"price_2"}))
    bill = make_bill([line(1_000), line(1_070, "price_2")], AT, taxes=[VAT, reduced])
    assert [each.taxes for each in bill.lines] == [(200, 0), (0, 70)]
    assert (bill.tax, bill.total) == (270, 2_270)


def test_what_is_missing_of_a_minimum_spend_is_charged_in_its_last_period() -> None:
    lines = [line(4_000), line(1_000, "price_2")]
    terms: dict[str, Any] = {"spent": 7_000, "prices": frozenset({"price_1"})}
    before = make_bill(lines, AT, minimum_spends=[promised(12_000, days=1, **terms)])
    assert (before.true_up, before.spent[0].amount) == (0, 4_000)
    bill = make_bill(
        lines, AT, [Discount(Decimal(10))], [committed(500)], [grant("gift", 300)], [VAT], [promised(12_000, **terms)]
    )
    # 120.00 promised; 70.00 before and 36.00 now, whoever pays for it, are spent.
    assert (bill.subtotal, bill.discount, bill.true_up, bill.spent[0].shortfall) == (5_000, 500, 1_400, 1_400)
    assert [(each.line.price.id, each.net, each.tax) for each in bill.lines] == [
        ("price_1", 2_800, 560), ("price_2", 900, 180), ("yearly", 1_400, 280)
    ]  # fmt: skip
    assert bill.total == 5_100 + 1_020
    for enough in (3_600 + 7_000, 0):
        assert make_bill(lines, AT, minimum_spends=[promised(enough, **terms)]).true_up == 0


def test_an_inclusive_tax_is_in_the_total() -> None:
    bill = make_bill([line(10_770)], AT, taxes=[Tax(Decimal("7.7"), "inclusive")])
    assert (bill.tax, bill.total) == (770, 10_770)


def test_a_tax_that_stripe_computed() -> None:
    assert make_bill([line(0), line(999)], AT, taxes=[Tax(Decimal(21))]).tax == 210


def test_credits_go_in_stripes_order() -> None:
    """Priority, soonest expiry (never is last), promotional before paid, effective date, creation."""
    in_order = [
        grant("priority", 1, priority=0, created=AT),
        grant("soonest", 1, expires_at=AT + DAY),
        grant("later", 1, expires_at=AT + 2 * DAY, category="promotional"),
        grant("promotional", 1, category="promotional"),
        grant("earlier", 1, effective_at=AT - 40 * DAY, created=AT),
        grant("created", 1, created=AT - 31 * DAY),
        grant("last", 1),
        grant("unimportant", 1, priority=51, expires_at=AT + DAY),
    ]
    for grants in (in_order, in_order[::-1]):
        drawn = make_bill([line(100)], AT, grants=grants).drawdowns
        assert [each.source for each in drawn] == [each.id for each in in_order]


def test_credits_apply_to_metered_prices_in_force_and_no_further() -> None:
    lines = [line(500, "seats", usage="licensed"), line(300, "calls"), line(200, "images")]
    grants = [
        grant("images", 1_000, prices=frozenset({"images", "seats"}), priority=1),
        grant("expired", 1_000, expires_at=AT),
        grant("future", 1_000, effective_at=AT + DAY),
        grant("used", 1_000, applied=900),
    ]
    bill = make_bill(lines, AT, grants=grants)
    assert [(each.source, each.line, each.amount) for each in bill.drawdowns] == [("images", 2, 200), ("used", 1, 100)]
    assert (bill.credit, bill.total) == (300, 700)


def test_commitments_go_by_their_end_and_never_pay_back() -> None:
    commitments = [committed(50, days=60, name="longer"), committed(100, 70)]
    bill = make_bill([line(60)], AT, commitments=commitments)
    assert [(each.source, each.amount) for each in bill.drawdowns] == [("commitment", 30), ("longer", 30)]
    assert bill.total == 0


def test_a_period_that_ends_with_a_commitment_is_its_last() -> None:
    yearly = Commitment("yearly", USD, 10, Period(AT - 30 * DAY, AT))
    ends = [AT - 30 * DAY, AT - DAY, AT, AT + timedelta(seconds=1)]
    assert [make_bill([line(60)], end, commitments=[yearly]).commitment for end in ends] == [0, 10, 10, 0]


IN_EUR = line(1, currency="eur")
VAT = Tax(Decimal(20))
INCLUDED = Tax(Decimal(20), "inclusive")


@pytest.mark.parametrize(
    ("build", "error", "field"),
    [
        (lambda: committed(10, 14), OverApplied, "commitment.applied"),
        (lambda: grant("gift", 10, applied=11), OverApplied, "gift.applied"),
        (lambda: grant("gift", -1), AmountInvalid, "gift.amount"),
        (lambda: grant("gift", 1, applied=-1), AmountInvalid, "gift.applied"),
        (lambda: grant("gift", 1, priority=101), AmountInvalid, "gift.priority"),
        (lambda: grant("gift", 1, category="lucky"), UnknownModel, "gift.category"),
        (lambda: grant("gift", 1, expires_at=AT - 30 * DAY), TermsConflict, "gift.expires_at"),
        (lambda: grant("gift", 1, created=datetime(2026, 1, 1)), TermsConflict, "gift.effective_at"),  # noqa: DTZ001
        (lambda: Discount(Decimal(0)), AmountInvalid, "percent"),
        (lambda: Discount(), TermsConflict, "percent"),
        (lambda: Discount(Decimal(5), amount=5, currency=USD), TermsConflict, "percent"),
        (lambda: Discount(amount=5), TermsConflict, "currency"),
        (lambda: Discount(amount=0, currency=USD), AmountInvalid, "amount"),
        (lambda: make_bill([IN_EUR], AT, [Discount(amount=5, currency=USD)]), MixedCurrencies, "discounts.0.currency"),
        (lambda: promised(-1), AmountInvalid, "yearly.amount"),
        (lambda: promised(1, spent=-1), AmountInvalid, "yearly.spent"),
        (lambda: make_bill([IN_EUR], AT, minimum_spends=[promised(1)]), MixedCurrencies, "minimum_spends.0.currency"),
        (lambda: make_bill([line(1)], AT, minimum_spends=[promised(1)] * 2), TermsConflict, "minimum_spends"),
        (lambda: make_bill([line(1)], AT, taxes=[Tax(Decimal(1))] * 6), TermsConflict, "tax.5"),
        (lambda: make_bill([line(1)], AT, taxes=[VAT, INCLUDED]), TermsConflict, "tax.1.behavior"),
        (lambda: Discount(Decimal("100.01")), AmountInvalid, "percent"),
        (lambda: Tax(Decimal(-1)), AmountInvalid, "tax.percent"),
        (lambda: Tax(Decimal(1), "extra"), UnknownModel, "tax.behavior"),  # type: ignore[arg-type]
        (lambda: make_bill([], AT), TermsConflict, "lines"),
        (lambda: make_bill([line(1)], datetime(2026, 1, 1)), TermsConflict, "period_end"),  # noqa: DTZ001
        (lambda: make_bill([line(1), IN_EUR], AT), MixedCurrencies, "lines.1.currency"),
        (lambda: make_bill([IN_EUR], AT, grants=[grant("a", 1)]), MixedCurrencies, "credit_grants.0.currency"),
        (lambda: make_bill([IN_EUR], AT, commitments=[committed(1)]), MixedCurrencies, "commitments.0.currency"),
        (lambda: make_bill([line(1)], AT, grants=[grant("a", 1), grant("a", 1)]), TermsConflict, "credit_grants"),
    ],
)  # fmt: skip
def test_bills_that_are_none(build: Any, error: type[PricingError], field: str) -> None:
    with pytest.raises(error) as caught:
        build()
    assert caught.value.field == field


def test_what_can_be_collected() -> None:
    assert make_bill([line(1_234, currency="kwd")], AT).chargeable == 1_230
    assert make_bill([line(1_235, currency="kwd")], AT).chargeable == 1_240
    assert make_bill([line(1_250, currency="isk")], AT).chargeable == 1_300
    assert make_bill([line(1_234)], AT).chargeable == 1_234


@unhurried
@given(
    amounts=st.lists(st.integers(0, 10_000), min_size=1, max_size=5),
    percents=st.lists(st.decimals("0.01", 100, places=2), max_size=3),
    credits_given=st.lists(st.integers(0, 8_000), max_size=3),
    amount_off=st.none() | st.integers(1, 20_000),
    minimum=st.integers(0, 20_000),
    rates=st.lists(st.decimals(0, 50, places=2), max_size=3),
    behavior=st.sampled_from(["exclusive", "inclusive"]),
)
def test_lines_always_add_up_and_nothing_goes_below_zero(
    amounts: list[int],
    percents: list[Decimal],
    credits_given: list[int],
    amount_off: int | None,
    minimum: int,
    rates: list[Decimal],
    behavior: Any,
) -> None:
    fixed = [] if amount_off is None else [Discount(amount=amount_off, currency=USD)]
    bill = make_bill(
        [line(amount) for amount in amounts],
        AT,
        [Discount(percent) for percent in percents] + fixed,
        [committed(300)],
        [grant(f"grant_{number}", amount) for number, amount in enumerate(credits_given)],
        [Tax(rate, behavior) for rate in rates],
        [promised(minimum)],
    )
    for name in ("discount", "commitment", "credit", "tax"):
        assert sum(getattr(each, name) for each in bill.lines) == getattr(bill, name)
        assert all(getattr(each, name) >= 0 for each in bill.lines)
    assert all(each.net >= 0 for each in bill.lines)
    net = sum(each.net for each in bill.lines)
    assert net == bill.subtotal + bill.true_up - bill.discount - bill.commitment - bill.credit
    assert bill.true_up == max(0, minimum - (bill.subtotal - bill.discount))
    assert [sum(each.taxes[number] for each in bill.lines) for number in range(len(rates))] == [
        amount for _, amount in bill.taxes
    ]
    assert bill.total == net + (bill.tax if behavior == "exclusive" else 0)
    assert bill.credit <= sum(credits_given)
