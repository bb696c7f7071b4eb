"""Landed deliveries as they stand: each joined with what the ledger made of it, newest landing first.

Read from the views in schema `door`, which have the rows of the session's tenant only (`ingest/reading_links.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from ingest.page_cursor import Position

Standing = Literal[
    "counted", "duplicate", "conflict", "late", "filtered", "unmeasurable", "unmetered", "reversed", "not_yet_counted"
]


@dataclass(frozen=True)
class Filters:
    """Which deliveries are meant; None leaves a field open. Event times are in `[since, until)`."""

    customer_ref: str | None = None
    metric: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    key: str | None = None
    key_prefix: str | None = None


class Period(msgspec.Struct, frozen=True):
    """The billing period that an event was dated into, `[start, end)`, UTC."""

    start: datetime
    end: datetime


class Delivery(msgspec.Struct, frozen=True):
    """One arrival of an event. `period` is null until the ledger has read the event."""

    idempotency_key: str
    customer_ref: str
    metric: str
    quantity: str
    event_time: datetime
    properties: msgspec.Raw | str | None
    landed_at: datetime
    standing: Standing
    period: Period | None


LEDGER_IS_BUILT: Final = """
select to_regclass('door.int_usage_events_deduplicated') is not null
    and to_regclass('door.int_usage_events_conflicts') is not null as built,
    (select (max(day) + 1)::timestamp at time zone 'UTC' from tally.detached_days) as archived_before
"""
_PAGE = """
select tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties, landed_at, seq, xid
from door.usage_events
where {conditions}
order by xid desc, seq desc
limit {limit}
"""
# No delivery of an event landed before its first; one that the ledger does not know, not before what the ledger read.
_NOT_BEFORE_FIRST = """
xid >= coalesce(
    (
        select event.xid from door.int_usage_events_deduplicated as event
        where event.tenant_id = $1 and event.idempotency_key = {key}
    ),
    (select read_to from tally.model_bounds where model = 'ledger.int_usage_events_deduplicated'),
    '0'::xid8
)
"""
_UNREAD = """
select page.*, page.xid::text as landing, 'not_yet_counted' as standing,
    null::timestamptz as period_start, null::timestamptz as period_end
from page
order by page.xid desc, page.seq desc
"""
# The first delivery of an event has the event's outcome; every other one repeats it or contradicts it. Each model is
# asked only about what it has read: what lies beyond its bound is not counted yet.
_READ = """
select
    page.*,
    page.xid::text as landing,
    event.period_start,
    event.period_end,
    case
        when event.xid is null then 'not_yet_counted'
        when (event.xid, event.seq) = (page.xid, page.seq) then
            case
                when event.outcome = 'counted' and page.xid >= counters.read_to then 'not_yet_counted'
                else event.outcome
            end
        when conflict.xid is not null then 'conflict'
        when page.xid < conflicts.read_to then 'duplicate'
        else 'not_yet_counted'
    end as standing
from page
left join door.int_usage_events_deduplicated as event
    on event.tenant_id = page.tenant_id and event.idempotency_key = page.idempotency_key
left join door.int_usage_events_conflicts as conflict
    on conflict.tenant_id = page.tenant_id and conflict.idempotency_key = page.idempotency_key
    and conflict.xid = page.xid and conflict.seq = page.seq
left join tally.model_bounds as counters on counters.model = 'ledger.int_usage_counters'
left join tally.model_bounds as conflicts on conflicts.model = 'ledger.int_usage_events_conflicts'
order by page.xid desc, page.seq desc
"""


def page_statement(
    tenant_id: str, filters: Filters, before: Position | None, limit: int, ledger_is_built: bool
) -> tuple[str, Sequence[object]]:
    """The statement for up to `limit` deliveries that landed before `before`, and its arguments."""
    arguments: list[object] = [tenant_id]

    def bound(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    conditions = ["tenant_id = $1"]
    for column in ("customer_ref", "metric"):
        if (wanted := getattr(filters, column)) is not None:
            conditions.append(f"{column} = {bound(wanted)}")
    if filters.key is not None:
        key = bound(filters.key)
        conditions.append(f"idempotency_key = {key}")
        if ledger_is_built:
            conditions.append(_NOT_BEFORE_FIRST.format(key=key))
    if filters.key_prefix is not None:
        conditions.append(f"starts_with(idempotency_key, {bound(filters.key_prefix)})")
    if filters.since is not None:
        conditions.append(f"event_time >= {bound(filters.since)}")
    if filters.until is not None:
        conditions.append(f"event_time < {bound(filters.until)}")
    if before is not None:
        xid = f"{bound(str(before.xid))}::text::xid8"
        # The first comparison is the one that the index on xid serves.
        conditions.append(f"xid <= {xid} and (xid < {xid} or seq < {bound(before.seq)})")
    page = _PAGE.format(conditions=" and ".join(conditions), limit=bound(limit))
    return f"with page as materialized ({page}) {_READ if ledger_is_built else _UNREAD}", arguments


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """A delivery from a row of `page_statement`."""
    period = None if row["period_start"] is None else Period(row["period_start"], row["period_end"])
    return Delivery(
        row["idempotency_key"], row["customer_ref"], row["metric"], format(row["quantity"], "f"), row["event_time"],
        _properties(row["properties"]), row["landed_at"], row["standing"], period,
    )  # fmt: skip


def position_in(row: Mapping[str, Any]) -> Position:
    """Where a row of `page_statement` stands."""
    return Position(int(row["landing"]), row["seq"])


def _properties(text: str | None) -> msgspec.Raw | str | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        # Not from this door, which checks them: shown as it is kept.
        return text
