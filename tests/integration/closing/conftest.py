"""A tenant with a tiered and a plain metric, two customers on a Stripe test clock in March 2024."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from closing_world import METRICS, NOW, START, TENANT, World, declare_tenant
from stripe_side import StripeSide, local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.stripe_sync import sync_subscriptions


@pytest.fixture(scope="session")
def shared_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSide]:
    with local_stripe(tmp_path_factory.mktemp("stripe")) as side:
        yield side


@pytest.fixture
def world(shared_stripe: StripeSide, built_database_url: str, tmp_path: Path) -> Iterator[World]:
    """Everything synced, nothing counted; it is 20 March 2024."""
    side = shared_stripe
    before = side.control.get("/_sandbox/settings").json()
    with connect(built_database_url, autocommit=True) as connection:
        declare_tenant(connection)
        test_clock = side.test_clock(START)
        for metric, terms in METRICS.items():
            side.meter(metric)
            side.prices[metric] = side.price(metric, **terms)
        customers = {ref: side.customer(ref, test_clock) for ref in ("globex", "initech")}
        for customer in customers.values():
            side.subscribe(customer, *METRICS)
        side.advance(test_clock, NOW)
        clock = FixedClock(NOW)
        sync_subscriptions(connection, side.account, TENANT, clock)
        settings = side.settings(built_database_url, tmp_path)
        yield World(connection, settings, side, side.account, clock, customers, test_clock)
    side.heal()
    side.change(**before)
    side.control.post("/_sandbox/reset").raise_for_status()
