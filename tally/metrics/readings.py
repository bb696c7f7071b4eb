"""The parts of a scrape: what each reads from Postgres, and how long what it read may be told again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

from tally.clock import clock_for
from tally.closing.rest import OPEN
from tally.loop_heartbeat import loop_state
from tally.metrics.families import OTHER_TENANTS, Sample
from tally.push.turns import OPEN_FROM
from tally.settings import Settings
from tally.stripe.account import is_shadow
from tally.stripe.reads import ReadBudget, read_budgets

# Two scrapers at once cost one reading. What is added up over all counters, intents or lines is read once a minute.
SECONDS = 5.0
A_MINUTE = 60.0

Read = Callable[[psycopg.Connection[Any], Settings], Iterable[Sample]]


@dataclass(frozen=True)
class Reading:
    """One part. `needs`: the relation that has to be there; before the first tick has made it nothing is read."""

    name: str
    read: Read
    max_age_seconds: float = SECONDS
    needs: str | None = None


def _from_sql(name: LiteralString, connection: psycopg.Connection[Any], settings: Settings) -> Iterator[Sample]:
    """`sql/<name>` after the tenants' labels: rows of family, labels, value."""
    asked = {
        "max_tenants": settings.max_tenant_labels,
        "other": OTHER_TENANTS,
        "open_from": OPEN_FROM,
        "open_rests": list(OPEN),
    }
    for family, labels, value in connection.execute(_text("labelled") + _text(name), asked):
        yield Sample(family, labels, value)


def _loop(connection: psycopg.Connection[Any], settings: Settings) -> Iterator[Sample]:
    state = loop_state(connection)
    yield Sample("tally_loop_up", (), state is not None and state.is_running)
    if state is None:
        return
    [now] = connection.execute("select clock_timestamp()").fetchone() or [state.beat_at]
    yield Sample("tally_loop_died", (), state.died)
    yield Sample("tally_loop_ticks", (), state.ticks)
    yield Sample("tally_loop_consecutive_failures", (), state.failures)
    yield Sample("tally_loop_beat_age_seconds", (), (now - state.beat_at).total_seconds())
    if state.last_tick_at is not None:
        yield Sample("tally_loop_last_tick_age_seconds", (), (now - state.last_tick_at).total_seconds())
    if state.last_tick_seconds is not None:
        yield Sample("tally_loop_last_tick_seconds", (), state.last_tick_seconds)


def _reads(connection: psycopg.Connection[Any], settings: Settings) -> Iterator[Sample]:
    # Accounts can be as many as a platform connects: of each mode the one that comes to its end first is told.
    nearest: dict[str, ReadBudget] = {}
    now = clock_for(settings, connection).now()
    for budget in read_budgets(connection, None, now, settings.stripe_read_allowance):
        mode = _mode(budget)
        if mode not in nearest or _used(budget) > _used(nearest[mode]):
            nearest[mode] = budget
    for mode, budget in nearest.items():
        yield Sample("tally_stripe_reads", (mode,), budget.used)
        yield Sample("tally_stripe_read_allowance_used_ratio", (mode,), _used(budget))


def _used(budget: ReadBudget) -> float:
    return budget.used / budget.allowance


def _mode(budget: ReadBudget) -> str:
    return "shadow" if is_shadow(budget.account) else "live" if budget.livemode else "test"


@cache
def _text(name: LiteralString) -> LiteralString:
    # Ours, so as literal as a string in the source.
    return (files(__package__) / "sql" / f"{name}.sql").read_text()


# What is cheap and urgent comes first: where time runs out, what comes last is missing.
READINGS = (
    Reading("loop", _loop),
    Reading("postgres", partial(_from_sql, "postgres")),
    Reading("ledger", partial(_from_sql, "ledger")),
    Reading("push", partial(_from_sql, "push")),
    Reading("closing", partial(_from_sql, "closing")),
    Reading("webhooks", partial(_from_sql, "webhooks"), A_MINUTE),
    Reading("reads", _reads, A_MINUTE),
    Reading("size", partial(_from_sql, "size"), A_MINUTE),
    Reading("intents", partial(_from_sql, "intents"), A_MINUTE),
    Reading("deliveries", partial(_from_sql, "deliveries"), A_MINUTE, needs="marts.reconciliation_lines"),
    Reading("parity", partial(_from_sql, "parity"), A_MINUTE, needs="marts.reconciliation_lines"),
)
