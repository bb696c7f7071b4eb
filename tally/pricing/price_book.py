"""Prices over time: which one is in force at a moment, and a period cut where the price changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tally.periods import Period
from tally.pricing.errors import MixedCurrencies, NoPriceInForce, TermsConflict
from tally.pricing.exact import ONE, half_up
from tally.pricing.line import Line, Negative, price_line, prorated
from tally.pricing.price import Price

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Version:
    """A price and the moment (UTC-aware) from which it is in force, until the next version."""

    effective_at: datetime
    price: Price


@dataclass(frozen=True)
class Segment:
    """A stretch of a period under one price; `share` of the period's seconds lie in it."""

    period: Period
    price: Price
    share: Fraction


@dataclass(frozen=True)
class PriceBook:
    """One price list's versions, in any order.

    Raises:
        NoPriceInForce: there is no version at all.
        TermsConflict: two versions start at the same moment, or one at a time without a zone.
        MixedCurrencies: versions in two currencies; a change of currency is another price book.
    """

    versions: tuple[Version, ...]

    def __post_init__(self) -> None:
        if not self.versions:
            raise NoPriceInForce("versions", "a price book needs at least one price")
        for number, version in enumerate(self.versions):
            if version.effective_at.utcoffset() is None:
                raise TermsConflict(f"versions.{number}.effective_at", "needs a time zone")
        ordered = tuple(sorted(self.versions, key=lambda version: version.effective_at))
        for before, after in pairwise(ordered):
            if before.effective_at == after.effective_at:
                raise TermsConflict("versions", f"two prices take effect at {after.effective_at.isoformat()}")
            if before.price.currency != after.price.currency:
                was, becomes = before.price.currency.code, after.price.currency.code
                raise MixedCurrencies("versions", f"{was} becomes {becomes} at {after.effective_at.isoformat()}")
        object.__setattr__(self, "versions", ordered)

    def at(self, moment: datetime) -> Price:
        """The price in force. Raises NoPriceInForce before the first version."""
        in_force = [version.price for version in self.versions if version.effective_at <= moment]
        if not in_force:
            first = self.versions[0].effective_at.astimezone(UTC)
            raise NoPriceInForce(
                "versions", f"no price at {moment.isoformat()}; the first is in force from {first.isoformat()}"
            )
        return in_force[-1]

    def segments(self, period: Period) -> list[Segment]:
        """The period cut where the price changes; versions with the same price do not cut it.

        Raises:
            NoPriceInForce: the period begins before the first version.
        """
        prices = [(period.start, self.at(period.start))]
        for version in self.versions:
            if period.start < version.effective_at < period.end and version.price != prices[-1][1]:
                prices.append((version.effective_at, version.price))
        ends = [start for start, _ in prices[1:]] + [period.end]
        return [
            Segment(Period(start, end), price, _share(end - start, period.end - period.start))
            for (start, price), end in zip(prices, ends, strict=True)
        ]


def price_period(
    book: PriceBook, period: Period, quantity_in: Callable[[Period], object], negative: Negative = "zero"
) -> list[tuple[Segment, Line]]:
    """One line a segment, each priced by the quantity of its own stretch, so tiers start anew at a price change.

    A licensed line is prorated by its segment's share of the seconds. A metered one is not, for its quantity already is
    the segment's own; but its minimum and maximum are, to whole minor units.

    Raises:
        NoPriceInForce, QuantityInvalid: as `PriceBook.segments` and `price_line`.
    """
    return [
        (segment, _segment_line(segment, quantity_in(segment.period), negative)) for segment in book.segments(period)
    ]


def _segment_line(segment: Segment, quantity: object, negative: Negative) -> Line:
    price = segment.price
    if price.usage == "licensed":
        return prorated(price_line(price, quantity, negative), segment.share)
    if segment.share == ONE:
        return price_line(price, quantity, negative)
    low, high = (
        None if bound is None else Decimal(half_up(bound, segment.share)) for bound in (price.minimum, price.maximum)
    )
    return price_line(replace(price, minimum=low, maximum=high), quantity, negative)


def _share(part: timedelta, whole: timedelta) -> Fraction:
    return Fraction(part // _MICROSECOND, whole // _MICROSECOND)
