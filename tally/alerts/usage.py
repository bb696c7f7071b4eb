"""Rules about customers' usage, and what breaks them now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.alerts.statements import statement
from tally.finding import Finding
from tally.pricing.currency import currency_of

# A rule that everybody breaks is a wrong rule: it must not make an alert of every customer.
MOST_PER_RULE = 200

_RULES = """
select name, kind, metric, customer_ref, quantity, amount, currency, steps, factor, minimum, days, active
from tally.usage_alert_rules where tenant_id = %s and (active or %s) order by name
"""


@dataclass(frozen=True)
class UsageRule:
    """A row of tally.usage_alert_rules; what a kind does not take is None. `amount` in major units."""

    name: str
    kind: str
    metric: str
    customer_ref: str | None
    quantity: Decimal | None
    amount: Decimal | None
    currency: str | None
    steps: list[int] | None
    factor: Decimal | None
    minimum: Decimal | None
    days: int | None
    active: bool


def list_rules(connection: psycopg.Connection[Any], tenant_id: str, *, with_inactive: bool = False) -> list[UsageRule]:
    """The tenant's rules, by name."""
    with connection.cursor(row_factory=class_row(UsageRule)) as cursor:
        return cursor.execute(_RULES, (tenant_id, with_inactive)).fetchall()


def usage_findings(connection: psycopg.Connection[Any], tenant_id: str, now: datetime) -> Iterator[Finding]:
    """One finding per rule, customer and period, day or step that is broken at `now`; at most MOST_PER_RULE a rule."""
    built = connection.execute("select to_regclass('marts.usage_counters') is not null").fetchone() == (True,)
    for rule in list_rules(connection, tenant_id) if built else ():
        asked = {"tenant_id": tenant_id, "now": now, "limit": MOST_PER_RULE, **vars(rule)}
        if rule.kind == "threshold":
            yield from _thresholds(connection, rule, asked)
        elif rule.kind == "spike":
            yield from _spikes(connection, rule, asked)
        else:
            yield from _budgets(connection, rule, asked)


def _thresholds(connection: psycopg.Connection[Any], rule: UsageRule, asked: dict[str, Any]) -> Iterator[Finding]:
    for customer, start, end, value in connection.execute(statement("usage_over.sql"), asked | {"over": rule.quantity}):
        limit = _shown(rule.quantity or Decimal(0))
        sentence = f"{customer} has {_shown(value)} {rule.metric} {_until(start, end)}, more than {limit}"
        yield Finding("usage_threshold", f"{rule.name}: {customer}, {start:%Y-%m-%d}", sentence)


def _spikes(connection: psycopg.Connection[Any], rule: UsageRule, asked: dict[str, Any]) -> Iterator[Finding]:
    for customer, day, value, mean in connection.execute(statement("spikes.sql"), asked):
        usual = f"{rule.factor:f} times the {mean:,.2f} a day of the {rule.days} days before"
        sentence = f"{customer} has {_shown(value)} {rule.metric} on {day}, more than {usual}"
        yield Finding("usage_spike", f"{rule.name}: {customer}, {day}", sentence)


def _budgets(connection: psycopg.Connection[Any], rule: UsageRule, asked: dict[str, Any]) -> Iterator[Finding]:
    steps = sorted(rule.steps or ())
    if rule.amount is not None:
        budget, what = currency_of(rule.currency).minor(rule.amount), f"{_shown(rule.amount)} {rule.currency}"
        query = "amounts_over.sql"
    else:
        assert rule.quantity is not None  # the table holds it so
        budget, what = rule.quantity, f"{_shown(rule.quantity)} {rule.metric}"
        query = "usage_from.sql"
    for customer, start, end, value in connection.execute(statement(query), asked | {"over": budget * steps[0] / 100}):
        for step in (step for step in steps if value >= budget * step / 100):
            used = f"{value * 100 / budget:,.1f} %"
            sentence = f"{customer} has used {used} of {what} {_until(start, end)}: {step} % is reached"
            yield Finding("usage_budget", f"{rule.name}: {customer}, {start:%Y-%m-%d}, {step} %", sentence)


def _until(start: datetime, end: datetime) -> str:
    return f"in the period from {start:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z"


def _shown(value: Decimal) -> str:
    return f"{value.normalize():,f}"
