"""Dagster's Postgres storage, which asks for the layout of its own tables once a process instead of at every event.

Dagster looks whether a column is there before it stores an event of an asset, for databases that an older version made:
four statements over the catalogue for each of a tick's fifty events. Named in deploy/dagster/dagster.yaml.
"""

from collections.abc import Mapping
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from sqlalchemy.engine import Connection


class KnownTables(PostgresEventLogStorage):
    """An event log whose tables and columns, once seen, are known. What was not there is looked for again."""

    _tables: frozenset[str] = frozenset()
    _columns: frozenset[str] = frozenset()

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables and super().has_table(table_name):
            self._tables |= {table_name}
        return table_name in self._tables

    def has_asset_key_col(self, column_name: str) -> bool:
        return column_name in self._columns or super().has_asset_key_col(column_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns |= {column_name}
        return column_name in self._columns


class Storage(DagsterPostgresStorage):
    """Runs, events and schedules in one Postgres; `postgres_url` is the only thing to configure."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = KnownTables(postgres_url)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(config_value["postgres_url"], inst_data)
