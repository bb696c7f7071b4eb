"""From the declared configuration to the database: the difference first, then the change, in one transaction.

What the file does not mention stays: removing a meter or a customer would orphan what was billed from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tally.configuration import Configuration, Tenant
from tally.errors import ConfigurationError


@dataclass(frozen=True)
class Change:
    """One row to add (`before` is None) or to change; `before` and `after` hold only the fields that differ."""

    table: str
    key: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    def __str__(self) -> str:
        name = " ".join(str(value) for value in self.key.values())
        if self.before is None:
            return f"+ {self.table} {name}: " + ", ".join(f"{field} {value}" for field, value in self.after.items())
        return f"~ {self.table} {name}: " + ", ".join(
            f"{field} {self.before[field]} -> {value}" for field, value in self.after.items()
        )


@dataclass(frozen=True)
class _Row:
    table: str
    key: dict[str, Any]
    values: dict[str, Any]


def difference(connection: psycopg.Connection, configuration: Configuration) -> list[Change]:
    """What `apply` would write, in order.

    Raises:
        ConfigurationError: a change that would make counted usage mean something else.
    """
    changes = [change for row in _rows(configuration) if (change := _change(connection, row)) is not None]
    for change in changes:
        _refuse_reinterpretation(connection, change)
    return changes


def apply(connection: psycopg.Connection, configuration: Configuration) -> list[Change]:
    """Write the difference and commit it whole; returns what was written. Applying again writes nothing."""
    with connection.transaction():
        connection.execute("lock table tally.tenants in share row exclusive mode")
        changes = difference(connection, configuration)
        for change in changes:
            _write(connection, change)
    return changes


def _rows(configuration: Configuration) -> Iterator[_Row]:
    for tenant in configuration.tenants:
        yield _Row(
            "tenants",
            {"tenant_id": tenant.id},
            {"name": tenant.name, "time_zone": tenant.time_zone, "epsilon": tenant.epsilon},
        )
        yield from _tenant_rows(tenant)


def _tenant_rows(tenant: Tenant) -> Iterator[_Row]:
    for meter in tenant.meters:
        key = {"tenant_id": tenant.id, "metric": meter.metric}
        values = meter.model_dump(include={"aggregation", "unit", "description", "lateness_window"})
        yield _Row("meters", key, values)
        if meter.stripe is not None:
            yield _Row("price_mappings", key, {**meter.stripe.model_dump(), "active": True})
        else:
            yield _Row("price_mappings", key, {"active": False})
    for customer in tenant.customers:
        yield _Row("customers", {"tenant_id": tenant.id, "customer_ref": customer.ref}, {"name": customer.name})


def _change(connection: psycopg.Connection, row: _Row) -> Change | None:
    query = sql.SQL("select {fields} from tally.{table} where {key}").format(
        fields=sql.SQL(", ").join(map(sql.Identifier, row.values)),
        table=sql.Identifier(row.table),
        key=_matches(row.key),
    )
    found = connection.execute(query, row.key).fetchone()
    if found is None:
        # A meter without a Stripe mapping has no row; only one that had a mapping is switched off.
        return None if row.values == {"active": False} else Change(row.table, row.key, None, row.values)
    before = dict(zip(row.values, found, strict=True))
    differing = [field for field, value in row.values.items() if before[field] != value]
    if not differing:
        return None
    return Change(
        row.table, row.key, {field: before[field] for field in differing}, {f: row.values[f] for f in differing}
    )


def _refuse_reinterpretation(connection: psycopg.Connection, change: Change) -> None:
    if change.table != "meters" or change.before is None or "aggregation" not in change.before:
        return
    counted = connection.execute(
        "select from raw.usage_events where tenant_id = %(tenant_id)s and metric = %(metric)s limit 1", dict(change.key)
    ).fetchone()
    if counted is not None:
        raise ConfigurationError(
            f"meter {change.key['metric']} already has events: its aggregation stays {change.before['aggregation']}. "
            "Declare a new metric instead."
        )


def _write(connection: psycopg.Connection, change: Change) -> None:
    table = sql.Identifier(change.table)
    if change.before is None:
        row = {**change.key, **change.after}
        query = sql.SQL("insert into tally.{table} ({fields}) values ({values})").format(
            table=table,
            fields=sql.SQL(", ").join(map(sql.Identifier, row)),
            values=sql.SQL(", ").join(map(sql.Placeholder, row)),
        )
        connection.execute(query, row)
        return
    query = sql.SQL("update tally.{table} set {values} where {key}").format(
        table=table,
        values=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(field), sql.Placeholder(field)) for field in change.after
        ),
        key=_matches(change.key),
    )
    connection.execute(query, {**change.key, **change.after})


def _matches(key: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(field), sql.Placeholder(field)) for field in key
    )
