"""Which billing periods a customer has: Stripe's own where it has said so, computed ones around them. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tally.periods import Period


@dataclass(frozen=True, order=True)
class KnownPeriod:
    """A stored period; `is_stripes` when Stripe itself has reported it, else it was projected from the anchor."""

    period: Period
    is_stripes: bool


@dataclass
class PeriodChanges:
    """What to write so that the stored periods say what Stripe says."""

    confirmed: list[Period] = field(default_factory=list)
    inserted: list[KnownPeriod] = field(default_factory=list)
    deleted: list[Period] = field(default_factory=list)


class PeriodConflict(Exception):
    """Stripe's current period overlaps another one that Stripe had reported before, and is not the same."""

    def __init__(self, current: Period, stored: Period) -> None:
        super().__init__(
            f"its period {current.start:%Y-%m-%dT%H:%M:%SZ} to {current.end:%Y-%m-%dT%H:%M:%SZ} overlaps the customer's"
            f" {stored.start:%Y-%m-%dT%H:%M:%SZ} to {stored.end:%Y-%m-%dT%H:%M:%SZ}"
        )


def take_over(stored: list[KnownPeriod], current: Period, projected: Iterable[Period]) -> PeriodChanges:
    """Bring `stored` (changed in place) in line with Stripe's `current` period and what follows from its anchor.

    Stripe's word replaces projections that overlap it. A new projection replaces older ones only ahead of `current`:
    events may already be dated by those behind it. A period that Stripe now lets end earlier was cut short, by a
    subscription that ended; what was dated with its old end waits for a replay.

    Raises:
        PeriodConflict: `current` contradicts what Stripe said before; nothing was changed.
    """
    changes = PeriodChanges()
    contradicted = [known for known in _overlapping(stored, current) if known.is_stripes]
    if contradicted and not all(_is_cut_short(known.period, current) for known in contradicted):
        raise PeriodConflict(current, contradicted[0].period)
    same = KnownPeriod(current, is_stripes=False)
    if same in stored:
        stored[stored.index(same)] = KnownPeriod(current, is_stripes=True)
        changes.confirmed.append(current)
    elif KnownPeriod(current, is_stripes=True) not in stored:
        _replace(stored, KnownPeriod(current, is_stripes=True), changes)
    for period in projected:
        if any(known.period == period for known in stored):
            continue
        in_the_way = _overlapping(stored, period)
        is_ahead = period.start >= current.end
        if not in_the_way or (is_ahead and not any(known.is_stripes for known in in_the_way)):
            _replace(stored, KnownPeriod(period, is_stripes=False), changes)
    return changes


def _is_cut_short(period: Period, now: Period) -> bool:
    return period.start == now.start and period.end > now.end


def _overlapping(stored: list[KnownPeriod], period: Period) -> list[KnownPeriod]:
    return [known for known in stored if known.period != period and known.period.overlaps(period)]


def _replace(stored: list[KnownPeriod], new: KnownPeriod, changes: PeriodChanges) -> None:
    for known in _overlapping(stored, new.period):
        stored.remove(known)
        changes.deleted.append(known.period)
    stored.append(new)
    changes.inserted.append(new)
