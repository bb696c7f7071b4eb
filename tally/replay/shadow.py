"""The shadow: a chunk of customers counted anew by the dbt models, in temporary tables beside the ledger's.

A killed process leaves nothing of it, and two replays of different tenants do not meet.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import psycopg
from jinja2 import Template

from tally.ledger.model_sql import ledger_models, model_sql
from tally.replay.statements import run, run_text

_EVENTS = "int_usage_events_deduplicated"
# Nothing counts by it: its columns about the event follow the event's.
_CONFLICTS = "int_usage_events_conflicts"
_COUNTERS, _GAUGES, _VALUES = "int_usage_counters", "int_usage_gauge_counters", "usage_counters"


def shadow_of(model: str) -> str:
    """The name of the temporary table in which a model is counted anew."""
    return f"replay_{model}"


class Shadow:
    """The temporary tables of one transaction."""

    def __init__(self, connection: psycopg.Connection[Any], parameters: Mapping[str, Any]) -> None:
        """`parameters`: replay_id, tenant_id, metrics and bound, as the SQL files take them."""
        self._connection = connection
        self._parameters = dict(parameters)
        self._models = [model for model in ledger_models() if model.name != _CONFLICTS]
        relations = {model.name: model.relation for model in self._models}
        # What each view on the counters reads instead of them.
        sides = {
            side: {_COUNTERS: f"replay_counters_{side}", _GAUGES: f"replay_gauges_{side}"}
            for side in ("before", "after")
        }
        prepared = _template("prepare.sql").render(
            models=self._models,
            shadow_of=shadow_of,
            events=relations[_EVENTS],
            counters=relations[_COUNTERS],
            gauges={side: model_sql(_GAUGES, in_place) for side, in_place in sides.items()},
            values={side: model_sql(_VALUES, in_place) for side, in_place in sides.items()},
        )
        run_text(connection, prepared)

    def count(self, chunk: int) -> None:
        """Count the customers of `chunk` anew, in the place of the chunk before."""
        parameters = self._parameters | {"chunk": chunk}
        self._empty()
        run(self._connection, "read_chunk.sql", parameters)
        in_place = {model.name: shadow_of(model.name) for model in self._models}
        in_place["stg_usage_events"] = shadow_of("stg_usage_events")
        for model in self._models:
            shadow = shadow_of(model.name)
            columns = ", ".join(self._columns(shadow))
            # What is kept is there already.
            conflict = "on conflict do nothing" if model.on_conflict == "nothing" else ""
            query = model_sql(model.name, in_place)
            insert = f"insert into {shadow} ({columns}) select {columns} from ({query}) as counted {conflict}"
            run_text(self._connection, f"{insert}; analyze {shadow}")
        run(self._connection, "finish_chunk.sql", parameters)
        run(self._connection, "moves.sql", parameters)

    def compare(self) -> None:
        """Put what differs into tally.replay_changes."""
        run_text(self._connection, _of_each_table("differences.sql"), self._parameters)

    def write(self) -> None:
        """Put what differs and is not held into the ledger."""
        run_text(self._connection, _of_each_table("write.sql"), self._parameters)

    def _columns(self, table: str) -> list[str]:
        cursor = self._connection.execute(f"select * from {table} limit 0".encode())
        return [column.name for column in cursor.description or ()]

    def _empty(self) -> None:
        tables = ["customers", "events_before", "stg_usage_events", "kept", "moves", "written"]
        tables += ["counters_before", "counters_after", *(model.name for model in self._models)]
        run_text(self._connection, f"truncate {', '.join(map(shadow_of, tables))}")
        # It belongs to the chunk's rows and is made behind them.
        run_text(self._connection, "drop index if exists pg_temp.replay_deliveries_by_key")


def _of_each_table(name: str) -> str:
    """`sql/<name>`, which goes through the ledger's tables that hold whole counters' rows, each with its shadow."""
    derived = [
        (model.relation, shadow_of(model.name)) for model in ledger_models() if model.name not in (_EVENTS, _CONFLICTS)
    ]
    return _template(name).render(derived=derived)


def _template(name: str) -> Template:
    return Template((files(__package__) / "sql" / name).read_text())
