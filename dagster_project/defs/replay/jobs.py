"""Replays: a month counted again and shown, and a second job that applies what was shown, by its hash."""

from collections.abc import Callable

import dagster as dg

from dagster_project.defs.partitions import months
from dagster_project.defs.resources import TallyResource
from dagster_project.lib.tables import markdown_table
from tally.months import bounds
from tally.replay import Replay, ReplayRefused, Replays, Request

REPLAY_MONTH = "replay_month"
APPLY_REPLAY = "apply_replay"

_COLUMNS = ("customer", "metric", "period", "before", "after", "events before", "after", "moved", "would push", "held")


class ReplayMonth(dg.Config):
    """Whose events are counted again; `tenant` may be left out where there is one."""

    tenant: str | None = None
    metrics: list[str] | None = None
    customers: list[str] | None = None
    closed: bool = False


class ShownReplay(dg.Config):
    """The difference to apply: the hash that it was shown under."""

    hash: str
    tenant: str | None = None


@dg.op(description="Count a month's events again, extended to whole billing periods, and show what would change.")
def shown_replay(context: dg.OpExecutionContext, config: ReplayMonth, tally: TallyResource) -> str:
    since, until = bounds(context.partition_key)
    with tally.connect() as connection:
        replays = Replays(tally.url, tally.clock(connection), tally.ledger().tick, _progress(context))
        request = Request(
            _tenant(tally, config.tenant),
            None if config.metrics is None else tuple(config.metrics),
            None if config.customers is None else tuple(config.customers),
            since.isoformat(),
            until.isoformat(),
            closed=config.closed,
        )
        shown = replays.show(request, f"Dagster run {context.run_id}")
    context.add_output_metadata(_facts(shown))
    return shown.hash


@dg.op(description="Apply a difference exactly as it was shown, in one transaction, or nothing.")
def applied_replay(context: dg.OpExecutionContext, config: ShownReplay, tally: TallyResource) -> str:
    with tally.connect() as connection:
        replays = Replays(tally.url, tally.clock(connection), tally.ledger().tick, _progress(context))
        applied = replays.apply(_tenant(tally, config.tenant), config.hash, f"Dagster run {context.run_id}")
    context.add_output_metadata(_facts(applied))
    return applied.hash


@dg.job(
    name=REPLAY_MONTH,
    partitions_def=months,
    description="Show what counting a month again would change. Changes nothing; a backfill does several months.",
)
def replay_month() -> None:
    shown_replay()


@dg.job(name=APPLY_REPLAY, description="Apply what replay_month has shown, by its hash. Somebody starts it by hand.")
def apply_replay() -> None:
    applied_replay()


def _tenant(tally: TallyResource, named: str | None) -> str:
    with tally.connect() as connection:
        known = [row[0] for row in connection.execute("select tenant_id from tally.tenants order by tenant_id")]
    if named is None and len(known) == 1:
        return str(known[0])
    if named not in known:
        raise ReplayRefused(f"tenant: {named!r} is not declared; set the op's config to one of {', '.join(known)}")
    return str(named)


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
        "hash": dg.MetadataValue.text(replay.hash),
        "state": dg.MetadataValue.text(replay.state),
        "events in scope": dg.MetadataValue.int(sum(scope.events for scope in replay.events)),
        "counters that change": dg.MetadataValue.int(len(replay.changes) - len(replay.held)),
        "held": dg.MetadataValue.int(len(replay.held)),
        "differences": dg.MetadataValue.md(markdown_table(_COLUMNS, rows)),
    }
