"""Thresholds, spikes and budgets against the same numbers by hand, over usage that the ledger has counted."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from cloned_database import Clone
from metered_month import TENANT, Usage, declare, land

from tally import alerts
from tally.alerts.usage import usage_findings
from tally.clock import FixedClock
from tally.configuration import Configuration, apply, difference
from tally.database import connect
from tally.errors import TallyError
from tally.ledger import Ledger
from tally.settings import Settings

NOW = datetime(2024, 3, 12, 15, tzinfo=UTC)
TODAY = NOW.date()
DAYS, FACTOR, MINIMUM = 5, Fraction(5, 2), 60
CUSTOMERS = [f"c{number:02}" for number in range(24)]


@pytest.fixture(scope="module")
def usage() -> list[Usage]:
    """Three weeks of usage: every customer begins on a day of its own, rests on some, and some of them jump."""
    chance = Random(7)
    found = []
    for customer in CUSTOMERS:
        first = TODAY - timedelta(days=chance.randrange(21))
        for number in range((TODAY - first).days + 1):
            day = first + timedelta(days=number)
            for part in range(chance.choice([0, 1, 1, 2])):
                quantity = Decimal(chance.randrange(1, 400)) / 10 * chance.choice([1, 1, 1, 1, 8])
                at = datetime(day.year, day.month, day.day, 1 + part, tzinfo=UTC)
                found.append(Usage(f"{customer}-{day}-{part}", "sum", at, at, quantity, customer=customer))
    return found


@pytest.fixture(scope="module")
def counted_database(clone: Clone, built_template: str, dbt_folder: Path, usage: list[Usage]) -> str:
    """The usage, counted once for all tests here."""
    url = clone(built_template, "usage_alerts")
    with connect(url, autocommit=True) as connection:
        declare(connection)
        connection.execute("update tally.simulated_clock set now = %s", (NOW,))
        land(connection, usage)
    Ledger(url, dbt_folder).tick()
    return url


@pytest.fixture
def counted(counted_database: str) -> Iterator[psycopg.Connection]:
    """A connection whose changes the next test does not see."""
    with connect(counted_database) as connection, connection.transaction(force_rollback=True):
        yield connection


def rules(*declared: dict[str, Any]) -> Configuration:
    meters = [{"metric": "sum", "aggregation": "sum"}]
    return Configuration.model_validate(
        {"tenants": [{"id": TENANT, "name": "Acme", "meters": meters, "alerts": declared}]}
    )


def of_days(usage: list[Usage]) -> dict[str, dict[date, Fraction]]:
    days: dict[str, dict[date, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for event in usage:
        days[event.customer][event.event_time.date()] += Fraction(event.quantity)
    return days


def spiking(usage: list[Usage]) -> set[str]:
    found = set()
    for customer, days in of_days(usage).items():
        for day in (TODAY, TODAY - timedelta(days=1)):
            before = [day - timedelta(days=n) for n in range(1, DAYS + 1) if day - timedelta(days=n) >= min(days)]
            if day not in days or not before:
                continue
            mean = sum((days.get(each, Fraction(0)) for each in before), Fraction(0)) / len(before)
            if days[day] >= MINIMUM and days[day] > FACTOR * mean:
                found.add(f"jump: {customer}, {day}")
    return found


def test_rules_find_what_plain_arithmetic_finds(counted: psycopg.Connection, usage: list[Usage]) -> None:
    in_march: dict[str, Fraction] = defaultdict(Fraction)
    for event in usage:
        if event.event_time >= datetime(2024, 3, 1, tzinfo=UTC):
            in_march[event.customer] += Fraction(event.quantity)
    limit = sorted(in_march.values())[len(in_march) // 2]
    budget = Decimal(str(float(max(in_march.values()))))
    apply(
        counted,
        rules(
            {"name": "half", "kind": "threshold", "metric": "sum", "quantity": str(float(limit))},
            {"name": "one", "kind": "threshold", "metric": "sum", "quantity": "0.05", "customer": "c03"},
            {"name": "jump", "kind": "spike", "metric": "sum", "factor": "2.5", "minimum": "60", "days": DAYS},
            {"name": "plan", "kind": "budget", "metric": "sum", "quantity": str(budget), "steps": [100, 25, 50]},
            {"name": "off", "kind": "threshold", "metric": "sum", "quantity": "0.1", "active": False},
        ),
    )
    found = {(finding.kind, finding.subject) for finding in usage_findings(counted, TENANT, NOW)}
    expected = {("usage_threshold", f"half: {who}, 2024-03-01") for who, used in in_march.items() if used > limit}
    expected |= {("usage_threshold", "one: c03, 2024-03-01")} if in_march["c03"] else set()
    expected |= {("usage_spike", subject) for subject in spiking(usage)}
    expected |= {
        ("usage_budget", f"plan: {who}, 2024-03-01, {step} %")
        for who, used in in_march.items()
        for step in (25, 50, 100)
        if used >= Fraction(budget) * step / 100
    }
    assert found == expected
    assert len(spiking(usage)) > 1
    assert {subject for kind, subject in found if subject.endswith("100 %")} != set()


def test_a_budget_in_money_is_held_against_what_the_period_cost(counted: psycopg.Connection) -> None:
    apply(
        counted,
        rules({"name": "cap", "kind": "budget", "metric": "sum", "amount": "250.00", "currency": "USD", "steps": [80]}),
    )
    for account, customer, amount, currency in (
        ("self", "c01", 20_000, "usd"), ("self", "c02", 19_999, "usd"), ("self", "c04", 90_000, "eur"),
        ("shadow", "c05", 90_000, "usd"),
    ):  # fmt: skip
        put(counted, account, customer, amount, currency)
    [finding] = usage_findings(counted, TENANT, NOW)
    assert finding.subject == "cap: c01, 2024-03-01, 80 %"
    assert "80.0 % of 250 usd" in finding.sentence


def put(connection: psycopg.Connection, account: str, customer: str, amount: int, currency: str) -> None:
    connection.execute(
        "insert into tally.priced_lines (tenant_id, account, livemode, customer_ref, metric, period_start, quantity,"
        " amount, currency, priced_at) values (%s, %s, false, %s, 'sum', '2024-03-01Z', 1, %s, %s, now())",
        (TENANT, account, customer, amount, currency),
    )
    # It needs a counter of that period beside it, whether or not the random usage has one.
    connection.execute(
        "insert into ledger.int_usage_counters (tenant_id, customer_ref, metric, period_start, period_end, closes_at,"
        " event_count, quantity_sum, quantity_min, quantity_max, last_quantity, last_event_time, last_landed_at,"
        " last_seq, newest_xid) values (%s, %s, 'sum', '2024-03-01Z', '2024-04-01Z', '2024-04-03Z', 1, 1, 1, 1, 1,"
        " '2024-03-02Z', '2024-03-02Z', 1, '1') on conflict do nothing",
        (TENANT, customer),
    )


def test_usage_alerts_end_with_the_period_and_rules_are_applied_like_everything_else(
    counted: psycopg.Connection, tmp_path: Path
) -> None:
    declared = rules({"name": "any", "kind": "threshold", "metric": "sum", "quantity": "0.01", "customer": "c03"})
    assert [change.table for change in difference(counted, declared)][-1] == "usage_alert_rules"
    apply(counted, declared)
    assert apply(counted, declared) == []
    settings = Settings.model_validate({"TALLY_HOME": tmp_path})
    clock = FixedClock(NOW)
    kinds = ["usage_threshold"]
    assert [each.kind for each in alerts.evaluate(counted, settings, clock).triggered if each.tenant_id != "*"] == kinds
    clock.at = datetime(2024, 4, 1, tzinfo=UTC)
    assert [each.kind for each in alerts.evaluate(counted, settings, clock).resolved if each.tenant_id != "*"] == kinds


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "threshold"}, "kind threshold needs quantity"),
        ({"kind": "threshold", "quantity": "1", "days": 3}, "days: kind threshold does not take it"),
        ({"kind": "spike"}, "kind spike needs factor"),
        ({"kind": "spike", "factor": "1"}, "greater than 1"),
        ({"kind": "budget", "amount": "5"}, "kind budget needs"),
        ({"kind": "budget", "amount": "5", "currency": "usd", "quantity": "1"}, "kind budget needs"),
        ({"kind": "budget", "amount": "5", "currency": "zzz"}, "not a currency"),
        ({"kind": "budget", "quantity": "5", "steps": [50, 50]}, "declared twice"),
        ({"kind": "threshold", "quantity": 1.5}, "in quotes"),
        ({"kind": "threshold", "quantity": "1", "metric": "unknown"}, "no meter has the metric"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises((TallyError, ValueError), match=said):
        rules({"name": "r", "metric": "sum", **rule})
