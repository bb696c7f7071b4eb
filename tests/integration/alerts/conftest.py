"""A tenant, a receiver of every kind, and settings that lead to them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alert_receivers import NOW, SECRET, HttpReceiver, MailReceiver, http_receiver, mail_receiver

from tally.clock import FixedClock
from tally.settings import Settings


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as opened:
        yield opened


@pytest.fixture
def mailbox() -> Iterator[MailReceiver]:
    with mail_receiver() as opened:
        yield opened


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def tenant(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection to a database in which acme is declared and nothing has happened."""
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
    connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'api_calls', 'sum')")
    return connection


@pytest.fixture
def settings_for(database_url: str, tmp_path: Path) -> Callable[..., Settings]:
    """Settings of this test's database with the variables given."""

    def made(**variables: Any) -> Settings:
        return Settings.model_validate({"DATABASE_URL": database_url, "TALLY_HOME": tmp_path, **variables})

    return made


@pytest.fixture
def telling(settings_for: Callable[..., Settings], receiver: HttpReceiver) -> Settings:
    """The signed webhook is set up, and nothing else."""
    return settings_for(
        TALLY_ALERT_WEBHOOK_URL=f"{receiver.url}/hook",
        TALLY_ALERT_WEBHOOK_SECRET=SECRET,
        TALLY_ALERT_ALLOW_PRIVATE="on",
    )
