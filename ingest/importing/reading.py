"""How a file's columns become an event's fields: by name, unless the caller says otherwise."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from ingest.event import Event
from tally.errors import TallyError

FIELDS: Final = Event.__struct_fields__
_NEEDED = ("customer_ref", "metric", "event_time")


class ImportRefused(TallyError):
    """A file cannot be imported as asked; nothing of it landed in this run."""


@dataclass(frozen=True)
class Reading:
    """What was asked for. `columns` maps a field to its column, `values` a field to one value for all rows.

    `property_columns` are collected into `properties`. `key_stem` names rows without a key `<key_stem>:<row>`. With
    `utc`, times without a zone are UTC. With `ignore_others`, columns that are none of these are left aside.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    property_columns: Sequence[str] = ()
    key_stem: str | None = None
    utc: bool = False
    ignore_others: bool = False

    def hash(self) -> str:
        """Equal for equal readings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def columns_for(self, names: Iterable[str]) -> dict[str, str]:
        """Field to column, for a table with these columns.

        Raises:
            ImportRefused: a column or field is unknown, missing or given twice.
        """
        found = list(names)
        known = set(found)
        if wrong := sorted({*self.columns, *self.values} - set(FIELDS)):
            raise ImportRefused(f"{wrong[0]} is not a field of an event; the fields are {', '.join(FIELDS)}")
        if missing := [name for name in (*self.columns.values(), *self.property_columns) if name not in known]:
            raise ImportRefused(f"the file has no column {missing[0]!r}; it has {', '.join(found)}")
        taken = {*self.columns.values(), *self.property_columns}
        by_name = {
            name: name
            for name in FIELDS
            if name in known and name not in taken and name not in self.columns and name not in self.values
        }
        fields = {**by_name, **self.columns}
        self._check(fields)
        others = [name for name in found if name not in {*fields.values(), *self.property_columns}]
        if others and not self.ignore_others:
            raise ImportRefused(
                f"the column {others[0]!r} is no field of an event: map it (--map FIELD={others[0]}), keep it "
                f"(--property {others[0]}), or leave such columns aside (--ignore-others)"
            )
        return fields

    def _check(self, fields: Mapping[str, str]) -> None:
        if both := sorted(fields.keys() & self.values.keys()):
            raise ImportRefused(f"{both[0]} is given a column and a value")
        if "properties" in {*fields, *self.values} and self.property_columns:
            raise ImportRefused("properties come from a column of their own or from --property columns, not from both")
        needed = _NEEDED if self.key_stem is not None else ("idempotency_key", *_NEEDED)
        for name in needed:
            if name not in fields and name not in self.values:
                how = f"--map {name}=COLUMN or --set {name}=VALUE"
                if name == "idempotency_key":
                    how = "--map idempotency_key=COLUMN, or --key-stem STEM to name the rows STEM:1, STEM:2 and so on"
                raise ImportRefused(f"the file has no column {name}: {how}")
