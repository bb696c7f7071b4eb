"""Closing at a glance, from what is stored; calls nobody."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tally.clock import Clock
from tally.closing.drafts import BilledDraft, drafts
from tally.closing.hold import Hold, holds
from tally.closing.moved import Waiting, moved_counters
from tally.closing.rest import OPEN, Rest, list_rests
from tally.finding import Finding

# An item that no invoice has taken up for that long waits for one that may not come.
STRANDED_AFTER = timedelta(days=62)

_ACCOUNTS = """
select distinct account, livemode from tally.stripe_subscription_items
where tenant_id = %s and not tally.is_shadow(account)
order by account, livemode
"""


@dataclass(frozen=True)
class Overview:
    """Drafts and what is unsettled on them, open holds, rests that are not done, and counters that have to wait."""

    drafts: tuple[BilledDraft, ...]
    holds: tuple[Hold, ...]
    rests: tuple[Rest, ...]
    waiting: tuple[Waiting, ...]
    stranded: tuple[Rest, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        """What needs a person, in words."""
        return tuple(finding.sentence for finding in self.findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The same, each with its kind."""
        return tuple(self._found())

    def _found(self) -> Iterator[Finding]:
        if self.holds:
            sentence = f"{len(self.holds)} drafts are held back: `tally close list` says why"
            yield Finding("drafts_held", "drafts", sentence)
        if proposed := sum(rest.state == "proposed" for rest in self.rests):
            sentence = f"{proposed} rests of closed counters wait for a decision: `tally close list`"
            yield Finding("rests_proposed", "rests", sentence)
        if refused := sum(rest.state == "refused" for rest in self.rests):
            sentence = f"{refused} rests were refused by Stripe: `tally close list` says why"
            yield Finding("rests_refused", "rests", sentence)
        waiting = [each for each in self.waiting if each.needs_a_person]
        if waiting:
            sentence = f"{len(waiting)} closed counters are not billed as counted: {waiting[0].detail}"
            yield Finding("counters_not_billed", "counters", sentence)
        if self.stranded:
            number = len(self.stranded)
            sentence = f"{number} invoice items wait for an invoice that does not come: `tally close list`"
            yield Finding("items_stranded", "invoice items", sentence)


def overview(connection: psycopg.Connection[Any], tenant_id: str, clock: Clock, *, all_rests: bool = False) -> Overview:
    """The tenant's closing as it stands; with `all_rests` those that are over too."""
    now = clock.now()
    # Before the first tick there are no counters, and nothing of Stripe's was read beside them.
    is_built = connection.execute("select to_regclass('marts.reconciliation_lines') is not null").fetchone() == (True,)
    accounts = connection.execute(_ACCOUNTS, (tenant_id,)).fetchall() if is_built else []
    found_drafts: list[BilledDraft] = []
    waiting: list[Waiting] = []
    for account, livemode in accounts:
        found_drafts += drafts(connection, tenant_id, account, livemode, now)
        waiting += moved_counters(connection, tenant_id, account, livemode, clock)[1]
    rests = list_rests(connection, tenant_id)
    return Overview(
        tuple(found_drafts),
        tuple(holds(connection, tenant_id, is_open=True)),
        tuple(rest for rest in rests if all_rests or rest.state in OPEN),
        tuple(waiting),
        tuple(rest for rest in rests if _is_stranded(rest, now)),
    )


def _is_stranded(rest: Rest, now: datetime) -> bool:
    waits = rest.kind == "invoice_item" and rest.state == "done" and rest.billed_on is None
    return waits and rest.done_at is not None and rest.done_at < now - STRANDED_AFTER
