"""The one resource: settings, database, clock, ledger. Read from the environment by `tally.settings`, nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import dagster as dg
import psycopg

from tally.clock import Clock, clock_for
from tally.database import connect, database_url
from tally.ledger import Ledger
from tally.migrations import require_current
from tally.settings import Settings, load_settings
from tally.stripe.account import StripeAccount, open_account
from tally.tracing import ledger_of


class Tally:
    """The domain core as assets see it."""

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def url(self) -> str:
        """The database's URL."""
        return database_url(self.settings)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """An autocommit connection, closed at the end of the block; the first one of a process asks for the schema.

        Raises:
            SchemaError: it is not this version's.
        """
        url = self.url
        with connect(url, autocommit=True) as connection:
            if url not in _current:
                require_current(connection)
                _current.add(url)
            yield connection

    def clock(self, connection: psycopg.Connection) -> Clock:
        """The clock that the settings ask for: the machine's, or the one in the database."""
        return clock_for(self.settings, connection)

    @contextmanager
    def stripe(self, account: str = "self") -> Iterator[StripeAccount]:
        """The Stripe account that STRIPE_API_KEY opens, or one connected to it (`acct_...`)."""
        opened = open_account(self.settings, account)
        try:
            yield opened
        finally:
            opened.close()

    @property
    def has_stripe_key(self) -> bool:
        """Whether there is a Stripe to talk to; without one the counters go on and nothing is sent."""
        key = self.settings.stripe_api_key
        return key is not None and key.get_secret_value() != ""

    @property
    def push_at_most_every(self) -> timedelta:
        """The least time between two pushes that a sensor starts."""
        return timedelta(seconds=self.settings.push_seconds)

    def ledger(self) -> Ledger:
        """This process's ledger: its dbt manifest is parsed once and kept."""
        return _ledger(self.url)


# What an asset, check, sensor or schedule writes beside `tally:` to be given it.
TallyResource = dg.ResourceParam[Tally]


# The databases whose schema this process has found to be its own.
_current: set[str] = set()


@cache
def _ledger(url: str) -> Ledger:
    return ledger_of(load_settings())


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(resources={"tally": Tally()})
