"""A price: its model, amounts in minor units, and the rules that every price must keep."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from tally.pricing.currency import Currency, currency_of
from tally.pricing.errors import (
    AmountInvalid,
    TermsConflict,
    TiersMissing,
    TiersNotClosed,
    TiersUnordered,
    UnknownModel,
)
from tally.pricing.exact import ZERO, exact, plain

Model = Literal["per_unit", "package", "graduated", "volume", "flat"]
Usage = Literal["metered", "licensed"]
Rounding = Literal["up", "down"]

TIERED: tuple[Model, ...] = ("graduated", "volume")


@dataclass(frozen=True)
class Tier:
    """Units up to and including `up_to` (None: all further ones), at `unit_amount` each; `flat_amount` once.

    Amounts are in minor units, exact.
    """

    up_to: Decimal | None
    unit_amount: Decimal = ZERO
    flat_amount: Decimal = ZERO


@dataclass(frozen=True)
class Package:
    """Units sold `divide_by` at a time (above zero; whole in Stripe).

    A begun package counts whole ("up") or not at all ("down").
    """

    divide_by: Decimal
    round: Rounding = "up"


@dataclass(frozen=True)
class Price:
    """What a quantity costs. Amounts are in minor units of `currency` (Stripe's way), exact, never negative.

    `unit_amount` is the amount a unit (per_unit), a package (package) or altogether (flat); tiered models have `tiers`.
    `minimum` and `maximum` bound the whole line. Metered prices are billed by usage and never prorated.

    Raises:
        UnknownModel, UnknownCurrency, AmountInvalid, TermsConflict: as each says.
        TiersMissing, TiersUnordered, TiersNotClosed: the tiers leave a quantity without exactly one price.
    """

    model: Model
    currency: Currency
    unit_amount: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    package: Package | None = None
    usage: Usage = "metered"
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if self.model not in get_args(Model):
            raise UnknownModel("model", f"{self.model!r} is none of {', '.join(get_args(Model))}")
        if self.usage not in get_args(Usage):
            raise UnknownModel("usage", f"{self.usage!r} is none of {', '.join(get_args(Usage))}")
        currency_of(self.currency.code)
        _check_package(self.model, self.package)
        if self.model in TIERED:
            if self.unit_amount is not None:
                raise TermsConflict("unit_amount", f"a {self.model} price has its amounts in its tiers")
            check_tiers(self.tiers)
        else:
            if self.tiers:
                raise TermsConflict("tiers", f"a {self.model} price has no tiers")
            _check_amount("unit_amount", self.unit_amount, required=True)
        _check_amount("minimum", self.minimum)
        _check_amount("maximum", self.maximum)
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            low, high = (self.currency.exact_major(bound) for bound in (self.minimum, self.maximum))
            raise TermsConflict("minimum", f"{plain(low)} is above the maximum {plain(high)}")


def check_tiers(tiers: tuple[Tier, ...]) -> None:
    """Whether every quantity from zero on lies in exactly one tier. Raises as `Price` does."""
    if not tiers:
        raise TiersMissing("tiers", 'a tiered price needs its tiers; retrieve it from Stripe with expand=["tiers"]')
    start = ZERO
    for number, tier in enumerate(tiers):
        field, is_last = f"tiers.{number}.up_to", number == len(tiers) - 1
        if tier.up_to is None:
            if not is_last:
                raise TiersNotClosed(field, "only the last tier may go to inf; the tiers behind it are never reached")
        elif exact(tier.up_to, field) <= start:
            raise TiersUnordered(field, f"{tier.up_to} does not lie above {start}, where the tier begins")
        elif is_last:
            raise TiersNotClosed(field, f"the last tier ends at {tier.up_to}; usage above it has no price: give inf")
        else:
            start = tier.up_to
        _check_amount(f"tiers.{number}.unit_amount", tier.unit_amount)
        _check_amount(f"tiers.{number}.flat_amount", tier.flat_amount)


def _check_package(model: Model, package: Package | None) -> None:
    if (package is None) != (model != "package"):
        raise TermsConflict("package", f"a {model} price {'needs' if model == 'package' else 'has no'} package size")
    if package is not None:
        if package.round not in get_args(Rounding):
            raise UnknownModel("package.round", f"{package.round!r} is none of {', '.join(get_args(Rounding))}")
        if exact(package.divide_by, "package.divide_by") <= 0:
            raise AmountInvalid("package.divide_by", f"{package.divide_by} is not above zero")


def _check_amount(field: str, amount: Decimal | None, required: bool = False) -> None:
    if amount is None:
        if required:
            raise AmountInvalid(field, "is missing; a price without an amount would be free by accident")
        return
    if exact(amount, field) < 0:
        raise AmountInvalid(field, f"{amount} is below zero")
