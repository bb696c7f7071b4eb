"""What usage costs: Stripe's pricing models in exact decimals, one rounding a line, and no free line by accident.

The rules, with examples, are in docs/pricing.md. Whole columns are priced by `tally.pricing.columns`, which imports
Polars (half a second) and so is not imported here.
"""

from tally.pricing.bill import Bill, BillLine, make_bill
from tally.pricing.currency import Currency, currency_of
from tally.pricing.declared_price import DeclaredPrice
from tally.pricing.delta import Delta, price_delta
from tally.pricing.discount import Discount
from tally.pricing.drawdown import Commitment, CreditGrant, Drawdown
from tally.pricing.errors import PricingError
from tally.pricing.files import load_bill, load_price, load_price_book
from tally.pricing.line import Line, price_line, prorated, stripe_amounts
from tally.pricing.minimum_spend import MinimumSpend
from tally.pricing.price import Package, Price, Tier
from tally.pricing.price_book import PriceBook, Segment, Version, price_period
from tally.pricing.stripe_grant import grant_from_stripe
from tally.pricing.stripe_price import price_from_stripe
from tally.pricing.taxes import Tax
from tally.pricing.tiers import Part

__all__ = [
    "Bill",
    "BillLine",
    "Commitment",
    "CreditGrant",
    "Currency",
    "DeclaredPrice",
    "Delta",
    "Discount",
    "Drawdown",
    "Line",
    "MinimumSpend",
    "Package",
    "Part",
    "Price",
    "PriceBook",
    "PricingError",
    "Segment",
    "Tax",
    "Tier",
    "Version",
    "currency_of",
    "grant_from_stripe",
    "load_bill",
    "load_price",
    "load_price_book",
    "make_bill",
    "price_delta",
    "price_from_stripe",
    "price_line",
    "price_period",
    "prorated",
    "stripe_amounts",
]
