"""GET /v1/events and GET /v1/events/{key}: what landed, and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ingest.acceptance import MAX_TEXT
from ingest.event_time import event_time
from ingest.page_cursor import Position, cursor_of, position_of
from ingest.problem import Problem
from ingest.query import bad_parameter
from ingest.reading_links import ReadingLinks
from ingest.refusal import Refusal
from ingest.route import Call, Reply, Route
from ingest.stored_deliveries import LEDGER_IS_BUILT, Delivery, Filters, delivery_of, page_statement, position_in

SCOPE = "events:read"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
PARAMETERS = ("customer_ref", "metric", "from", "to", "idempotency_key", "key_prefix", "limit", "cursor")


class Page(msgspec.Struct):
    """Deliveries, newest landing first; `next_cursor` is null on the last page."""

    events: list[Delivery]
    next_cursor: str | None


@dataclass(frozen=True)
class EventsReading:
    """Reads over `links`."""

    links: ReadingLinks

    def routes(self) -> tuple[Route, ...]:
        """The routes to read by."""
        return (
            Route("GET", "/v1/events", SCOPE, self.page, PARAMETERS),
            Route("GET", "/v1/events/{key}", SCOPE, self.one, ("limit", "cursor")),
        )

    async def page(self, call: Call) -> Reply:
        """A page of deliveries that the query's filters let through."""
        query = call.query
        filters = Filters(
            _text(call, "customer_ref"), _text(call, "metric"), _time(call, "from"), _time(call, "to"),
            _text(call, "idempotency_key"), _text(call, "key_prefix"),
        )  # fmt: skip
        if filters.since is not None and filters.until is not None and filters.since >= filters.until:
            raise bad_parameter("from", "is not before to")
        if "idempotency_key" in query and "key_prefix" in query:
            raise bad_parameter("key_prefix", "is not taken beside idempotency_key")
        return await self._read(call, filters)

    async def one(self, call: Call) -> Reply:
        """All deliveries of one event, over as many pages as it takes.

        Raises:
            Problem: 404, nothing has landed under this key.
        """
        if "\x00" in call.name:
            raise bad_parameter("key", "holds a NUL character")
        return await self._read(call, Filters(key=call.name), needed=True)

    async def _read(self, call: Call, filters: Filters, needed: bool = False) -> Reply:
        limit = _limit(call)
        before = position_of(call.query["cursor"]) if "cursor" in call.query else None
        rows = await self._rows(call.key.tenant_id, filters, before, limit + 1)
        if needed and not rows and before is None:
            raise Problem(404, "not-found", "no event with this idempotency_key has landed")
        more = len(rows) > limit
        shown = rows[:limit]
        page = Page([delivery_of(row) for row in shown], cursor_of(position_in(shown[-1])) if more else None)
        return Reply(msgspec.json.encode(page))

    async def _rows(self, tenant_id: str, filters: Filters, before: Position | None, limit: int) -> Sequence[Any]:
        (ledger,) = await self.links.fetch(LEDGER_IS_BUILT)
        sql, arguments = page_statement(tenant_id, filters, before, limit, ledger["built"])
        return await self.links.fetch(sql, *arguments)


def _text(call: Call, name: str) -> str | None:
    value = call.query.get(name)
    if value is not None and not 1 <= len(value) <= MAX_TEXT:
        raise bad_parameter(name, f"has {len(value)} characters; 1 to {MAX_TEXT} are taken")
    return value


def _time(call: Call, name: str) -> datetime | None:
    value = call.query.get(name)
    try:
        return None if value is None else event_time(value)
    except Refusal as refusal:
        hint = "; in a query, + is written %2B" if value is not None and " " in value else ""
        raise bad_parameter(name, f"{refusal.reason}{hint}") from None


def _limit(call: Call) -> int:
    text = call.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        raise bad_parameter("limit", f"is not a whole number from 1 to {MAX_LIMIT}")
    return int(text)
