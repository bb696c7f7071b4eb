"""GET /v1/usage: what was used, by hour, day or billing period."""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import msgspec

from ingest.parameters import limit_in, text_in, time_in
from ingest.query import bad_parameter
from ingest.reading_links import ReadingLinks
from ingest.route import Call, Reply, Route
from ingest.usage_cursor import Window, cursor_of, place_of
from ingest.usage_lines import MARTS_ARE_BUILT, Asked, UsageLine, line_of, place_in, usage_statement

SCOPE = "usage:read"
PARAMETERS = ("customer_ref", "metric", "from", "to", "window", "group_by", "limit", "cursor")
MAX_DIMENSIONS = 5
_DECLARED = """
select coalesce(array_agg(distinct dimension), '{}') as dimensions
from tally.meters, unnest(dimensions) as dimension
where tenant_id = $1 and ($2::text is null or metric = $2)
"""


class Page(msgspec.Struct):
    """Lines in the order of customer, metric, start and dimensions; `next_cursor` is null on the last page.

    Billing periods that ended at or before `hours_deleted_up_to` have no hours or days any more, only their whole.
    """

    usage: list[UsageLine]
    next_cursor: str | None
    hours_deleted_up_to: datetime | None


@dataclass(frozen=True)
class UsageRoutes:
    """Reads over `links`."""

    links: ReadingLinks

    def routes(self) -> tuple[Route, ...]:
        """The routes to read by."""
        return (Route("GET", "/v1/usage", SCOPE, self.page, PARAMETERS),)

    async def page(self, call: Call) -> Reply:
        """A page of usage of the key's own tenant."""
        asked = Asked(
            _window(call), _group_by(call), text_in(call, "customer_ref"), text_in(call, "metric"),
            time_in(call, "from"), time_in(call, "to"),
        )  # fmt: skip
        if asked.since is not None and asked.until is not None and asked.since >= asked.until:
            raise bad_parameter("from", "is not before to")
        limit = limit_in(call)
        behind = place_of(call.query["cursor"], asked.window) if "cursor" in call.query else None
        tenant_id = call.key.tenant_id
        await self._refuse_unknown_dimensions(tenant_id, asked)
        (marts,) = await self.links.fetch(MARTS_ARE_BUILT, tenant_id)
        if not marts["built"]:
            return Reply(msgspec.json.encode(Page([], None, None)))
        sql, arguments = usage_statement(tenant_id, asked, behind, limit + 1)
        rows = await self.links.fetch(sql, *arguments, tenant_id=tenant_id)
        shown = rows[:limit]
        more = cursor_of(place_in(shown[-1], asked.window)) if len(rows) > limit else None
        page = Page([line_of(row) for row in shown], more, marts["hours_deleted_up_to"])
        return Reply(msgspec.json.encode(page))

    async def _refuse_unknown_dimensions(self, tenant_id: str, asked: Asked) -> None:
        if not asked.group_by:
            return
        (declared,) = await self.links.fetch(_DECLARED, tenant_id, asked.metric)
        if unknown := [name for name in asked.group_by if name not in declared["dimensions"]]:
            known = ", ".join(sorted(declared["dimensions"])) or "none"
            which = f"metric {asked.metric}" if asked.metric else "any metric"
            raise bad_parameter(
                "group_by", f"names {unknown[0]!r}, which is no dimension of {which}; these are: {known}"
            )


def _window(call: Call) -> Window:
    asked = call.query.get("window", "day")
    for window in get_args(Window):
        if window == asked:
            return window  # type: ignore[no-any-return]
    raise bad_parameter("window", "is not hour, day or period")


def _group_by(call: Call) -> tuple[str, ...]:
    if "group_by" not in call.query:
        return ()
    names = tuple(call.query["group_by"].split(","))
    if not all(names) or len(set(names)) < len(names) or len(names) > MAX_DIMENSIONS:
        raise bad_parameter("group_by", f"is not 1 to {MAX_DIMENSIONS} different dimensions, with commas between them")
    return names
