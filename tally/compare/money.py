"""Amounts of an export beside what our quantities cost."""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal

from tally.compare.here import Counter
from tally.compare.there import Theirs
from tally.pricing import currency_of

AmountUnit = Literal["major", "minor"]


@dataclass(frozen=True)
class JudgedAmount:
    """Minor units of `currency` on both sides, None where one is not known, and what follows."""

    here: Decimal | None
    there: Decimal | None
    currency: str | None
    verdict: Literal["ok", "break", "missing"]
    cause: str | None


def judged_amount(counter: Counter | None, theirs: Theirs | None, unit: AmountUnit, epsilon: Decimal) -> JudgedAmount:
    """Within epsilon, in one currency; an amount that is not known is missing, never zero.

    Raises:
        UnknownCurrency: the export's currency is none that Stripe bills in.
    """
    there, foreign = theirs.amount if theirs else None, theirs.currency if theirs else None
    if there is not None and unit == "major":
        there = currency_of(foreign).minor(there)
    here, own = (counter.amount, counter.currency) if counter else (None, None)
    currency = own or foreign

    def judged(verdict: Literal["ok", "break", "missing"], cause: str | None = None) -> JudgedAmount:
        return JudgedAmount(here, there, currency, verdict, cause)

    if here is None and there is None:
        return judged("ok")
    if there is None or here is None:
        if (there or here or Decimal(0)) == 0:
            return judged("ok")
        side = "the export has no amount" if there is None else "the counter is not priced: run `tally reconcile`"
        return judged("missing", f"amount not known: {side}")
    if own != foreign:
        return judged("break", f"other currency: {own} here, {foreign} there")
    with localcontext(prec=60):
        if abs(here - there) <= epsilon * max(abs(here), abs(there)):
            return judged("ok")
    return judged("break", f"price mismatch: the same quantity costs {here:f} here and {there:f} there, in minor units")
