"""A bill as people declare it, to try out what a customer would owe; amounts in major units."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime, Field, field_validator, model_validator

from tally.declared_values import Declared, ExactDecimal
from tally.periods import Period
from tally.pricing.bill import Bill, make_bill
from tally.pricing.currency import Currency, currency_of
from tally.pricing.declared_book import AnyPrice, price_of
from tally.pricing.discount import Discount
from tally.pricing.drawdown import DEFAULT_PRIORITY, Commitment, CreditGrant
from tally.pricing.errors import AmountInvalid, PricingError, TermsConflict
from tally.pricing.line import Line, price_line
from tally.pricing.minimum_spend import MinimumSpend
from tally.pricing.taxes import Tax


class DeclaredLine(Declared):
    """A quantity under a price, declared or Stripe's object."""

    price: AnyPrice
    quantity: ExactDecimal

    def line(self) -> Line:
        return price_line(price_of(self.price), self.quantity)


class DeclaredDiscount(Declared):
    """A percentage, or an amount of a currency, off the lines of some prices, by id, or of all."""

    percent: ExactDecimal | None = None
    amount: ExactDecimal | None = None
    currency: str | None = None
    prices: frozenset[str] | None = None


class DeclaredCommitment(Declared):
    """An amount committed for a span of time; `applied` was drawn down before."""

    id: str
    currency: str
    amount: ExactDecimal
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    applied: ExactDecimal = Decimal(0)

    @model_validator(mode="after")
    def _spans_time(self) -> "DeclaredCommitment":
        Period(self.starts_at, self.ends_at)
        return self


class DeclaredGrant(Declared):
    """A credit grant; the fields are Stripe's."""

    id: str
    currency: str
    amount: ExactDecimal
    effective_at: AwareDatetime
    created: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    category: str = "paid"
    priority: int = DEFAULT_PRIORITY
    prices: frozenset[str] | None = None
    applied: ExactDecimal = Decimal(0)


class DeclaredTax(Declared):
    """A given rate in percent, exclusive or inclusive; for the lines of some prices, by id, or by default for all."""

    percent: ExactDecimal
    behavior: str = "exclusive"
    prices: frozenset[str] | None = None


class DeclaredMinimum(Declared):
    """An amount to be spent within a span of time, on some prices or on all; `spent` was counted before."""

    id: str
    currency: str
    amount: ExactDecimal
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    spent: ExactDecimal = Decimal(0)
    prices: frozenset[str] | None = None

    @model_validator(mode="after")
    def _spans_time(self) -> "DeclaredMinimum":
        Period(self.starts_at, self.ends_at)
        return self


class DeclaredBill(Declared):
    """Lines and what is taken off and put on them, for the period that ends at `period_end`."""

    period_end: AwareDatetime
    lines: tuple[DeclaredLine, ...] = Field(min_length=1)
    discounts: tuple[DeclaredDiscount, ...] = ()
    commitments: tuple[DeclaredCommitment, ...] = ()
    credit_grants: tuple[DeclaredGrant, ...] = ()
    tax: tuple[DeclaredTax, ...] = ()
    minimum_spends: tuple[DeclaredMinimum, ...] = ()

    @field_validator("tax", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, Mapping) else given

    def bill(self) -> Bill:
        """The bill. Raises PricingError subclasses as `make_bill` and the prices do."""
        return make_bill(
            [_line(declared, f"lines.{number}") for number, declared in enumerate(self.lines)],
            self.period_end,
            [_discount(declared, f"discounts.{number}") for number, declared in enumerate(self.discounts)],
            [_commitment(each) for each in self.commitments],
            [_grant(each) for each in self.credit_grants],
            [Tax(each.percent, each.behavior, each.prices) for each in self.tax],  # type: ignore[arg-type]
            [_minimum(each) for each in self.minimum_spends],
        )


def _line(declared: DeclaredLine, place: str) -> Line:
    try:
        return declared.line()
    except PricingError as error:
        raise error.within(place) from None


def _discount(declared: DeclaredDiscount, place: str) -> Discount:
    try:
        currency = None if declared.currency is None else currency_of(declared.currency)
        amount = declared.amount
        minor = None if amount is None or currency is None else _minor(currency, amount, "amount")
        if amount is not None and currency is None:
            raise TermsConflict("currency", "is missing; an amount needs it")
        return Discount(declared.percent, declared.prices, minor, currency)
    except PricingError as error:
        raise error.within(place) from None


def _minimum(declared: DeclaredMinimum) -> MinimumSpend:
    currency = currency_of(declared.currency, f"{declared.id}.currency")
    return MinimumSpend(
        id=declared.id,
        currency=currency,
        amount=_minor(currency, declared.amount, f"{declared.id}.amount"),
        period=Period(declared.starts_at, declared.ends_at),
        spent=_minor(currency, declared.spent, f"{declared.id}.spent"),
        prices=declared.prices,
    )


def _commitment(declared: DeclaredCommitment) -> Commitment:
    currency = currency_of(declared.currency, f"{declared.id}.currency")
    return Commitment(
        id=declared.id,
        currency=currency,
        amount=_minor(currency, declared.amount, f"{declared.id}.amount"),
        period=Period(declared.starts_at, declared.ends_at),
        applied=_minor(currency, declared.applied, f"{declared.id}.applied"),
    )


def _grant(declared: DeclaredGrant) -> CreditGrant:
    currency = currency_of(declared.currency, f"{declared.id}.currency")
    return CreditGrant(
        id=declared.id,
        currency=currency,
        amount=_minor(currency, declared.amount, f"{declared.id}.amount"),
        effective_at=declared.effective_at,
        created=declared.created or declared.effective_at,
        expires_at=declared.expires_at,
        category=declared.category,  # type: ignore[arg-type]  # CreditGrant refuses one that is none
        priority=declared.priority,
        prices=declared.prices,
        applied=_minor(currency, declared.applied, f"{declared.id}.applied"),
    )


def _minor(currency: Currency, amount: Decimal, field: str) -> int:
    minor = currency.minor(amount)
    if minor != minor.to_integral_value():
        raise AmountInvalid(field, f"{amount} has more decimals than {currency.code}")
    return int(minor)
