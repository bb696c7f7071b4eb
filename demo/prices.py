"""What the airport charges: one metered price a metric, in US cents, one of each kind that needs care."""

from decimal import Decimal

from stripe.params import PriceCreateParams

from demo.flights import AIR_MINUTES, AIRCRAFT_IN_SERVICE, DEPARTURES, METRICS, PEAK_DEPARTURE_DELAY

CURRENCY = "usd"
FIRST_TIER_MINUTES = 100_000


def price_of(metric: str, product: str, meter: str) -> PriceCreateParams:
    """The parameters of the metric's price, billed monthly from `meter`."""
    price: PriceCreateParams = {
        "currency": CURRENCY,
        "product": product,
        "nickname": metric,
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
    }
    if metric == DEPARTURES:
        price["unit_amount"] = 185_00
    elif metric == AIR_MINUTES:
        # Sub-cent amounts: rounded once, at the invoice line. The minutes above the first tier cost less.
        price["billing_scheme"] = "tiered"
        price["tiers_mode"] = "graduated"
        price["tiers"] = [
            {"up_to": FIRST_TIER_MINUTES, "unit_amount_decimal": Decimal("12.5")},
            {"up_to": "inf", "unit_amount_decimal": Decimal("8.375")},
        ]
    elif metric == PEAK_DEPARTURE_DELAY:
        price["unit_amount_decimal"] = Decimal("249.95")
    elif metric == AIRCRAFT_IN_SERVICE:
        price["unit_amount"] = 950_00
    else:
        raise ValueError(f"no price for {metric!r}; the metrics are {', '.join(METRICS)}")
    return price
