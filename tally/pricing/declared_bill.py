"""A bill as people declare it, to try out what a customer would owe; amounts in major units."""

from decimal import Decimal

from pydantic import AwareDatetime, Field, model_validator

from tally.declared_values import Declared, ExactDecimal
from tally.periods import Period
from tally.pricing.bill import Bill, Discount, Tax, make_bill
from tally.pricing.currency import Currency, currency_of
from tally.pricing.declared_book import AnyPrice, price_of
from tally.pricing.drawdown import DEFAULT_PRIORITY, Commitment, CreditGrant
from tally.pricing.errors import AmountInvalid, PricingError
from tally.pricing.line import Line, price_line


class DeclaredLine(Declared):
    """A quantity under a price, declared or Stripe's object."""

    price: AnyPrice
    quantity: ExactDecimal

    def line(self) -> Line:
        return price_line(price_of(self.price), self.quantity)


class DeclaredDiscount(Declared):
    """A percentage off the lines of some prices, by id, or of all."""

    percent: ExactDecimal
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
    """A given rate in percent, exclusive or inclusive."""

    percent: ExactDecimal
    behavior: str = "exclusive"


class DeclaredBill(Declared):
    """Lines and what is taken off and put on them, for the period that ends at `period_end`."""

    period_end: AwareDatetime
    lines: tuple[DeclaredLine, ...] = Field(min_length=1)
    discounts: tuple[DeclaredDiscount, ...] = ()
    commitments: tuple[DeclaredCommitment, ...] = ()
    credit_grants: tuple[DeclaredGrant, ...] = ()
    tax: DeclaredTax | None = None

    def bill(self) -> Bill:
        """The bill. Raises PricingError subclasses as `make_bill` and the prices do."""
        return make_bill(
            [_line(declared, f"lines.{number}") for number, declared in enumerate(self.lines)],
            self.period_end,
            [Discount(each.percent, each.prices) for each in self.discounts],
            [_commitment(each) for each in self.commitments],
            [_grant(each) for each in self.credit_grants],
            None if self.tax is None else Tax(self.tax.percent, self.tax.behavior),  # type: ignore[arg-type]
        )


def _line(declared: DeclaredLine, place: str) -> Line:
    try:
        return declared.line()
    except PricingError as error:
        raise error.within(place) from None


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
