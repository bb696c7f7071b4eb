"""One month for all tests of this folder: whoever changes something rolls it back."""

from collections.abc import Iterator

import pytest
from built_ledger import built_ledger
from final_month import START, FinalMonth, bill
from stripe_side import local_stripe

from tally.clock import FixedClock
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="package")
def month(
    postgres: EmbeddedPostgres, built_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FinalMonth]:
    """March, invoiced; nothing is proven yet."""
    home, url = tmp_path_factory.mktemp("final_month"), postgres.url("final_month")
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database final_month template {built_template}")
    with local_stripe(home) as stripe, connect(url, autocommit=True) as connection:
        settings = stripe.settings(url, home)
        month = FinalMonth(connection, url, built_ledger(url, home), stripe, settings, FixedClock(START), home)
        bill(month)
        yield month
