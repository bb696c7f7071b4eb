"""A price book as people declare it: prices, declared or Stripe's, each with the moment it takes effect."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, Discriminator, Tag

from tally.declared_values import Declared
from tally.pricing.declared_price import DeclaredPrice
from tally.pricing.errors import PricingError
from tally.pricing.price import Price
from tally.pricing.price_book import PriceBook, Version
from tally.pricing.stripe_price import price_from_stripe


def _form(price: Any) -> str:
    return "stripe" if isinstance(price, Mapping) and "billing_scheme" in price else "declared"


AnyPrice = Annotated[
    Annotated[DeclaredPrice, Tag("declared")] | Annotated[dict[str, Any], Tag("stripe")], Discriminator(_form)
]


class DeclaredVersion(Declared):
    """A price and when it takes effect."""

    effective_at: AwareDatetime
    price: AnyPrice


class DeclaredPriceBook(Declared):
    """The versions of one price list, in any order."""

    versions: tuple[DeclaredVersion, ...]

    def book(self) -> PriceBook:
        """The price book. Raises PricingError subclasses as `PriceBook` and the prices do."""
        return PriceBook(tuple(_version(number, each) for number, each in enumerate(self.versions)))


def price_of(declared: DeclaredPrice | dict[str, Any]) -> Price:
    """The price of either form. Raises PricingError subclasses as each does."""
    return declared.price() if isinstance(declared, DeclaredPrice) else price_from_stripe(declared)


def _version(number: int, declared: DeclaredVersion) -> Version:
    try:
        return Version(declared.effective_at, price_of(declared.price))
    except PricingError as error:
        raise error.within(f"versions.{number}") from None
