"""One month for all tests of this folder: whoever changes something rolls it back."""

from collections.abc import Iterator

import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from final_month import START, FinalMonth, bill
from stripe_side import local_stripe

from tally.clock import FixedClock
from tally.database import connect


@pytest.fixture(scope="package")
def month(clone: Clone, built_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinalMonth]:
    """March, invoiced; nothing is proven yet."""
    home, url = tmp_path_factory.mktemp("final_month"), clone(built_template, "final_month")
    with local_stripe(home) as stripe, connect(url, autocommit=True) as connection:
        settings = stripe.settings(url, home)
        month = FinalMonth(connection, url, built_ledger(url, home), stripe, settings, FixedClock(START), home)
        bill(month)
        yield month
