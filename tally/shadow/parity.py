"""Parity of shadow against live, counter by counter: told and summed up alike in both accounts, to the last digit."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any, Literal, LiteralString

import psycopg
from psycopg.rows import dict_row

from tally.reconciliation.notation import quantity

Verdict = Literal["ok", "break", "missing"]


@dataclass(frozen=True)
class ShadowLine:
    """One counter in both accounts. `live_stripe` and `shadow_stripe` are the meters' totals, None while not read.

    `verdict`: ok; break (told or summed up differently); missing (an intent is open or a total is not read yet).
    `cause` says why it is not ok.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    counted: Decimal | None
    live_told: Decimal
    shadow_told: Decimal
    live_stripe: Decimal | None
    shadow_stripe: Decimal | None
    verdict: Verdict
    cause: str | None


@dataclass(frozen=True)
class ShadowParity:
    """Every counter that goes to a shadow account. No line proves nothing, so it does not pass."""

    lines: tuple[ShadowLine, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        """Lines by verdict."""
        verdicts: tuple[Verdict, ...] = ("ok", "break", "missing")
        return {verdict: sum(line.verdict == verdict for line in self.lines) for verdict in verdicts}

    @property
    def passed(self) -> bool:
        """Whether every line is ok, and there is one."""
        return bool(self.lines) and all(line.verdict == "ok" for line in self.lines)


def shadow_parity(
    connection: psycopg.Connection[Any], tenant_id: str, starting_in: tuple[datetime, datetime] | None = None
) -> ShadowParity:
    """Compare by what was told and last read; `starting_in` takes only periods that start in `[from, before)`."""
    starting_from, starting_before = starting_in or (None, None)
    bounds = {"tenant_id": tenant_id, "starting_from": starting_from, "starting_before": starting_before}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_statement(), bounds).fetchall()
    return ShadowParity(tuple(map(_line, rows)))


def _statement() -> LiteralString:
    return (files(__package__) / "sql" / "parity.sql").read_text()


def _line(row: dict[str, Any]) -> ShadowLine:
    verdict, cause = _judged(row)
    shown = {name: row[name] for name in ShadowLine.__dataclass_fields__ if name in row}
    return ShadowLine(**shown, verdict=verdict, cause=cause)


def _judged(row: dict[str, Any]) -> tuple[Verdict, str | None]:
    """Most telling first. An open intent may explain any difference, so until it is settled nothing is judged."""
    for side in ("live", "shadow"):
        if row[f"{side}_open"] is not None:
            return "missing", f"{side} intent is {row[f'{side}_open']} over {quantity(row[f'{side}_in_flight'])}"
    if row["live_told"] != row["shadow_told"]:
        live, shadow = quantity(row["live_told"]), quantity(row["shadow_told"])
        return "break", f"live was told {live}, the shadow {shadow}: `tally push` says why"
    for side in ("live", "shadow"):
        if row[f"{side}_stripe"] is None:
            return (
                "missing",
                f"the total of the {side} account was not read: it has no subscription item, or was not asked",
            )
    if row["live_stripe"] != row["shadow_stripe"]:
        return (
            "break",
            f"the live meter says {quantity(row['live_stripe'])}, the shadow's {quantity(row['shadow_stripe'])}",
        )
    return "ok", None
