"""One ledger, counted once for all comparisons, which change nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from exported_month import METERS, NOW, Exports, land_month

from tally.database import connect


@pytest.fixture(scope="session")
def compared_database(
    clone: Clone, built_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[psycopg.Connection[Any]]:
    name = "compared"
    url = clone(built_template, name)
    with connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into tally.tenants (tenant_id, name, time_zone) values ('acme', 'Acme', 'America/New_York')"
        )
        for metric, aggregation in METERS.items():
            connection.execute(
                "insert into tally.meters (tenant_id, metric, aggregation, property) values ('acme', %s, %s, %s)",
                (metric, aggregation, "member" if aggregation == "unique" else None),
            )
        connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))
        land_month(connection)
        built_ledger(url, tmp_path_factory.mktemp("dbt")).tick()
        yield connection


@pytest.fixture
def exports(compared_database: psycopg.Connection[Any], tmp_path: Path) -> Exports:
    return Exports(compared_database, tmp_path)
