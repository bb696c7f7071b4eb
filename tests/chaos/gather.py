"""Reads what each side wrote down: the load's record, the database, the local Stripe, the operator's commands."""

from collections.abc import Sequence
from typing import Any

from tests.chaos.cast import TENANT
from tests.chaos.commands import tally
from tests.chaos.evidence import Evidence, Intent
from tests.chaos.outcome import Outcome
from tests.chaos.stage import Stage

_LANDED = "select distinct idempotency_key, customer_ref, metric, quantity from raw.usage_events where tenant_id = %s"
_COUNTED = """
select idempotency_key, count(*) from ledger.int_usage_events_deduplicated
where tenant_id = %s and outcome = 'counted' group by idempotency_key
"""
# A day lies within one billing period: a second row of a counter would take the place of the first, and not add up.
_COUNTERS = "select customer_ref, metric, value, event_count from marts.usage_counters where tenant_id = %s"
_INTENTS = "select identifier, customer_ref, metric, value, state from tally.push_intents where tenant_id = %s"
_PARITY = "select customer_ref, metric, verdict from marts.reconciliation_lines where tenant_id = %s"


def gather(stage: Stage, outcomes: Sequence[Outcome]) -> Evidence:
    """Everything, once the load has ended and the system is at rest. Reconciles first."""
    wrong = [*_wrong(stage, "reconcile", "--all"), *_wrong(stage, "status")]
    stage.book.read()
    with stage.connect() as connection:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query, (TENANT,)).fetchall()

        return Evidence(
            acknowledged={event.key: event for event in stage.book.events()},
            landed=frozenset(rows(_LANDED)),
            counted=dict(rows(_COUNTED)),
            counters={(who, metric): (value, events) for who, metric, value, events in rows(_COUNTERS)},
            intents=[Intent(name, (who, metric), value, state) for name, who, metric, value, state in rows(_INTENTS)],
            applied=stage.stripe.arrivals(),
            stripe=stage.stripe.totals(),
            parity={(who, metric): verdict for who, metric, verdict in rows(_PARITY)},
            outcomes=outcomes,
            unacknowledged=len(stage.book.sent) - len(stage.book.acknowledged),
            rejected=stage.book.rejected,
            wrong=wrong,
        )


def _wrong(stage: Stage, *command: str) -> list[str]:
    """What a command that exits 0 when all is well had to say."""
    said = tally(stage, *command, "--json")
    if said.code == 0:
        return []
    sentences = said.document.get("wrong", []) if isinstance(said.document, dict) else []
    return [f"`tally {' '.join(command)}` exits {said.code}: {'; '.join(sentences) or said.error or said.document}"]
