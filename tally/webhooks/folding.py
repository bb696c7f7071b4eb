"""Folding an error report back into the push ledger: what Stripe dropped is void, and its value is to be sent again.

A report names some of the events it counts. What it names is rejected; a meter that is gone pauses its mapping; and
where it counts more than it names, the meter's totals are read, and say which intents to doubt (`suspects.py`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.clock import Clock
from tally.mapping_pauses import pause
from tally.push_rejections import METER_CODES, reject
from tally.stripe.account import StripeAccount
from tally.stripe.mirror import MirrorKey
from tally.stripe.subscriptions import StripeMeter, read_meters
from tally.webhooks.error_reports import DroppedEvents, ErrorReport
from tally.webhooks.suspects import question

# A report names the Idempotency-Key, which is the identifier, or after an answered 5xx the identifier and a number.
_NUMBERED = re.compile(r"~\d+\Z")
_NAMED = """
select tenant_id, event_name, state, rejected_at is not null as is_rejected
from tally.push_intents
where account = %(account)s and livemode = %(livemode)s and identifier = any(%(identifiers)s)
"""
_MAPPED = """
select distinct tenant_id from tally.push_mappings
where account = %(account)s and event_name = %(event_name)s and active and tenant_id = any(%(tenant_ids)s)
"""
_STORE = """
insert into tally.meter_error_reports (
    tenant_id, account, livemode, event_id, code, event_name, error_count, sampled, rejected, message,
    window_start, window_end, reported_at
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(event_id)s, %(code)s, %(event_name)s, %(error_count)s, %(sampled)s,
    %(rejected)s, %(message)s, %(window_start)s, %(window_end)s, %(reported_at)s
)
on conflict (tenant_id, account, livemode, event_id, code) do update set rejected = excluded.rejected
"""
_QUESTIONED = """
update tally.meter_error_reports set questioned = questioned + %(questioned)s
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s and event_id = %(event_id)s
  and code = %(code)s
"""


class StillOnItsWay(Exception):
    """The report names intents that have no certain answer yet: they are settled first."""


@dataclass(frozen=True)
class _Named:
    """An intent that a report names."""

    tenant_id: str
    event_name: str
    state: str
    is_rejected: bool


def fold(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_ids: Sequence[str],
    report: ErrorReport,
    clock: Clock,
) -> str | None:
    """Bring the ledger in line with the report; says what was done, or None where it is about nothing of ours.

    Raises:
        StillOnItsWay: fold it later.
        stripe.StripeError: Stripe could not be asked about its meters; nothing was changed.
    """
    folding = _Folding(connection, account, tenant_ids, report, read_meters(account), clock)
    sentences = [sentence for dropped in report.dropped for sentence in folding.fold(dropped)]
    return "; ".join(sentences) or None


@dataclass(frozen=True)
class _Folding:
    connection: psycopg.Connection[Any]
    account: StripeAccount
    tenant_ids: Sequence[str]
    report: ErrorReport
    meters: Mapping[str, StripeMeter]
    clock: Clock

    @property
    def reported(self) -> StripeMeter | None:
        """The meter that the report is about; None where Stripe found none."""
        return self.meters.get(self.report.meter_id) if self.report.meter_id is not None else None

    def fold(self, dropped: DroppedEvents) -> list[str]:
        """The errors of one code; a sentence per tenant that they concern."""
        identifiers = list(dict.fromkeys(_NUMBERED.sub("", each) for each in dropped.identifiers))
        named = self._named(identifiers)
        if on_its_way := sum(intent.state in ("sending", "unknown") for intent in named):
            raise StillOnItsWay(f"{on_its_way} intents that it names have no certain answer yet; looked at again then")
        event_names = {intent.event_name for intent in named}
        if self.reported is not None:
            event_names.add(self.reported.event_name)
        gone = self._gone(event_names) if dropped.code in METER_CODES else []
        keys = self._keys({intent.tenant_id for intent in named}, event_names, self.clock.now())
        with self.connection.transaction():
            for key in keys:
                reject(self.connection, key, dropped.code, dropped.message, identifiers)
                for event_name in gone:
                    pause(self.connection, key, event_name, dropped.code, self.report.event_id)
                self._keep(key, dropped, identifiers, event_names)
        paused = f", mapping to {', '.join(gone)} paused" if gone else ""
        return [
            f"{key.tenant_id}: {dropped.count} dropped ({dropped.code}), "
            f"{sum(intent.tenant_id == key.tenant_id for intent in named)} of its intents named{paused}"
            f"{self._doubted(key, dropped)}"
            for key in keys
        ]

    def _keys(self, named: Iterable[str], event_names: Iterable[str], now: datetime) -> list[MirrorKey]:
        """The tenants of named intents, and those who send to a meter of these names."""
        tenants = set(named)
        for event_name in event_names:
            scope = {"account": self.account.account, "event_name": event_name, "tenant_ids": list(self.tenant_ids)}
            tenants |= {row[0] for row in self.connection.execute(_MAPPED, scope)}
        return [MirrorKey(each, self.account.account, self.account.livemode, now) for each in sorted(tenants)]

    def _gone(self, event_names: Iterable[str]) -> list[str]:
        """Those that no meter takes as Stripe has them now; a report may be older than the mending."""
        return sorted(set(event_names) - {meter.event_name for meter in self.meters.values() if meter.problem is None})

    def _doubted(self, key: MirrorKey, dropped: DroppedEvents) -> str:
        unnamed = dropped.count - len(dropped.identifiers)
        if unnamed <= 0 or self.reported is None:
            return ""
        doubted = question(self.connection, self.account, key, self.reported, self.report.event_id, self.clock)
        about = key.parameters(event_id=self.report.event_id, code=dropped.code, questioned=doubted)
        self.connection.execute(_QUESTIONED, about)
        return f", {unnamed} not named: totals read, {doubted} intents in doubt"

    def _named(self, identifiers: list[str]) -> list[_Named]:
        scope = {"account": self.account.account, "livemode": self.account.livemode, "identifiers": identifiers}
        with self.connection.cursor(row_factory=class_row(_Named)) as cursor:
            return cursor.execute(_NAMED, scope).fetchall()

    def _keep(self, key: MirrorKey, dropped: DroppedEvents, identifiers: list[str], event_names: Iterable[str]) -> None:
        """The report as people look it up; folded again, it says the same."""
        named = self._named(identifiers)
        about = key.parameters(
            event_id=self.report.event_id,
            code=dropped.code,
            event_name=", ".join(sorted(event_names)) or None,
            error_count=dropped.count,
            sampled=len(dropped.identifiers),
            rejected=sum(intent.tenant_id == key.tenant_id and intent.is_rejected for intent in named),
            message=dropped.message,
            window_start=self.report.window_start,
            window_end=self.report.window_end,
            reported_at=self.report.reported_at,
        )
        self.connection.execute(_STORE, about)
