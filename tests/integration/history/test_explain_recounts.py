"""`tally explain` recounts every counter from what it lists, to the last digit, and names what differs."""

import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, LiteralString

import psycopg
import pytest
from metered_month import FEBRUARY, IN_TIME, JANUARY, LATE_AT, NOW, TENANT, Usage, land, worth
from random_month import land_in_order, random_usage
from tally_command import run_tally

from tally import adjustments
from tally.clock import FixedClock
from tally.explain import Explanation, NothingToExplain, explaining
from tally.ledger import Ledger

KNOWN = """
select customer_ref, metric, period_start from marts.usage_counters
union
select customer_ref, metric, period_start from marts.usage_deliveries
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def explain(built_database_url: str, tmp_path: Path) -> Run:
    environment = {"DATABASE_URL": built_database_url, "TALLY_HOME": str(tmp_path), "TALLY_CLOCK": "simulated"}

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = run_tally(environment, "explain", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def explained(database: psycopg.Connection[Any], customer: str, metric: str, moment: datetime) -> Explanation:
    """The explanation, its events read."""
    with explaining(database, TENANT, customer, metric, moment.isoformat(), NOW) as explanation:
        assert sum(1 for _ in explanation.events()) == sum(explanation.outcomes.values())
        return explanation


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (1, 2))])
def test_every_counter_is_the_sum_of_what_is_listed(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock, seed: int
) -> None:
    random = Random(seed)
    landings = [(JANUARY[0], JANUARY[1]), (JANUARY[1], LATE_AT - timedelta(days=6)), (LATE_AT, NOW)]
    usage: list[Usage] = []
    for landing in landings:
        batch = random_usage(random, 90, landing, usage)
        land_in_order(database, batch)
        usage += batch
        ledger.tick()
    for proposal in adjustments.propose_late_adjustments(database, clock)[::2]:
        if proposal.state == "pending":
            adjustments.approve(database, TENANT, proposal.adjustment_id, "ada", clock)
    seen = 0
    for customer, metric, start in database.execute(KNOWN).fetchall():
        explanation = explained(database, customer, metric, start)
        differing = [total for total in explanation.totals() if not total.agrees]
        assert differing == [], f"seed {seed}: {customer} {metric} {start}"
        seen += explanation.counter is not None
    assert seen > 20
    totals = database.execute("select sum(duplicates), sum(conflicts), sum(late_events) from marts.usage_deliveries")
    assert all(total > 0 for total in totals.fetchone() or (0,))


def test_the_recount_is_also_what_another_plain_count_says(database: psycopg.Connection[Any], ledger: Ledger) -> None:
    readings = [("12.5", 3), ("-1", 9), ("8", 20), ("8.000000000001", 20)]
    for metric in ("average", "gauge", "gauge_thirds", "percentile", "sevenths", "unique"):
        first = Usage(f"{metric}-0", metric, JANUARY[0], JANUARY[0] + IN_TIME, Decimal(4))
        later = [
            Usage(f"{metric}-{quantity}", metric, FEBRUARY[0] + timedelta(days=day), FEBRUARY[0], Decimal(quantity))
            for quantity, day in readings
        ]
        land(database, [first, *later])
        ledger.tick()
        explanation = explained(database, "globex", metric, FEBRUARY[0])
        opening = Decimal(4) if metric.startswith("gauge") else Decimal(0)
        assert (explanation.opening.quantity if explanation.opening else Decimal(0)) == opening
        recounted = {total.name: total for total in explanation.totals()}["event_value"]
        assert recounted.listed == recounted.ledger == worth(metric, later, FEBRUARY, opening)


def test_a_gauge_that_was_not_read_is_its_opening_held(database: psycopg.Connection[Any], ledger: Ledger) -> None:
    land(database, [Usage("reading", "gauge", JANUARY[0], JANUARY[0], Decimal(2))])
    ledger.tick()
    explanation = explained(database, "globex", "gauge", FEBRUARY[0])
    assert explanation.counter is not None
    assert explanation.counter.is_carried
    assert explanation.opening is not None
    assert explanation.opening.idempotency_key == "reading"
    assert [total for total in explanation.totals() if not total.agrees] == []
    assert explanation.counter.value == 2 * 29 * 24


def test_what_is_left_out_is_listed_with_its_reason(
    database: psycopg.Connection[Any], ledger: Ledger, clock: FixedClock, explain: Run
) -> None:
    moment = JANUARY[0] + timedelta(days=3)
    counted = Usage("counted", "sum", moment, moment, Decimal(5))
    land(database, [counted, Usage("counted", "sum", moment, moment + IN_TIME, Decimal("5.0"))])
    land(
        database,
        [Usage("counted", "sum", moment, moment, Decimal(6)), Usage("late", "sum", moment, LATE_AT, Decimal(3))],
    )
    ledger.tick()
    [proposal] = adjustments.propose_late_adjustments(database, clock)
    adjustments.approve(database, TENANT, proposal.adjustment_id, "ada", clock)
    lines = [json.loads(line) for line in explain("globex", "sum", "2024-01", "--json").stdout.splitlines()]
    of_kind: dict[str, list[Any]] = {}
    for line in lines:
        of_kind.setdefault(line["kind"], []).append(line)
    assert of_kind["counter"][0]["counter"]["value"] == "5"
    outcomes = {event["idempotency_key"]: (event["outcome"], len(event["duplicates"])) for event in of_kind["event"]}
    assert outcomes == {"counted": ("counted", 1), "late": ("late", 0)}
    assert [(each["idempotency_key"], each["quantity"]) for each in of_kind["conflict"]] == [("counted", "6")]
    [adjustment] = of_kind["adjustment"]
    assert (adjustment["counts_here"], adjustment["events"]) == (False, ["late"])
    assert of_kind["check"][0]["agrees"] is True
    booked = [json.loads(line) for line in explain("globex", "sum", "--json").stdout.splitlines()]
    assert [line["counts_here"] for line in booked if line["kind"] == "adjustment"] == [True]
    table = explain("globex", "sum", "2024-01-04").stdout
    assert "value 5 = 5 from 1 events + 0 adjustments" in table
    assert "landed when its period took no events any more" in table
    assert "agrees:" in table


TWO_AND_A_REPEAT = [
    Usage(key, "sum", JANUARY[0], JANUARY[0], Decimal(size)) for key, size in (("a", 5), ("b", 7), ("b", 7))
]
TAMPERED: list[tuple[LiteralString, str]] = [
    (
        "update ledger.int_usage_counters set quantity_sum = quantity_sum + 0.000000000001",
        "value: listed 12, the ledger has 12.000000000001",
    ),
    (
        "update ledger.int_usage_events_deduplicated set quantity = 8 where idempotency_key = 'b'",
        "quantity_sum: listed 13, the ledger has 12",
    ),
    (
        "update ledger.int_usage_events_deduplicated set outcome = 'late' where idempotency_key = 'b'",
        "events: listed 1, the ledger has 2",
    ),
    (
        "delete from ledger.int_usage_events_deduplicated where idempotency_key = 'a'",
        "delivered events: listed 1, the ledger has 2",
    ),
    ("update marts.usage_deliveries set duplicates = 2", "duplicates: listed 1, the ledger has 2"),
    ("delete from ledger.int_usage_counters", "events: listed 2, the ledger has 0"),
]


@pytest.mark.parametrize(("tamper", "says"), TAMPERED)
def test_an_edited_row_is_named(
    database: psycopg.Connection[Any], ledger: Ledger, tamper: LiteralString, says: str
) -> None:
    land(database, TWO_AND_A_REPEAT)
    ledger.tick()
    assert all(total.agrees for total in explained(database, "globex", "sum", JANUARY[0]).totals())
    database.execute(tamper)
    differing = [total for total in explained(database, "globex", "sum", JANUARY[0]).totals() if not total.agrees]
    assert says in [f"{total.name}: listed {total.listed}, the ledger has {total.ledger}" for total in differing]


def test_a_difference_is_printed_and_exits_non_zero(
    database: psycopg.Connection[Any], ledger: Ledger, explain: Run
) -> None:
    land(database, TWO_AND_A_REPEAT)
    ledger.tick()
    database.execute("update ledger.int_usage_events_deduplicated set quantity = 8 where idempotency_key = 'b'")
    assert "differs: event_value: listed 13, the ledger has 12" in explain("globex", "sum", "2024-01", code=1).stdout
    last = json.loads(explain("globex", "sum", "2024-01", "--json", code=1).stdout.splitlines()[-1])
    assert (last["kind"], last["agrees"]) == ("check", False)


def test_a_periods_events_are_found_without_reading_the_others(
    database: psycopg.Connection[Any], ledger: Ledger
) -> None:
    for number, (start, _) in enumerate((JANUARY, FEBRUARY)):
        database.execute(
            "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time,"
            " landed_at) select %s, %s || n, 'globex', 'sum', 1, at, at"
            " from (select n, %s + n * interval '1 minute' as at from generate_series(0, 40000) as n) as numbered",
            (TENANT, f"{number}-", start),
        )
        ledger.tick()
    database.execute("vacuum analyze ledger.int_usage_events_deduplicated")
    plan = database.execute(
        "explain select count(*) from ledger.int_usage_events_deduplicated"
        " where tenant_id = %s and customer_ref = 'globex' and metric = 'sum' and period_start = %s",
        (TENANT, JANUARY[0]),
    ).fetchall()
    assert "Bitmap Index Scan on int_usage_events_deduplicated_period_start" in "\n".join(line for (line,) in plan)


def test_what_the_ledger_does_not_know_is_refused_with_what_it_knows(
    database: psycopg.Connection[Any], ledger: Ledger
) -> None:
    land(database, [Usage("a", "sum", JANUARY[0], JANUARY[0])])
    ledger.tick()
    with (
        pytest.raises(NothingToExplain, match="no event and no adjustment"),
        explaining(database, TENANT, "nobody", "sum", None, NOW),
    ):
        pass
    with (
        pytest.raises(NothingToExplain, match=r"nothing is known of 2024-02; .* start at 2024-01-01T00:00Z"),
        explaining(database, TENANT, "globex", "sum", "2024-02", NOW),
    ):
        pass
