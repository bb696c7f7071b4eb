"""GET /v1/events and GET /v1/events/{key}: what landed, and how it stands."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from ingest.page_cursor import cursor_of, position_of
from ingest.parameters import limit_in, text_in, time_in
from ingest.problem import Problem
from ingest.query import bad_parameter
from ingest.reading_links import ReadingLinks
from ingest.route import Call, Reply, Route
from ingest.stored_deliveries import LEDGER_IS_BUILT, Delivery, Filters, delivery_of, page_statement, position_in

SCOPE = "events:read"
PARAMETERS = ("customer_ref", "metric", "from", "to", "idempotency_key", "key_prefix", "limit", "cursor")


class Page(msgspec.Struct):
    """Deliveries, newest landing first; `next_cursor` is null on the last page.

    Of what landed before `archived_before`, whole days are out of reach here (`tally retention`); null when none are.
    """

    events: list[Delivery]
    next_cursor: str | None
    archived_before: datetime | None


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
            text_in(call, "customer_ref"), text_in(call, "metric"), time_in(call, "from"), time_in(call, "to"),
            text_in(call, "idempotency_key"), text_in(call, "key_prefix"),
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
        limit = limit_in(call)
        before = position_of(call.query["cursor"]) if "cursor" in call.query else None
        (ledger,) = await self.links.fetch(LEDGER_IS_BUILT)
        sql, arguments = page_statement(call.key.tenant_id, filters, before, limit + 1, ledger["built"])
        rows = await self.links.fetch(sql, *arguments, tenant_id=call.key.tenant_id)
        if needed and not rows and before is None:
            raise Problem(404, "not-found", "no event with this idempotency_key has landed")
        more = len(rows) > limit
        shown = rows[:limit]
        next_cursor = cursor_of(position_in(shown[-1])) if more else None
        page = Page([delivery_of(row) for row in shown], next_cursor, ledger["archived_before"])
        return Reply(msgspec.json.encode(page))
