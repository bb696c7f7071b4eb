"""A tenant with a tiered and a plain metric, two customers on a Stripe test clock in March 2024."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from closing_world import METRICS, NOW, START, TENANT, World, declare_tenant
from request_log import RequestLog
from stripe_side import TEST_KEY, StripeSide, local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.settings import load_settings
from tally.stripe.sync import sync_subscriptions


@pytest.fixture(scope="session")
def request_log() -> RequestLog:
    """Of the shared Stripe."""
    return RequestLog()


@pytest.fixture(scope="session")
def shared_stripe(tmp_path_factory: pytest.TempPathFactory, request_log: RequestLog) -> Iterator[StripeSide]:
    with local_stripe(tmp_path_factory.mktemp("stripe"), request_log) as side:
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


@pytest.fixture
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command finds the test's database, Stripe and time."""
    given = {
        "STRIPE_API_KEY": TEST_KEY,
        "STRIPE_API_BASE": world.stripe.url,
        "TALLY_CLOCK": "simulated",
        "TALLY_HOME": str(world.settings.home),
        "COLUMNS": "250",
    }
    assert world.settings.database_url is not None
    given["DATABASE_URL"] = world.settings.database_url.get_secret_value()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()
