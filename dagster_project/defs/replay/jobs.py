"""Replays: a tenant's month counted again and shown, and a second job that applies what was shown, by its hash."""

from collections.abc import Callable
from urllib.parse import quote

import dagster as dg

from dagster_project.defs import pools
from dagster_project.defs.partitions import month_and_tenant, months_of_tenants
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.shown_replays import tenant_of
from dagster_project.lib.tables import markdown_table
from tally.months import bounds
from tally.replay import Replay, Replays, Request

REPLAY_MONTH = "replay_month"
APPLY_REPLAY = "apply_replay"

_COLUMNS = ("customer", "metric", "period", "before", "after", "events before", "after", "moved", "would push", "held")


class ReplayMonth(dg.Config):
    """What of the month is counted again; as it stands: everything that is not closed."""

    metrics: list[str] | None = None
    customers: list[str] | None = None
    closed: bool = False


class ShownReplay(dg.Config):
    """The difference to apply: the hash that it was shown under. `tenant` only if several were shown the same hash."""

    hash: str
    tenant: str | None = None


@dg.op(
    pool=pools.LEDGER,
    description="Count a tenant's month again, extended to whole billing periods, and show what would change.",
)
def shown_replay(context: dg.OpExecutionContext, config: ReplayMonth, tally: TallyResource) -> str:
    month, tenant = month_and_tenant(context.partition_key)
    since, until = bounds(month)
    with tally.connect() as connection:
        replays = Replays(tally.url, tally.clock(connection), tally.ledger().tick, _progress(context))
        request = Request(
            tenant,
            None if config.metrics is None else tuple(config.metrics),
            None if config.customers is None else tuple(config.customers),
            since.isoformat(),
            until.isoformat(),
            closed=config.closed,
        )
        shown = replays.show(request, f"Dagster run {context.run_id}")
    context.log.info(_in_words(shown))
    context.add_output_metadata(_facts(shown) | {"to apply it": dg.MetadataValue.md(_how_to_apply(shown))})
    return shown.hash


@dg.op(
    pool=pools.LEDGER,
    description="Apply a difference exactly as it was shown, in one transaction, or nothing.",
)
def applied_replay(context: dg.OpExecutionContext, config: ShownReplay, tally: TallyResource) -> str:
    with tally.connect() as connection:
        replays = Replays(tally.url, tally.clock(connection), tally.ledger().tick, _progress(context))
        tenant = config.tenant or tenant_of(connection, config.hash)
        applied = replays.apply(tenant, config.hash, f"Dagster run {context.run_id}")
    context.add_output_metadata(_facts(applied))
    return applied.hash


@dg.job(
    name=REPLAY_MONTH,
    partitions_def=months_of_tenants,
    description=(
        "Show what counting a month of a tenant again would change. Changes nothing. A backfill shows several: all "
        "months of one tenant, one month of all, or any of both. The output's metadata says what to do next."
    ),
)
def replay_month() -> None:
    shown_replay()


@dg.job(name=APPLY_REPLAY, description="Apply what replay_month has shown, by its hash. Somebody starts it by hand.")
def apply_replay() -> None:
    applied_replay()


def _how_to_apply(shown: Replay) -> str:
    if not shown.changes:
        return "nothing would change"
    config = f"ops:\n  applied_replay:\n    config:\n      hash: {shown.hash}"
    launchpad = f"/locations/dagster_project.definitions/jobs/{APPLY_REPLAY}/playground/setup?config={quote(config)}"
    link = f"[Open `{APPLY_REPLAY}`, ready to launch]({launchpad})"
    return f"{link}, or launch it with this config:\n\n```yaml\n{config}\n```"


def _in_words(shown: Replay) -> str:
    """The answer as a line of the run's log, which is read before any metadata is opened."""
    if not shown.changes:
        return f"{shown.request.tenant_id}: counted again, nothing would change"
    changing = len(shown.changes) - len(shown.held)
    held = f", {len(shown.held)} are held back" if shown.held else ""
    return (
        f"{shown.request.tenant_id}: {changing} counters would change{held}. Nothing is changed yet: the output's "
        "metadata has the differences, and a link that applies exactly these"
    )


def _progress(context: dg.OpExecutionContext) -> Callable[[int, int], None]:
    def progress(done: int, chunks: int) -> None:
        context.log.info(f"counted {done} of {chunks} chunks of customers")

    return progress


def _facts(replay: Replay) -> dict[str, dg.MetadataValue]:
    rows = [
        (
            change.customer_ref, change.metric, change.period_start, change.value_before, change.value_after,
            change.events_before, change.events_after, change.moved, change.would_push, "held" * change.is_held,
        )
        for change in replay.changes
    ]  # fmt: skip
    return {
        "tenant": dg.MetadataValue.text(replay.request.tenant_id),
        "counters that change": dg.MetadataValue.int(len(replay.changes) - len(replay.held)),
        "held": dg.MetadataValue.int(len(replay.held)),
        "differences": dg.MetadataValue.md(markdown_table(_COLUMNS, rows)),
        "events in scope": dg.MetadataValue.int(sum(scope.events for scope in replay.events)),
        "state": dg.MetadataValue.text(replay.state),
        "hash": dg.MetadataValue.text(replay.hash),
    }
