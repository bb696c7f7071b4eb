"""A tenant with two metrics and three customers on a Stripe test clock in March 2024; nothing counted yet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from push_billing import METRICS, NOW, START, TENANT, Billing, declare_tenant
from stripe_side import StripeSide, local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.stripe.sync import sync_subscriptions


@pytest.fixture(scope="session")
def shared_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSide]:
    with local_stripe(tmp_path_factory.mktemp("stripe")) as side:
        yield side


@pytest.fixture
def stripe_side(shared_stripe: StripeSide) -> Iterator[StripeSide]:
    """A local Stripe that knows nothing yet and does nothing wrong."""
    before = shared_stripe.control.get("/_sandbox/settings").json()
    yield shared_stripe
    shared_stripe.heal()
    shared_stripe.change(**before)
    shared_stripe.control.post("/_sandbox/reset").raise_for_status()


@pytest.fixture
def ledger_connection(built_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(built_database_url, autocommit=True) as connection:
        declare_tenant(connection)
        yield connection


@pytest.fixture
def billing(
    ledger_connection: psycopg.Connection[Any], stripe_side: StripeSide, built_database_url: str, tmp_path: Path
) -> Billing:
    """Everything synced, nothing counted yet; it is 20 March 2024."""
    clock = FixedClock(NOW)
    test_clock = stripe_side.test_clock(START)
    for metric in METRICS:
        stripe_side.meter(metric)
    customers = {ref: stripe_side.customer(ref, test_clock) for ref in ("globex", "initech", "umbrella")}
    for customer in customers.values():
        stripe_side.subscribe(customer, *METRICS)
    stripe_side.advance(test_clock, NOW)
    sync_subscriptions(ledger_connection, stripe_side.account, TENANT, clock)
    settings = stripe_side.settings(built_database_url, tmp_path)
    return Billing(ledger_connection, settings, stripe_side, stripe_side.account, clock, customers, test_clock)
