"""Whether Stripe has to be told something, and when. No Dagster in here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg

from dagster_project.lib.landed_rows import Wait

# Intents that Stripe has not answered for are taken up again this often when nothing else moves.
RETRY_EVERY = timedelta(minutes=5)
# Counters held back may be free by now, because time has passed or a subscription was read: nothing else would say so.
AT_LEAST_EVERY = timedelta(hours=1)

_MOVED = """
select
    coalesce((select read_to from tally.model_bounds where model = 'ledger.int_usage_counters'), '0')::text,
    (select count(*) from tally.adjustments where state <> 'pending'),
    (select count(*) from tally.replays where state = 'applied'),
    (select count(*) from tally.push_intents where rejected_at is not null and state = 'cancelled'),
    exists (select from tally.price_mappings where active),
    exists (select from tally.push_intents where state in ('planned', 'sending', 'unknown', 'resolving'))
"""


@dataclass(frozen=True)
class PushState:
    """`moved` changes whenever a counter may have: it names what is counted, decided, replayed, released by now."""

    moved: str
    has_billed_metrics: bool
    has_open_intents: bool


@dataclass(frozen=True)
class LastPush:
    """`moved` as the newest push found it before it planned; and the newest run that pushes, which may have failed."""

    moved: str | None
    run_id: str | None
    run_started_at: datetime | None


@dataclass(frozen=True)
class PushRequest:
    """Start a push now. `run_key` names what moved and the run before it, so that asking twice starts one run."""

    run_key: str
    job: Literal["push"] = "push"


def push_state(connection: psycopg.Connection[Any]) -> PushState:
    """A cheap look: bounds and indexes, no counter is read."""
    row = connection.execute(_MOVED).fetchone()
    assert row is not None
    counted_to, decided, replayed, released, bills, is_open = row
    return PushState(f"{counted_to}-{decided}-{replayed}-{released}", bills, is_open)


def next_push(state: PushState, last: LastPush, now: datetime, at_most_every: timedelta) -> PushRequest | Wait:
    """A push when counters moved since the last one planned, when intents are open, and at least once an hour."""
    if not state.has_billed_metrics:
        return Wait("no metric is billed: there is nothing to push")
    if state.moved != last.moved:
        what, rest = "counters moved since the last push", at_most_every
    elif state.has_open_intents:
        what, rest = "intents are open", max(RETRY_EVERY, at_most_every)
    else:
        what, rest = "no counter moved since the last push", max(AT_LEAST_EVERY, at_most_every)
    began = last.run_started_at
    if began is not None and now < began + rest:
        return Wait(f"{what}: the next push is due at {began + rest:%H:%M:%S}Z")
    return PushRequest(f"push-{state.moved}-after-{last.run_id or 'none'}")
