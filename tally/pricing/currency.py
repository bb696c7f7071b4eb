"""Currencies as Stripe counts them: how many decimals its minor unit has, and in which steps it can be charged."""

from dataclasses import dataclass
from decimal import Decimal

from tally.pricing.errors import UnknownCurrency
from tally.pricing.exact import shifted

# docs.stripe.com/currencies: zero-decimal, three-decimal, and the special cases.
_ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DECIMAL = "bhd jod kwd omr tnd"
# Without decimals in life, with two in Stripe's API "for backwards compatibility": 5 ISK are 500.
_WHOLE_UNITS_AS_HUNDREDS = "isk ugx"
_TWO_DECIMAL = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf cny cop crc
cve czk dkk dop dzd egp etb eur fjd fkp gbp gel ghs gip gmd gtq gyd hkd hnl hrk htg huf idr ils inr isk jmd kes kgs
khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mro mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen
pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sll sos srd std svc szl thb tjs top try ttd twd tzs uah
ugx usd uyu uzs wst xcd yer zar zmw
"""
_EXPONENTS = {
    **dict.fromkeys(_TWO_DECIMAL.split(), 2),
    **dict.fromkeys(_ZERO_DECIMAL.split(), 0),
    **dict.fromkeys(_THREE_DECIMAL.split(), 3),
}
_CHARGE_STEPS = {**dict.fromkeys(_THREE_DECIMAL.split(), 10), **dict.fromkeys(_WHOLE_UNITS_AS_HUNDREDS.split(), 100)}


@dataclass(frozen=True)
class Currency:
    """`exponent` decimals make the minor unit; what is collected must be a multiple of `charge_step` minor units."""

    code: str
    exponent: int
    charge_step: int

    def major(self, minor: int) -> Decimal:
        """Minor units as the amount people write, with the currency's decimals: 1050 is 10.50 in usd."""
        return shifted(Decimal(minor), -self.exponent)

    def exact_major(self, minor: Decimal) -> Decimal:
        """Exact minor units as an exact amount of what people write."""
        return shifted(minor, -self.exponent)

    def minor(self, major: Decimal) -> Decimal:
        """The amount people write in minor units, exact and not rounded: 0.005 is 0.5 in usd."""
        return shifted(major, self.exponent)


def currency_of(code: object, field: str = "currency") -> Currency:
    """The currency of a three-letter code in either case.

    Raises:
        UnknownCurrency: Stripe does not bill in it, so its minor unit is not known.
    """
    known = code.lower() if isinstance(code, str) else ""
    if known not in _EXPONENTS:
        raise UnknownCurrency(field, f"{code!r} is not a currency that Stripe bills in; give a code such as usd")
    return Currency(known, _EXPONENTS[known], _CHARGE_STEPS.get(known, 1))
