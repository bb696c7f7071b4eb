"""GET /v1/reports and /v1/reports/{run}: the kept reconciliation reports, and the lines of one as it found them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ingest.parameters import limit_in
from ingest.problem import Problem
from ingest.query import bad_parameter
from ingest.reading_links import ReadingLinks
from ingest.reports_cursor import MAX_RUN, LinePlace, RunPlace, cursor_of, place_of
from ingest.route import Call, Reply, Route

SCOPE = "usage:read"
PARAMETERS = ("limit", "cursor")
NDJSON: Final = b"application/x-ndjson"
_RUNS = """
select run_id, starting_from, starting_before, made_at, verdict, ok, breaks, missing, unmapped, lines_kept
from door.report_runs
where tenant_id = $1 and run_id < $2
order by run_id desc
limit $3
"""
_RUN = """
select starting_from, starting_before, coalesce(base_run, run_id) as first_run, lines_kept
from door.report_runs
where tenant_id = $1 and run_id = $2
"""
# As of a run, a line is its newest row from the run that holds all of them up to it (tally/reports/kept.py).
_LINES = """
select customer_ref, metric, period_start, account_name, mode,
    (line || jsonb_build_object('customer_name', customer_name))::text as line
from (
    select distinct on (customer_ref, metric, period_start, account_name, mode) *
    from (
        select *, coalesce(account, '') as account_name, coalesce(livemode::integer, -1) as mode
        from door.report_lines
        where tenant_id = $1 and starting_from = $2 and starting_before = $3 and run_id between $4 and $5
    ) as told
    where $6::text is null or (customer_ref, metric, period_start, account_name, mode) > ($6, $7, $8, $9, $10)
    order by customer_ref, metric, period_start, account_name, mode, run_id desc
) as newest
where line is not null
order by customer_ref, metric, period_start, account_name, mode
limit $11
"""


class ReportRun(msgspec.Struct, frozen=True):
    """A kept report on the periods that start in `[starting_from, starting_before)`; its lines counted by verdict."""

    run_id: int
    starting_from: datetime
    starting_before: datetime
    made_at: datetime
    verdict: str
    ok: int
    breaks: int
    missing: int
    unmapped: int
    lines_kept: bool


class Page(msgspec.Struct):
    """Reports, newest first; `next_cursor` is null on the last page."""

    reports: list[ReportRun]
    next_cursor: str | None


@dataclass(frozen=True)
class ReportsRoutes:
    """Reads over `links`."""

    links: ReadingLinks

    def routes(self) -> tuple[Route, ...]:
        """The routes to read by."""
        return (
            Route("GET", "/v1/reports", SCOPE, self.page, PARAMETERS),
            Route("GET", "/v1/reports/{run}", SCOPE, self.lines, PARAMETERS),
        )

    async def page(self, call: Call) -> Reply:
        """A page of the reports of the key's own tenant."""
        limit = limit_in(call)
        before = place_of(call.query["cursor"], RunPlace).run_id if "cursor" in call.query else MAX_RUN
        rows = await self.links.fetch(_RUNS, call.key.tenant_id, before, limit + 1, tenant_id=call.key.tenant_id)
        shown = [ReportRun(**dict(row)) for row in rows[:limit]]
        more = cursor_of(RunPlace(shown[-1].run_id)) if len(rows) > limit else None
        return Reply(msgspec.json.encode(Page(shown, more)))

    async def lines(self, call: Call) -> Reply:
        """A page of a report's lines, a JSON object each; the header X-Next-Cursor leads to the next one."""
        limit = limit_in(call)
        run_id = _run_in(call)
        behind = place_of(call.query["cursor"], LinePlace) if "cursor" in call.query else None
        run = await self._run(call.key.tenant_id, run_id)
        place = (None,) * 5 if behind is None else msgspec.structs.astuple(behind)
        rows = await self.links.fetch(
            _LINES, call.key.tenant_id, run["starting_from"], run["starting_before"], run["first_run"], run_id, *place,
            limit + 1, tenant_id=call.key.tenant_id,
        )  # fmt: skip
        body = "".join(f"{row['line']}\n" for row in rows[:limit]).encode()
        if len(rows) <= limit:
            return Reply(body, media_type=NDJSON)
        return Reply(body, headers=((b"x-next-cursor", _cursor_behind(rows[limit - 1])),), media_type=NDJSON)

    async def _run(self, tenant_id: str, run_id: int) -> Any:
        found = await self.links.fetch(_RUN, tenant_id, run_id, tenant_id=tenant_id)
        if not found:
            raise Problem(404, "no-such-report", f"there is no report {run_id}; GET /v1/reports lists them")
        if not found[0]["lines_kept"]:
            detail = f"the lines of report {run_id} were pruned; its verdict stays in GET /v1/reports"
            raise Problem(410, "lines-pruned", detail)
        return found[0]


def _run_in(call: Call) -> int:
    text = call.name
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) <= MAX_RUN):
        raise bad_parameter("run", "is not a report's run_id, a whole number")
    return int(text)


def _cursor_behind(row: Any) -> bytes:
    place = LinePlace(row["customer_ref"], row["metric"], row["period_start"], row["account_name"], row["mode"])
    return cursor_of(place).encode()
