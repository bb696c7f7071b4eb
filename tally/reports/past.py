"""Earlier report runs, as the charts and lists need them: verdicts and drift, without their lines."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from tally.errors import TallyError

_COLUMNS = """
    run_id, starting_from, starting_before, made_at, verdict, ok, breaks, missing, unmapped, amounts, worst_drift,
    lines_kept, base_run
"""
_OF_SPAN = f"""
select {_COLUMNS} from tally.report_runs
where tenant_id = %(tenant_id)s and starting_from = %(first)s and starting_before = %(second)s and run_id < %(before)s
order by run_id
"""
# A span counts by its newest run; the twelve before this one are a year of months.
_OF_EARLIER_SPANS = f"""
select * from (
    select distinct on (starting_from, starting_before) {_COLUMNS}
    from tally.report_runs
    where tenant_id = %(tenant_id)s and starting_from < %(first)s and run_id < %(before)s
    order by starting_from desc, starting_before desc, run_id desc
    limit 11
) as newest
order by starting_from
"""
_LIST = f"""
select {_COLUMNS} from tally.report_runs
where tenant_id = %(tenant_id)s
    and (%(first)s::timestamptz is null or (starting_from >= %(first)s and starting_from < %(second)s))
order by run_id desc
limit %(limit)s
"""
_NO_END = 2**63 - 1


@dataclass(frozen=True)
class PastRun:
    """A kept run; `base_run` is the one before it that holds all of its lines, None: it does itself.

    `amounts`: billed minor units by currency; `worst_drift`: largest drift ratio by metric.
    """

    run_id: int
    starting_from: datetime
    starting_before: datetime
    made_at: datetime
    verdict: str
    ok: int
    breaks: int
    missing: int
    unmapped: int
    amounts: dict[str, Decimal]
    worst_drift: dict[str, Decimal | None]
    lines_kept: bool = True
    base_run: int | None = None

    @property
    def chain(self) -> tuple[int, int]:
        """The first and the last run whose rows make its lines."""
        return self.base_run or self.run_id, self.run_id

    @property
    def lines(self) -> int:
        """How many lines were judged."""
        return self.ok + self.breaks + self.missing + self.unmapped


def runs_before(
    connection: psycopg.Connection[Any], tenant_id: str, span: tuple[datetime, datetime], run_id: int | None
) -> tuple[PastRun, ...]:
    """The runs on the span before `run_id` (None: all of them), oldest first."""
    return _past(connection, _OF_SPAN, tenant_id, span, run_id)


def earlier_spans(
    connection: psycopg.Connection[Any], tenant_id: str, span: tuple[datetime, datetime], run_id: int | None
) -> tuple[PastRun, ...]:
    """The newest run of each of the eleven spans before, as it stood before `run_id`; oldest first."""
    return _past(connection, _OF_EARLIER_SPANS, tenant_id, span, run_id)


def list_runs(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    starting_in: tuple[datetime, datetime] | None = None,
    limit: int | None = None,
) -> list[PastRun]:
    """The tenant's runs, newest first; `starting_in` keeps spans that start in `[first, second)`."""
    first, second = starting_in or (None, None)
    asked = {"tenant_id": tenant_id, "first": first, "second": second, "limit": limit}
    return [_run(row) for row in connection.execute(_LIST, asked)]


def run_meant(connection: psycopg.Connection[Any], tenant_id: str, run_id: int | None) -> PastRun:
    """The named run, or the newest.

    Raises:
        TallyError: the tenant has no such run, or none at all.
    """
    query = f"select {_COLUMNS} from tally.report_runs where tenant_id = %s and run_id = %s"
    row = connection.execute(query, (tenant_id, run_id)).fetchone()
    newest = [_run(row)] if row else [] if run_id is not None else list_runs(connection, tenant_id, limit=1)
    if newest:
        return newest[0]
    if run_id is None:
        raise TallyError(f"no report of {tenant_id} was kept yet: run `tally reconcile`")
    raise TallyError(f"no report run {run_id} of {tenant_id}: `tally reports list` names those that are kept")


def _past(
    connection: psycopg.Connection[Any],
    query: str,
    tenant_id: str,
    span: tuple[datetime, datetime],
    run_id: int | None,
) -> tuple[PastRun, ...]:
    asked = {"tenant_id": tenant_id, "first": span[0], "second": span[1], "before": run_id or _NO_END}
    return tuple(_run(row) for row in connection.execute(query, asked))


def _run(row: tuple[Any, ...]) -> PastRun:
    run_id, starting_from, starting_before, made_at, verdict, ok, breaks, missing, unmapped, amounts, drift, *kept = row
    return PastRun(
        run_id=run_id,
        starting_from=starting_from,
        starting_before=starting_before,
        made_at=made_at,
        verdict=verdict,
        ok=ok,
        breaks=breaks,
        missing=missing,
        unmapped=unmapped,
        amounts={currency: Decimal(amount) for currency, amount in sorted(amounts.items())},
        worst_drift={metric: None if ratio is None else Decimal(ratio) for metric, ratio in sorted(drift.items())},
        lines_kept=kept[0],
        base_run=kept[1],
    )
