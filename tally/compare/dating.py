"""Which of our periods a row of an export lies in: by the counters' own periods, the customer's, or the calendar."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from tally.compare.here import Counter, Tenant
from tally.compare.rows import Usage
from tally.periods import Period

Known = tuple[datetime, datetime]


class Calendar:
    """The periods of a tenant's customers, as its counters are dated."""

    def __init__(self, tenant: Tenant, counters: Iterable[Counter], periods: Mapping[str, list[Known]]) -> None:
        self._zone, self._unit = tenant.zone, tenant.calendar_period
        known: dict[str, set[Known]] = {customer: set(spans) for customer, spans in periods.items()}
        for counter in counters:
            spans = known.setdefault(counter.customer_ref, set())
            # As the counter is dated, even where the customer's periods were changed since.
            spans -= {span for span in spans if span[0] < counter.period_end and counter.period_start < span[1]}
            spans.add((counter.period_start, counter.period_end))
        self._known = {customer: sorted(spans) for customer, spans in known.items()}

    def period_of(self, usage: Usage) -> Period | None:
        """The period; None when several start in the month that the row names."""
        if usage.month is None:
            # The middle: a day of a neighbouring time zone belongs where most of it lies.
            return self._holding(usage.customer, usage.start + (usage.end - usage.start) / 2)
        first, following = usage.month, (usage.month + timedelta(days=31)).replace(day=1)
        starts = [
            span
            for span in self._known.get(usage.customer, [])
            if first <= span[0].astimezone(self._zone).date() < following
        ]
        if len(starts) > 1:
            return None
        return Period(*starts[0]) if starts else self._holding(usage.customer, usage.start)

    def _holding(self, customer: str, moment: datetime) -> Period:
        spans = self._known.get(customer, [])
        place = bisect_right(spans, (moment, datetime.max.replace(tzinfo=UTC)))
        if place and moment < spans[place - 1][1]:
            return Period(*spans[place - 1])
        start, end = self._cut(moment)
        # What lies between known periods is cut by the calendar and clipped by its neighbours.
        if place:
            start = max(start, spans[place - 1][1])
        if place < len(spans):
            end = min(end, spans[place][0])
        return Period(start, end)

    def _cut(self, moment: datetime) -> Known:
        day = moment.astimezone(self._zone).date()
        if self._unit == "month":
            first = day.replace(day=1)
            return self._midnight(first), self._midnight((first + timedelta(days=31)).replace(day=1))
        first = day if self._unit == "day" else day - timedelta(days=day.weekday())
        return self._midnight(first), self._midnight(first + timedelta(days=1 if self._unit == "day" else 7))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self._zone).astimezone(UTC)
