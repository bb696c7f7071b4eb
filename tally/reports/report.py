"""What a report says: a tenant's lines of some periods, their summary, and what came before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from tally.clock import Clock
from tally.reconciliation.lines import Line, read_lines
from tally.reconciliation.summary import Summary, summarize
from tally.reports.changes import Changes
from tally.reports.figures import money_of
from tally.reports.past import PastRun


@dataclass(frozen=True)
class Report:
    """What was reconciled: a tenant's lines of the periods that start in `[starting_from, starting_before)`.

    `run_id` is None for a report that is not kept. `changes` is against `previous`, the run before it on the same
    periods; `runs` are those before it, oldest first, and `months` the newest of each earlier span, all without it.
    """

    tenant_id: str
    tenant_name: str
    epsilon: Decimal
    generated_at: datetime
    starting_from: datetime
    starting_before: datetime
    lines: Sequence[Line]
    customer_names: dict[str, str]
    summary: Summary
    run_id: int | None = None
    previous: PastRun | None = None
    changes: Changes | None = None
    runs: tuple[PastRun, ...] = ()
    months: tuple[PastRun, ...] = ()

    @property
    def modes(self) -> list[str]:
        """In which Stripe modes the lines stand: live, test."""
        return sorted({"live" if line.livemode else "test" for line in self.lines if line.livemode is not None})

    @property
    def periods(self) -> list[tuple[datetime, datetime]]:
        """The billing periods that occur."""
        return sorted({(line.period_start, line.period_end) for line in self.lines})

    @property
    def as_run(self) -> PastRun:
        """This report as a point on the charts."""
        summary = self.summary
        return PastRun(
            run_id=self.run_id or 0,
            starting_from=self.starting_from,
            starting_before=self.starting_before,
            made_at=self.generated_at,
            verdict=summary.verdict,
            ok=summary.ok,
            breaks=summary.breaks,
            missing=summary.missing,
            unmapped=summary.unmapped,
            amounts={each.currency: each.billed for each in money_of(self.lines)},
            worst_drift={metric.metric: metric.worst_drift_ratio for metric in summary.metrics},
        )


def build_report(
    connection: psycopg.Connection[Any], tenant_id: str, clock: Clock, starting_in: tuple[datetime, datetime]
) -> Report:
    """Read the lines of one tenant as they are known now and sum them up; nothing is kept.

    Raises:
        LookupError: there is no such tenant.
    """
    tenant = connection.execute("select name, epsilon from tally.tenants where tenant_id = %s", (tenant_id,)).fetchone()
    if tenant is None:
        raise LookupError(f"no tenant {tenant_id!r}")
    lines = sorted(read_lines(connection, tenant_id, starting_in=starting_in), key=by_name)
    known = {line.customer_ref for line in lines}
    names = connection.execute("select customer_ref, name from tally.customers where tenant_id = %s", (tenant_id,))
    return Report(
        tenant_id=tenant_id,
        tenant_name=tenant[0],
        epsilon=tenant[1],
        generated_at=clock.now(),
        starting_from=starting_in[0],
        starting_before=starting_in[1],
        lines=lines,
        customer_names={ref: name for ref, name in names if name and ref in known},
        summary=summarize(lines),
    )


def by_name(line: Line) -> tuple[Any, ...]:
    """The order of lines in every report: no database's collation has a say in it."""
    return line.customer_ref, line.metric, line.period_start, line.account or "", str(line.livemode)
