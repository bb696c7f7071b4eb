"""One ledger, counted once for all comparisons, which change nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from built_ledger import built_ledger
from exported_month import METERS, NOW, Exports, land_month

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def compared_database(
    postgres: EmbeddedPostgres, built_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[psycopg.Connection[Any]]:
    name = "compared"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template {built_template}")
    with connect(postgres.url(name), autocommit=True) as connection:
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
        built_ledger(postgres.url(name), tmp_path_factory.mktemp("dbt")).tick()
        yield connection


@pytest.fixture
def exports(compared_database: psycopg.Connection[Any], tmp_path: Path) -> Exports:
    return Exports(compared_database, tmp_path)
