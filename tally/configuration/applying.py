"""From the declared configuration to the database: the difference first, then the change, in one transaction.

What the file does not mention stays: removing a meter or a customer would orphan what was billed from it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tally.configuration.document import Configuration, Tenant
from tally.configuration.mapping_rules import refuse_unusable_mapping
from tally.configuration.meter import COUNTING_DEFINITION
from tally.errors import ConfigurationError
from tally.landed_events import events_read, has_events

_PERIODS = {"time_zone", "calendar_period"}


@dataclass(frozen=True)
class Change:
    """One row to add (`before` is None) or to change; `before` and `after` hold only the fields that differ.

    `note` says what the change leaves to be done; mostly nothing.
    """

    table: str
    key: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    note: str = ""

    def __str__(self) -> str:
        name = " ".join(str(value) for value in self.key.values())
        if self.before is None:
            said = {field: value for field, value in self.after.items() if value not in (None, "", {}, [])}
            return f"+ {self.table} {name}: " + ", ".join(f"{field} {_shown(value)}" for field, value in said.items())
        return f"~ {self.table} {name}: " + ", ".join(
            f"{field} {_shown(self.before[field])} -> {_shown(value)}" for field, value in self.after.items()
        )

    @property
    def counts_differently(self) -> bool:
        """Whether a meter comes to be, or comes to count in another way."""
        return self.table == "meters" and any(field in self.after for field in COUNTING_DEFINITION)


@dataclass(frozen=True)
class _Row:
    table: str
    key: dict[str, Any]
    values: dict[str, Any]


def difference(connection: psycopg.Connection, configuration: Configuration) -> list[Change]:
    """What `apply` would write, in order.

    Raises:
        ConfigurationError: a change that would make landed usage mean something else.
    """
    return _judged(connection, _changes(connection, configuration))


def apply(connection: psycopg.Connection, configuration: Configuration) -> list[Change]:
    """Write the difference and commit it whole; returns what was written. Applying again writes nothing.

    Raises:
        ConfigurationError: as `difference`; nothing was written.
    """
    with connection.transaction():
        connection.execute("lock table tally.tenants in share row exclusive mode")
        changes = _changes(connection, configuration)
        if any(change.counts_differently for change in changes):
            # Between the look for events and the commit no tick may count one by what the meter said before.
            connection.execute("lock table tally.model_bounds in share row exclusive mode")
        changes = _judged(connection, changes)
        for change in changes:
            _write(connection, change)
    return changes


def _rows(configuration: Configuration) -> Iterator[_Row]:
    for tenant in configuration.tenants:
        values = tenant.model_dump(include={"name", "time_zone", "calendar_period", "epsilon", "lag_budget"})
        values["adjustments_book_into"] = tenant.adjustments.book_into
        values["adjustments_need_second_person"] = tenant.adjustments.second_person
        values |= tenant.closing.model_dump(exclude={"approval"}) | {"closing_approval": tenant.closing.approval}
        values |= tenant.usage_checks.model_dump()
        yield _Row("tenants", {"tenant_id": tenant.id}, values)
        yield from _tenant_rows(tenant)


def _tenant_rows(tenant: Tenant) -> Iterator[_Row]:
    for meter in tenant.meters:
        key = {"tenant_id": tenant.id, "metric": meter.metric}
        definition = meter.model_dump(exclude={"metric", "stripe", "closing", "usage_checks"})
        yield _Row("meters", key, definition | meter.closing.model_dump() | meter.usage_checks.model_dump())
        target = meter.stripe.model_dump() if meter.stripe else {}
        shadow = target.pop("shadow", None)
        yield _mapping_row("price_mappings", key, target)
        yield _mapping_row("shadow_mappings", key, shadow)
    for customer in tenant.customers:
        yield _Row("customers", {"tenant_id": tenant.id, "customer_ref": customer.ref}, {"name": customer.name})
    for alert in tenant.alerts:
        yield _Row("usage_alert_rules", {"tenant_id": tenant.id, "name": alert.name}, alert.row())


def _mapping_row(table: str, key: dict[str, Any], target: dict[str, Any] | None) -> _Row:
    return _Row(table, key, {**target, "active": True} if target else {"active": False})


def _changes(connection: psycopg.Connection, configuration: Configuration) -> list[Change]:
    changes = []
    for row in _rows(configuration):
        if (change := _change(connection, row)) is not None:
            refuse_unusable_mapping(connection, row.table, row.key, row.values)
            changes.append(change)
    return changes


def _change(connection: psycopg.Connection, row: _Row) -> Change | None:
    query = sql.SQL("select {fields} from tally.{table} where {key}").format(
        fields=sql.SQL(", ").join(map(sql.Identifier, row.values)),
        table=sql.Identifier(row.table),
        key=_matches(row.key),
    )
    found = connection.execute(query, row.key).fetchone()
    if found is None:
        # A meter that is mapped nowhere has no row; only one that had a mapping is switched off.
        return None if row.values == {"active": False} else Change(row.table, row.key, None, row.values)
    before = dict(zip(row.values, found, strict=True))
    differing = [field for field, value in row.values.items() if before[field] != value]
    if not differing:
        return None
    return Change(
        row.table, row.key, {field: before[field] for field in differing}, {f: row.values[f] for f in differing}
    )


def _judged(connection: psycopg.Connection, changes: list[Change]) -> list[Change]:
    for change in changes:
        _refuse_reinterpretation(connection, change)
    return [replace(change, note=_note(connection, change)) for change in changes]


def _refuse_reinterpretation(connection: psycopg.Connection, change: Change) -> None:
    if change.before is None or not change.counts_differently or not has_events(connection, change.key):
        return
    stays = ", ".join(
        f"its {field} stays {_shown(change.before[field])}" for field in COUNTING_DEFINITION if field in change.before
    )
    raise ConfigurationError(f"meter {change.key['metric']} already has events: {stays}; declare a new metric instead")


def _note(connection: psycopg.Connection, change: Change) -> str:
    command = f"tally replay --tenant {change.key['tenant_id']}"
    if change.table == "tenants" and change.before is not None and _PERIODS & change.after.keys():
        return f"counted events keep their period until `{command}`"
    if change.table == "meters" and change.before is None and (waiting := events_read(connection, change.key)):
        metric = change.key["metric"]
        return (
            f"{waiting} events of {metric} landed before it was declared and are not counted: "
            f"`{command} --metric {metric}` counts them"
        )
    return ""


def _write(connection: psycopg.Connection, change: Change) -> None:
    table = sql.Identifier(change.table)
    values = {field: Jsonb(value) if isinstance(value, dict) else value for field, value in change.after.items()}
    row = {**change.key, **values}
    if change.before is None:
        query = sql.SQL("insert into tally.{table} ({fields}) values ({values})").format(
            table=table,
            fields=sql.SQL(", ").join(map(sql.Identifier, row)),
            values=sql.SQL(", ").join(map(sql.Placeholder, row)),
        )
    else:
        query = sql.SQL("update tally.{table} set {values} where {key}").format(
            table=table,
            values=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(field), sql.Placeholder(field)) for field in values
            ),
            key=_matches(change.key),
        )
    connection.execute(query, row)


def _matches(key: Mapping[str, Any]) -> sql.Composed:
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(field), sql.Placeholder(field)) for field in key
    )


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, timedelta):
        return f"{value // timedelta(minutes=1)}m" if value % timedelta(hours=1) else f"{value // timedelta(hours=1)}h"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)
