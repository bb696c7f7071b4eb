"""A `Price` from Stripe's price object, as the SDK retrieves it with `expand=["tiers"]` or as its JSON."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import stripe

from tally.pricing.currency import currency_of
from tally.pricing.errors import AmountInvalid, TermsConflict, TiersMissing, UnknownModel
from tally.pricing.exact import ZERO, exact
from tally.pricing.price import Model, Package, Price, Tier

_TIERS_MODES: dict[object, Model] = {"graduated": "graduated", "volume": "volume"}


def price_from_stripe(price: stripe.Price | Mapping[str, Any]) -> Price:
    """What Stripe will charge under this price.

    Raises:
        PricingError: a subclass that names the field, in Stripe's spelling, that cannot be priced.
    """
    source: Mapping[str, Any] = price.to_dict() if isinstance(price, stripe.StripeObject) else price
    currency = currency_of(source.get("currency"))
    recurring = source.get("recurring") or {}
    terms: dict[str, Any] = {
        "currency": currency,
        "usage": recurring.get("usage_type") or "licensed",
        "id": source.get("id"),
    }
    scheme = source.get("billing_scheme")
    if scheme == "tiered":
        mode = _TIERS_MODES.get(source.get("tiers_mode"))
        if mode is None:
            raise UnknownModel("tiers_mode", f"{source.get('tiers_mode')!r} is neither graduated nor volume")
        if source.get("transform_quantity") is not None:
            raise TermsConflict("transform_quantity", "cannot be combined with tiers")
        return Price(model=mode, tiers=_tiers(source.get("tiers")), **terms)
    if scheme != "per_unit":
        raise UnknownModel("billing_scheme", f"{scheme!r} is neither per_unit nor tiered")
    unit_amount = _amount(source, "unit_amount", "")
    if unit_amount is None:
        raise AmountInvalid("unit_amount_decimal", "is missing; a price whose amount the customer chooses has no line")
    package = _package(source.get("transform_quantity"))
    return Price(model="package" if package else "per_unit", unit_amount=unit_amount, package=package, **terms)


def _tiers(tiers: Any) -> tuple[Tier, ...]:
    if not isinstance(tiers, list) or not tiers:
        raise TiersMissing("tiers", 'Stripe leaves them out unless asked; retrieve the price with expand=["tiers"]')
    return tuple(_tier(tier, f"tiers.{number}.") for number, tier in enumerate(tiers))


def _tier(tier: Mapping[str, Any], where: str) -> Tier:
    unit_amount, flat_amount = _amount(tier, "unit_amount", where), _amount(tier, "flat_amount", where)
    if unit_amount is None and flat_amount is None:
        raise AmountInvalid(f"{where}unit_amount_decimal", "is missing, and so is a flat amount; write 0 if it is free")
    up_to = tier.get("up_to")
    end = None if up_to is None or up_to == "inf" else exact(up_to, f"{where}up_to")
    return Tier(end, unit_amount or ZERO, flat_amount or ZERO)


def _amount(source: Mapping[str, Any], name: str, where: str) -> Decimal | None:
    """The decimal amount, which is there whenever the whole one is; older fixtures have only the whole one."""
    for field in (f"{name}_decimal", name):
        if source.get(field) is not None:
            return exact(source[field], f"{where}{field}")
    return None


def _package(transform: Any) -> Package | None:
    if transform is None:
        return None
    return Package(exact(transform.get("divide_by"), "transform_quantity.divide_by"), transform.get("round"))
