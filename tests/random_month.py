"""Months of the tenant in `metered_month` at random: early and late events, ties, repeats, contradictions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
from metered_month import FEBRUARY, JANUARY, METERS, TENANT, Usage, land

INSTANT = timedelta(microseconds=1)
EDGES = [JANUARY[0], JANUARY[1], JANUARY[1] - INSTANT, FEBRUARY[1] - INSTANT, JANUARY[0] + timedelta(days=9)]
QUANTITIES = ["0", "1.0", "-3.25", "0.000000000001", "999999999999999", "7", "7.00"]
METRICS = [*METERS, "only_a", "sized", "surprise"]


def declare_more(connection: psycopg.Connection[Any]) -> None:
    """`only_a` counts only member a, `sized` measures a property that no event has, `surprise` stays undeclared."""
    connection.execute(
        "insert into tally.meters (tenant_id, metric, aggregation, filter, property) values"
        """ (%(tenant)s, 'only_a', 'sum', '{"member": ["a"]}', null), (%(tenant)s, 'sized', 'sum', '{}', 'size')""",
        {"tenant": TENANT},
    )


def random_usage(random: Random, count: int, landing: tuple[datetime, datetime], known: Sequence[Usage]) -> list[Usage]:
    """`count` deliveries that land in `[from, to)`; some repeat or contradict one of these or of `known`."""
    found: list[Usage] = []
    span = (landing[1] - landing[0]) // INSTANT
    for number in range(count):
        landed_at = landing[0] + random.randrange(span) * INSTANT
        earlier = [*known, *found]
        if earlier and random.random() < 0.25:
            event = replace(random.choice(earlier), landed_at=landed_at)
            found.append(event if random.random() < 0.6 else replace(event, quantity=event.quantity + 1))
            continue
        event_time = random.choice(EDGES) + random.choice(
            [timedelta(0), INSTANT, timedelta(hours=random.randrange(99))]
        )
        usage = Usage(
            f"{landing[0]:%m%d%H}-{number}",
            random.choice(METRICS),
            min(event_time, FEBRUARY[1] - INSTANT),
            landed_at,
            Decimal(random.choice([*QUANTITIES, str(random.randrange(-999, 999))])),
            random.choice("abc"),
            random.choice(["globex", "initech"]),
        )
        found.append(usage)
    return found


def land_in_order(connection: psycopg.Connection[Any], events: Sequence[Usage]) -> None:
    """Land the deliveries as time brings them, each in a transaction of its own."""
    for event in sorted(events, key=lambda each: each.landed_at):
        land(connection, [event])
