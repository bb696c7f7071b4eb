"""A clean small month per test, pushed and proven, into which a fault is then planted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from altered_in_flight import AlteredInFlight
from small_month import NOW, Month, set_up
from stripe_side import local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger


@pytest.fixture
def in_between() -> AlteredInFlight:
    """What sits between the pusher and Stripe; it does nothing until it is armed."""
    return AlteredInFlight()


@pytest.fixture
def month(built_database_url: str, tmp_path: Path, in_between: AlteredInFlight) -> Iterator[Month]:
    """Everything landed and counted; nothing pushed yet."""
    with (
        local_stripe(tmp_path, in_between) as stripe,
        connect(built_database_url, autocommit=True) as connection,
    ):
        settings = stripe.settings(built_database_url, tmp_path)
        month = Month(connection, Ledger(built_database_url, tmp_path), stripe, settings, FixedClock(NOW), {})
        set_up(month)
        month.land_everything()
        month.ledger.tick()
        yield month
