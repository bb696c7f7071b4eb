"""One billed month for all tests of this folder."""

from collections.abc import Iterator

import pytest
from billed_month import START, BilledMonth, bill
from built_ledger import built_ledger
from stripe_side import local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="package")
def month(
    postgres: EmbeddedPostgres, built_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BilledMonth]:
    """March, billed."""
    home, url = tmp_path_factory.mktemp("billed_month"), postgres.url("billed_month")
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database billed_month template {built_template}")
    with local_stripe(home) as stripe, connect(url, autocommit=True) as connection:
        settings = stripe.settings(url, home)
        month = BilledMonth(connection, url, built_ledger(url, home), stripe, settings, FixedClock(START), home)
        bill(month)
        yield month
