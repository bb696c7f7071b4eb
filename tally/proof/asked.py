"""The counters asked about as equally long lists: statements that take many at once cost one pass over the events."""

from collections.abc import Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import dict_row

from tally.adjustments.ledger_rules import statement
from tally.proof.billed_line import BilledLine

Row = TypeVar("Row")


def asked_about(lines: Sequence[BilledLine], known_to: Sequence[str | None] = ()) -> dict[str, Any]:
    """The parameters of this package's statements, for lines of one tenant; results name a line by its position.

    `known_to` is, per line, the bound of the proof that it is compared with.
    """
    return {
        "tenant_id": lines[0].tenant_id,
        "customers": [line.customer_ref for line in lines],
        "metrics": [line.metric for line in lines],
        "starts": [line.period_start for line in lines],
        "ends": [line.period_end for line in lines],
        "billed_from": [line.billed_span.start for line in lines],
        "billed_to": [line.billed_span.end for line in lines],
        "known_to": list(known_to) or [None] * len(lines),
    }


def read_by_position(
    connection: psycopg.Connection[Any], row: type[Row], name: str, asked: dict[str, Any]
) -> dict[int, list[Row]]:
    """The rows of `sql/<name>` by the position of their line; columns but `position` are the fields of `row`."""
    found: dict[int, list[Row]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for each in cursor.execute(rendered(name), asked):
            found.setdefault(each.pop("position"), []).append(row(**each))
    return found


def rendered(name: str) -> LiteralString:
    """`sql/<name>`, with the models' own rules in it."""
    return statement(__package__, name)
