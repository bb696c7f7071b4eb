"""Why an export and a counter differ: a code, and the evidence behind it. Every explanation here is exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import combinations

from tally.compare.evidence import Uncounted, counted
from tally.compare.here import Counter
from tally.compare.there import Theirs

# What a quantity is often counted in instead: thousands, minutes, hours, kibi, mebi, gibi, tebi.
_FACTORS = tuple(map(Decimal, (10, 100, 1000, 10**6, 10**9, 10**12, 60, 3600, 24, 1024, 1024**2, 1024**3, 1024**4)))


@dataclass(frozen=True)
class Cause:
    """`code` is what programs may rely on; `says` the evidence."""

    code: str
    says: str

    @property
    def text(self) -> str:
        return f"{self.code}: {self.says}"


def why_only_there(theirs: Theirs, is_declared: bool, is_known: bool, parts: Sequence[Uncounted]) -> Cause:
    """Rows of which we count nothing."""
    said = f"the export has {theirs.quantity:f} from row {theirs.first_row}"
    if not is_declared:
        return Cause("undeclared metric", f"{said}; no meter counts it here")
    if explained := _sum_of(parts, theirs.quantity):
        return explained
    if not is_known:
        return Cause("unknown customer", f"{said}; no usage of the customer is known here by this name")
    return Cause("only there", f"{said}; nothing of it is counted here")


def why_only_here(counter: Counter, twin: str | None) -> Cause:
    """A counter that the export has no row of; `twin`: a name only there with exactly its quantities."""
    events = counted(counter.event_count, "event")
    said = f"{counter.value:f} is counted here from {events}; the export has no row of it"
    if twin is not None:
        return Cause("named otherwise", f"{said}, but the same quantities for {twin!r}")
    return Cause("only here", said)


def why_different(
    counter: Counter,
    theirs: Theirs,
    covered: tuple[datetime, datetime],
    parts: Sequence[Uncounted],
    agrees_overall: bool,
) -> Cause:
    """Both have it, and differ: the first of these that explains the difference. `covered`: what all rows span."""
    difference = theirs.quantity - counter.value
    if explained := _sum_of(parts, difference):
        return explained
    if theirs.outside:
        billed = _span(counter.period_start, counter.period_end)
        return Cause(
            "period mismatch",
            f"{counted(theirs.outside, 'row')} of the export reach beyond the period as it is billed here, {billed}",
        )
    if agrees_overall:
        return Cause("cut elsewhere", "over all periods of the export the customer's total is the same")
    if covered[0] > counter.period_start or covered[1] < counter.period_end:
        return Cause("part of the period", f"the export covers {_span(*covered)} only")
    if unit := _other_unit(counter.value, theirs.quantity):
        return unit
    if abs(difference) <= theirs.rows * Decimal(1).scaleb(-theirs.places) / 2 and _rounds_to(counter.value, theirs):
        return Cause(
            "rounding",
            f"{counted(theirs.rows, 'row')} rounded to {theirs.places} decimals may be {difference:+f} apart",
        )
    if parts:
        return Cause(
            "unexplained", f"{difference:+f} there; not counted here: {'; '.join(part.says for part in parts)}"
        )
    return Cause("unexplained", f"{difference:+f} there, and nothing that landed here explains it")


def _span(starts: datetime, ends: datetime) -> str:
    return f"{starts:%Y-%m-%d %H:%MZ} to {ends:%Y-%m-%d %H:%MZ}"


def _sum_of(parts: Sequence[Uncounted], difference: Decimal) -> Cause | None:
    """The fewest parts that add up to exactly the difference."""
    for count in range(1, len(parts) + 1):
        for some in combinations(parts, count):
            if difference and sum((part.amount for part in some), Decimal(0)) == difference:
                return Cause(" and ".join(part.code for part in some), "; ".join(part.says for part in some))
    return None


def _other_unit(here: Decimal, there: Decimal) -> Cause | None:
    with localcontext(prec=200):
        for factor in _FACTORS:
            if here and there * factor == here:
                return Cause("other unit", f"what is counted here is exactly {factor:f} times the export's quantity")
            if there and here * factor == there:
                return Cause("other unit", f"the export's quantity is exactly {factor:f} times what is counted here")
    return None


def _rounds_to(here: Decimal, theirs: Theirs) -> bool:
    """Whether ours has decimals that theirs lacks, so that rounding can be why."""
    with localcontext(prec=200):
        return here != here.quantize(Decimal(1).scaleb(-theirs.places), rounding=ROUND_HALF_UP)
