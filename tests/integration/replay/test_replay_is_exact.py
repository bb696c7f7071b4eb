"""Whatever the batching, order or division of the work: counters are equal to the last byte."""

import random
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import psycopg
import pytest
from landing import AGGREGATIONS, JANUARY, Delivery, contents, land

from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger
from tally.replay import Replays, Request

CUSTOMERS = ("AA", "DL", "UA")
METRICS = (*AGGREGATIONS, "scaled", "bytes")


def deliveries(chance: random.Random, number: int) -> list[Delivery]:
    """Events of three customers over two months, with repeats, conflicts and late ones."""
    made = []
    for seq in range(number):
        key = f"k{chance.randrange(number * 2 // 3)}"
        of_key = random.Random(f"{key} {chance.random() < 0.05}")  # the same payload again, or a conflict
        event_time = JANUARY[0] + timedelta(minutes=of_key.randrange(60 * 24 * 55))
        delay = timedelta(days=60 if chance.random() < 0.1 else 1)
        properties = (
            f'{{"user": "u{of_key.randrange(9)}", "region": "{of_key.choice(["eu", "us", "ap"])}", "bytes": 7}}'
        )
        made.append(
            Delivery(
                key, Decimal(of_key.randrange(1, 10**6)) / 1000, of_key.choice(METRICS), of_key.choice(CUSTOMERS),
                event_time, event_time + delay, properties, seq + 1,
            )
        )  # fmt: skip
    return made


def land_interleaved(url: str, batch: list[Delivery], chance: random.Random) -> None:
    """Land the batch in three transactions at once that commit in another order than they began."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(url)) for _ in range(3)]
        for delivery in batch:
            land(chance.choice(connections), [delivery])
        chance.shuffle(connections)
        for connection in connections:
            connection.commit()


def turn_the_world(database: psycopg.Connection) -> None:
    """A meter declared late, a period known late, and events taken out."""
    database.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('newark', 'bytes', 'sum')")
    database.execute(
        "insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)"
        " values ('newark', 'UA', %s, %s, 'stripe')",
        (datetime(2013, 1, 10, tzinfo=UTC), datetime(2013, 2, 10, tzinfo=UTC)),
    )
    database.execute(
        "insert into tally.event_reversals select distinct 'newark', idempotency_key, 'test', now(), 'ann'"
        " from raw.usage_events where idempotency_key like '%7'"
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_a_replay_is_what_one_batch_gives(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    waiting = deliveries(chance, 240)
    while waiting:
        size = chance.choice([20, 60, 100])
        land_interleaved(built_database_url, waiting[:size], chance)
        waiting = waiting[size:]
        ledger.tick()
    turn_the_world(database)
    replays = Replays(
        built_database_url, FixedClock(JANUARY[0]), ledger.tick, deliveries_a_chunk=chance.choice([1, 100, 10**6])
    )
    # Divided by metric, each by another process at its own time; then the rest.
    for metric in chance.sample(METRICS, 2):
        request = Request("newark", metrics=(metric,), closed=True)
        replays.apply("newark", replays.show(request, "ann").hash, "ann")
    replays.apply_at_once(Request("newark", closed=True), "ann")
    replayed = contents(database)
    ledger.refresh()
    assert contents(database) == replayed
    assert replays.show(Request("newark", closed=True), "ann").changes == []


@pytest.mark.thorough
def test_ticks_go_on_beside_replays_and_nothing_is_counted_twice(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    chance = random.Random(3)
    first = deliveries(chance, 150)
    second = [
        Delivery(f"later-{number}", Decimal(number), chance.choice(METRICS), chance.choice(CUSTOMERS))
        for number in range(150)
    ]
    land(database, first)
    ledger.tick()
    turn_the_world(database)
    failed: list[BaseException] = []

    def replay() -> None:
        try:
            for _ in range(4):
                Replays(built_database_url, FixedClock(JANUARY[0])).apply_at_once(Request("newark", closed=True), "ann")
        except BaseException as error:
            failed.append(error)
            raise

    thread = Thread(target=replay)
    thread.start()
    while second:
        land_interleaved(built_database_url, second[:30], chance)
        second = second[30:]
        ledger.tick()
    thread.join(120)
    assert failed == []
    stands = contents(database)
    ledger.refresh()
    assert contents(database) == stands


@pytest.mark.thorough
def test_another_order_of_landing_gives_the_same_counters(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    """Of deliveries that agree: with a conflict, which one is first is what the order says."""
    chance = random.Random(4)
    once = {delivery.key: delivery for delivery in deliveries(chance, 300)}
    agreed = [*once.values(), *chance.sample(list(once.values()), 50)]
    seen: list[Any] = []
    for _ in range(2):
        database.execute("truncate raw.usage_events")
        ledger.refresh()
        chance.shuffle(agreed)
        land_interleaved(built_database_url, agreed, chance)
        ledger.tick()
        Replays(built_database_url, FixedClock(JANUARY[0]), ledger.tick).apply_at_once(
            Request("newark", closed=True), "ann"
        )
        seen.append(
            database.execute(
                "select (to_jsonb(counter) - 'newest_xid')::text from ledger.int_usage_counters as counter order by 1"
            ).fetchall()
        )
    assert seen[0] == seen[1]
