"""A `Price` as people declare it in YAML or JSON: amounts as they are written on a price list, in major units."""

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from tally.declared_values import Declared, ExactDecimal
from tally.pricing.currency import Currency, currency_of
from tally.pricing.errors import AmountInvalid, TermsConflict
from tally.pricing.exact import MAX_DECIMALS, ZERO, decimals_of
from tally.pricing.price import TIERED, Model, Package, Price, Tier


def _tier_end(value: Any) -> Any:
    return None if value in ("inf", ".inf", float("inf")) else value


TierEnd = Annotated[ExactDecimal | None, BeforeValidator(_tier_end)]


class DeclaredTier(Declared):
    """Units up to and including `up_to` (the last tier: inf), each at `unit_price`; `flat_fee` once."""

    up_to: TierEnd
    unit_price: ExactDecimal | None = None
    flat_fee: ExactDecimal | None = None


class DeclaredPackage(Declared):
    """Units sold `size` at a time."""

    size: ExactDecimal
    round: str = "up"


class DeclaredPrice(Declared):
    """One price; `price()` checks it as a whole."""

    model: str
    currency: str
    unit_price: ExactDecimal | None = Field(None, description="a unit (per_unit) or a package (package)")
    flat_fee: ExactDecimal | None = Field(None, description="the whole charge (flat)")
    tiers: tuple[DeclaredTier, ...] = ()
    package: DeclaredPackage | None = None
    minimum: ExactDecimal | None = None
    maximum: ExactDecimal | None = None
    usage: Literal["metered", "licensed"] | None = Field(None, description="metered, but licensed for a flat fee")
    id: str | None = None

    def price(self) -> Price:
        """The price in minor units.

        Raises:
            PricingError: a subclass that names the field that leaves some quantity without one price.
        """
        currency = currency_of(self.currency)
        is_flat = self.model == "flat"
        name = "flat_fee" if is_flat else "unit_price"
        for field in ("flat_fee", "unit_price"):
            if getattr(self, field) is not None and (self.model in TIERED or field != name):
                whose = "its tiers have amounts" if self.model in TIERED else f"{name} does"
                raise TermsConflict(field, f"does not belong to a {self.model} price; {whose}")
        if self.model in get_args(Model) and self.model not in TIERED and getattr(self, name) is None:
            raise AmountInvalid(name, "is missing; write 0 if it is free")
        return Price(
            model=self.model,  # type: ignore[arg-type]  # Price refuses a model that is none
            currency=currency,
            unit_amount=_minor(currency, getattr(self, name), name),
            tiers=tuple(_tier(currency, number, tier) for number, tier in enumerate(self.tiers)),
            package=None if self.package is None else Package(self.package.size, self.package.round),  # type: ignore[arg-type]
            usage=self.usage or ("licensed" if is_flat else "metered"),
            minimum=_minor(currency, self.minimum, "minimum"),
            maximum=_minor(currency, self.maximum, "maximum"),
            id=self.id,
        )


def _tier(currency: Currency, number: int, tier: DeclaredTier) -> Tier:
    where = f"tiers.{number}."
    unit_amount = _minor(currency, tier.unit_price, f"{where}unit_price")
    flat_amount = _minor(currency, tier.flat_fee, f"{where}flat_fee")
    if unit_amount is None and flat_amount is None:
        raise AmountInvalid(f"{where}unit_price", "is missing, and so is flat_fee; write 0 if the tier is free")
    return Tier(tier.up_to, unit_amount or ZERO, flat_amount or ZERO)


def _minor(currency: Currency, amount: Decimal | None, field: str) -> Decimal | None:
    if amount is None:
        return None
    if not amount.is_finite() or amount < 0:
        raise AmountInvalid(field, f"{amount} is not an amount of zero or more")
    minor = currency.minor(amount)
    if decimals_of(minor) > MAX_DECIMALS:
        raise AmountInvalid(field, f"{amount} has more than {MAX_DECIMALS} decimals of {currency.code}'s minor unit")
    return minor
