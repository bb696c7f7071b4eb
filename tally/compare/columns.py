"""Which column of a file is what: by its name, unless the caller says otherwise."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tally.compare.errors import CompareRefused

# Of several columns that could be a field, the first of this list is it. Stripe's own are among them: customer, meter,
# start_time, end_time and aggregated_value of meter event summaries, bucket_… of usage analytics, payload_… of usage
# uploads, price_id, period_start, period_end and quantity of invoice line items.
_NAMES: dict[str, tuple[str, ...]] = {
    "customer": (
        "customer_ref", "customer", "customer_id", "stripe_customer_id", "payload_stripe_customer_id", "subject",
        "account_id", "account", "organization_id", "org_id", "client_id", "client",
    ),
    "metric": (
        "metric", "meter", "meter_id", "event_name", "meter_event_name", "meter_slug", "price_id", "price", "feature",
        "sku",
    ),
    "quantity": (
        "quantity", "aggregated_value", "bucket_value", "payload_value", "payload.value", "value", "usage_quantity",
        "usage", "total_usage", "units", "count", "total", "sum",
    ),
    "period": ("period", "billing_period", "month", "billing_month", "invoice_month"),
    "day": ("day", "date", "usage_date", "usage_day"),
    "at": ("event_time", "timestamp", "time", "usage_time", "occurred_at"),
    "start": (
        "start", "start_time", "period_start", "period.start", "bucket_start_time", "window_start", "usage_start",
        "starts_at", "from",
    ),
    "end": (
        "end", "end_time", "period_end", "period.end", "bucket_end_time", "window_end", "usage_end", "ends_at", "to",
    ),
    "amount": ("amount", "line_amount", "invoice_line_item_amount", "cost", "total_amount"),
    "currency": ("currency", "invoice_currency"),
}  # fmt: skip
FIELDS = tuple(_NAMES)
# Exactly one of these says when; the first that the file has is taken.
_WHEN = (("start", "end"), ("day",), ("at",), ("period",), ("start",))


@dataclass(frozen=True)
class Columns:
    """Field to column; `values` are the same for every row. `utc` are the columns whose name says that they are UTC."""

    columns: Mapping[str, str]
    values: Mapping[str, str]
    utc: frozenset[str]

    @property
    def when(self) -> tuple[str, ...]:
        """The fields that say when: ("start", "end"), ("day",), ("at",), ("period",) or ("start",)."""
        known = {*self.columns, *self.values}
        return next(fields for fields in _WHEN if known.issuperset(fields))


def columns_of(names: Sequence[str], maps: Mapping[str, str], values: Mapping[str, str]) -> Columns:
    """Find the fields among a file's columns; `maps` and `values` come first.

    Raises:
        CompareRefused: a field or column is unknown, given twice, or one that is needed is not found.
    """
    if wrong := sorted({*maps, *values} - set(FIELDS)):
        raise CompareRefused(f"{wrong[0]} is not a field; the fields are {', '.join(FIELDS)}")
    if both := sorted(maps.keys() & values.keys()):
        raise CompareRefused(f"{both[0]} is given a column and a value")
    if missing := [column for column in maps.values() if column not in names]:
        raise CompareRefused(f"the file has no column {missing[0]!r}; it has {', '.join(names)}")
    given = {*maps, *values}
    when_given = any(given.intersection(fields) for fields in _WHEN)
    found = dict(maps)
    by_plain = {plain_name(name): name for name in reversed(names) if name not in maps.values()}
    for field, candidates in _NAMES.items():
        if field in given or (when_given and any(field in fields for fields in _WHEN)):
            continue
        column = next((by_plain[each] for each in candidates if each in by_plain), None)
        if column is not None:
            found[field] = column
            by_plain.pop(plain_name(column))
    known = {*found, *values}
    chosen = next((fields for fields in _WHEN if known.issuperset(fields)), None)
    if missing := [field for field in ("customer", "metric", "quantity") if field not in known]:
        raise CompareRefused(_unfound(missing[0], names))
    if chosen is None:
        raise CompareRefused(_unfound("period, day, at, or start and end", names))
    others = {field for fields in _WHEN for field in fields} - set(chosen)
    kept = {field: column for field, column in found.items() if field not in others}
    return Columns(kept, dict(values), frozenset(column for column in kept.values() if "utc" in column.lower()))


def plain_name(name: str) -> str:
    """`Period Start (UTC)` as `period_start`."""
    return re.sub(r"[^a-z0-9.]+", "_", re.sub(r"\(.*?\)", "", name.lower())).strip("_")


def _unfound(field: str, names: Sequence[str]) -> str:
    name = field.split(",")[0]
    return (
        f"no column says {field}: --map {name}=COLUMN, or --set {name}=VALUE for all rows; the file has "
        + ", ".join(names)
    )
