"""The two months, step by step, as production would go through them: land, tick, push, close, reconcile."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx
from psycopg.rows import dict_row
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dagster_project.materialize import JobResult, Materializer
from demo.billing_periods import PERIODS, BillingPeriod
from demo.comparison import ReconciledRow
from demo.post import post
from demo.stage import Side, Stage
from demo.steps import Step
from demo.stripe_side import advance
from tally.errors import TallyError
from tally.periods import Period
from tally.stripe.account import open_account
from tally.stripe.summaries import summary_quantity

APPLIED_WITHIN_SECONDS = 30

_LINES = """
select
    customer_ref, metric, period_start, deliveries as delivered, duplicates, late_events as late,
    local_quantity as local, sent_quantity as sent, stripe_quantity as stripe, invoice_quantity as invoice,
    drift, verdict
from marts.reconciliation_lines
where tenant_id = %s and period_start = any(%s)
"""
_LAST_CONFIRMED = """
select ledger.confirmed_quantity, item.stripe_meter_id, item.stripe_customer_id, ledger.period_start, ledger.period_end
from tally.push_ledger as ledger
join tally.stripe_subscription_items as item using (tenant_id, account, livemode, customer_ref, metric)
where ledger.tenant_id = %s and ledger.last_confirmed_at is not null
order by ledger.last_confirmed_at desc limit 1
"""


class DemoFailed(TallyError):
    """A stage of the demo did not do what it must; the message says which and why."""


@dataclass
class Story:
    """What happened, in numbers, for the closing lines."""

    posted: int = 0
    requests: int = 0
    ticks: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)

    def spent(self, what: str, since: float) -> None:
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - since


def play(
    stage: Stage[Side],
    dagster: Materializer,
    steps: list[Step],
    console: Console,
    happenings: Mapping[datetime, Callable[[Console], None]] | None = None,
) -> Story:
    """Go through all steps. What `happenings` has for the moment at which a step ends is done then.

    Raises:
        DemoFailed: a Dagster run failed, or a check said that something is wrong.
    """
    story = Story()
    deliveries = sum(step.deliveries.height for step in steps)
    columns = (
        SpinnerColumn(), TextColumn("{task.description:<58}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Stripe's periods", total=deliveries)
        _green(dagster.run("sync"))
        for step in steps:
            progress.update(bar, description=f"{step.clock:%d %b %Y}  landing, counting, pushing")
            _land(stage, step, story, lambda events: progress.update(bar, advance=events))
            _tick(stage, dagster, step.clock, story)
            if step.milestone is not None and step.period is not None:
                _reach(stage, dagster, step.milestone, step.period, story, progress.console)
            if happenings and step.ends_at in happenings:
                _happen(stage, dagster, step.ends_at, happenings[step.ends_at], progress.console)
        progress.update(bar, description="the ledger proves itself (dbt tests)")
        started = time.perf_counter()
        tests = _green(dagster.run("verify_ledger"))
        story.spent("dbt tests", started)
        progress.console.print(
            f"  {len(tests.checks)} dbt tests hold: keys, arithmetic, counters recomputed from their events"
        )
    return story


def reconciled_rows(stage: Stage[Side]) -> list[ReconciledRow]:
    """The reconciliation lines of the two months."""
    with stage.connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LINES, (stage.tenant, [period.start for period in PERIODS])).fetchall()
    return [ReconciledRow.of(row) for row in rows]


def applied_other_than_once(stage: Stage[Side]) -> int:
    """Of the meter events that Stripe accepted, how many it did not apply exactly once: asked of its own ledger."""
    answer = httpx.get(f"{stage.settings.stripe_api_base}/_sandbox/oracle/meter_events", timeout=30).raise_for_status()
    return sum(1 for event in answer.json()["data"] if event["applied_count"] != 1)


def _land(stage: Stage[Side], step: Step, story: Story, on_progress: object) -> None:
    started = time.perf_counter()
    stage.clock.set(step.clock)
    posted = post(stage.door_url, stage.api_key, step.deliveries, on_progress)  # type: ignore[arg-type]
    story.posted += posted.accepted + posted.duplicates
    story.requests += posted.requests
    story.spent("posting", started)


def _tick(stage: Stage[Side], dagster: Materializer, now: datetime, story: Story) -> None:
    started = time.perf_counter()
    advance(stage.stripe_client, stage.stripe_side.clock_id, now.replace(microsecond=0))
    _green(dagster.run("tick"))
    story.ticks += 1
    story.spent("ticks", started)


def _reach(
    stage: Stage[Side], dagster: Materializer, milestone: str, period: BillingPeriod, story: Story, console: Console
) -> None:
    started = time.perf_counter()
    if milestone == "period_ends":
        _move_both_clocks(stage, period.end)
        _green(dagster.run("sync"))
        console.print(f"  {period.name} has ended: Stripe drafts the invoices, and for 48 h late usage still counts")
        return
    if milestone == "invoice_finalizes":
        _move_both_clocks(stage, period.finalizes_at)
    else:
        stage.clock.set(period.closes_at)
    _await_applied(stage)
    result = _green(dagster.run("reconcile", f"{period.start:%Y-%m}"))
    story.spent("reconciling", started)
    invoices = "final invoices" if milestone == "invoice_finalizes" else "draft invoices"
    lines = result.materialized["marts.reconciliation_lines"]
    console.print(
        f"  {period.name} reconciled against the {invoices}: {lines['ok']} of {lines['lines']} lines agree, "
        "Great Expectations holds them to it"
    )


def _happen(
    stage: Stage[Side], dagster: Materializer, at: datetime, what: Callable[[Console], None], console: Console
) -> None:
    _await_applied(stage)
    _move_both_clocks(stage, at)
    what(console)
    _green(dagster.run("sync"))


def _move_both_clocks(stage: Stage[Side], to: datetime) -> None:
    stage.clock.set(to)
    advance(stage.stripe_client, stage.stripe_side.clock_id, to)


def _await_applied(stage: Stage[Side]) -> None:
    """Stripe takes an event at once and applies it a little later, in order: wait for the newest one to show."""
    row = stage.connection.execute(_LAST_CONFIRMED, (stage.tenant,)).fetchone()
    if row is None:
        raise DemoFailed("nothing was pushed to Stripe")
    told, meter_id, customer_id, start, end = row
    account = open_account(stage.settings)
    deadline = time.monotonic() + APPLIED_WITHIN_SECONDS
    while (shown := summary_quantity(account, meter_id, customer_id, Period(start, end))) != told:
        if time.monotonic() > deadline:
            raise DemoFailed(f"Stripe shows {shown} where it accepted {told}: it has not applied the newest event")
        time.sleep(0.1)


def _green(result: JobResult) -> JobResult:
    if result.is_green:
        return result
    faults = [
        *result.errors,
        *(f"check {check.asset} {check.name} failed: {check.metadata}" for check in result.failed_checks),
    ]
    raise DemoFailed(
        f"Dagster job {result.job} {result.month or ''} is red (run {result.run_id}): " + "; ".join(faults)
    )
