"""Does usage keep arriving? A customer that used nothing, one that stopped sending, and a broken door look alike until
each sender is measured by its own rhythm."""

from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tally.usage_checks.check import UsageCheck
from tally.usage_checks.statements import statement

# Two weeks hold two weekends. Fewer gaps than that say nothing about the longest one.
DAYS = 14
LEAST_GAPS = 8
COLUMNS = ("tenant", "customer", "metric", "last arrival", "silent for", "usual gap", "alarm after", "what")


def usage_keeps_arriving(connection: psycopg.Connection[Any], now: datetime, factor: float) -> UsageCheck:
    """Every sender that is silent for longer than `factor` times its usual gap, and longer than in these two weeks.

    Does not hold when one is. It costs money when nothing arrives from anybody: usage is being lost at the door or
    before it. A sender without enough history is unknown, and never silent.
    """
    parameters = {"now": now, "days": DAYS, "factor": factor, "least_gaps": LEAST_GAPS}
    with connection.cursor(row_factory=dict_row) as cursor:
        senders = cursor.execute(statement("silence.sql"), parameters).fetchall()
    silent = [sender for sender in senders if sender["is_silent"]]
    unknown = sum(not sender["is_known"] for sender in senders)
    quiet = sorted({sender["tenant_id"] for sender in silent if sender["nobody_sends"]})
    if quiet:
        sentence = f"nothing arrives from anybody of {', '.join(quiet)}: the door or the apps are broken"
    elif silent:
        sentence = f"{len(silent)} senders have stopped while others arrive: ask them, nothing here is broken"
    else:
        sentence = f"{len(senders) - unknown} senders keep their rhythm, {unknown} are too new to have one"
    return UsageCheck(
        holds=not silent,
        costs_money=bool(quiet),
        sentence=sentence,
        numbers={"senders": len(senders), "silent": len(silent), "without a rhythm yet": unknown},
        columns=COLUMNS,
        against=tuple(
            (
                sender["tenant_id"], sender["customer_ref"], sender["metric"], sender["last_arrival"],
                sender["silent_for"], sender["usual_gap"], sender["silent_after"], _what(sender),
            )
            for sender in silent
        ),
    )  # fmt: skip


def _what(sender: dict[str, Any]) -> str:
    if sender["nobody_sends"]:
        return "nothing arrives from anybody"
    return "this customer stopped" if sender["customer_is_silent"] else "this metric stopped, its others arrive"
