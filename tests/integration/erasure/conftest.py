"""One billed month for all tests of this folder."""

from collections.abc import Iterator

import pytest
from billed_month import START, BilledMonth, bill
from built_ledger import built_ledger
from cloned_database import Clone
from stripe_side import local_stripe

from tally.clock import FixedClock
from tally.database import connect


@pytest.fixture(scope="package")
def month(clone: Clone, built_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BilledMonth]:
    """March, billed."""
    home, url = tmp_path_factory.mktemp("billed_month"), clone(built_template, "billed_month")
    with local_stripe(home) as stripe, connect(url, autocommit=True) as connection:
        settings = stripe.settings(url, home)
        month = BilledMonth(connection, url, built_ledger(url, home), stripe, settings, FixedClock(START), home)
        bill(month)
        yield month
