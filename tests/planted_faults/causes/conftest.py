"""A small month, pushed and proven, made once: each test plants a fault into a copy of its database and its Stripe."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from planted_month import Planted
from small_month import NOW, Month, set_up
from stripe_side import StripeSide, local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres

_TEMPLATE = "planted_pushed"
_numbers = count(1)


@dataclass(frozen=True)
class Pushed:
    """What is copied: the template's name, and the Stripe that was saved at the same moment."""

    stripe: StripeSide
    customers: dict[str, str]


@pytest.fixture(scope="module")
def pushed(
    clone: Clone, built_template: str, dbt_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pushed]:
    """Everything landed, counted, pushed and applied."""
    url = clone(built_template, _TEMPLATE)
    home = tmp_path_factory.mktemp("planted")
    with local_stripe(home) as stripe:
        with connect(url, autocommit=True) as connection:
            clock = FixedClock(NOW)
            month = Month(connection, built_ledger(url, dbt_folder), stripe, stripe.settings(url, home), clock, {})
            set_up(month)
            month.land_everything()
            month.ledger.tick()
            assert month.push().left == {}
        stripe.until_applied()
        stripe.control.post("/_sandbox/savepoint").raise_for_status()
        yield Pushed(stripe, month.customers)


@pytest.fixture
def planted(postgres: EmbeddedPostgres, pushed: Pushed, dbt_folder: Path, tmp_path: Path) -> Iterator[Planted]:
    """A copy of the pushed month, to plant a fault into."""
    name = f"planted_{next(_numbers)}"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {_TEMPLATE} strategy file_copy")
    pushed.stripe.control.post("/_sandbox/restore").raise_for_status()
    url = postgres.url(name)
    with connect(url, autocommit=True) as connection:
        settings = pushed.stripe.settings(url, tmp_path)
        ledger = built_ledger(url, dbt_folder)
        yield Planted(connection, ledger, pushed.stripe, settings, FixedClock(NOW), pushed.customers)
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")
