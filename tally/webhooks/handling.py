"""Handling what was received: a webhook only says what to read anew, so late, reordered and repeated ones do no harm.

Safe to kill at any instruction and to run in any number of processes.
"""

import time
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.push_rejections import release_mended
from tally.stripe.account import StripeAccount
from tally.stripe.invoice_mirror import mirror_invoice, read_invoice
from tally.stripe.mirror import MirrorKey
from tally.stripe.reads import reads_booked
from tally.stripe.subscriptions import StripeMeter, read_meters
from tally.stripe.sync import sync_subscription
from tally.webhooks.error_reports import REPORT_TYPES, read_report
from tally.webhooks.folding import StillOnItsWay, fold
from tally.webhooks.queue import MOST_ATTEMPTS, ClaimedWebhook, EndState, claim, end, postpone, put_back, waiting

SUBSCRIPTIONS = "customer.subscription."
INVOICE_TYPES = frozenset(
    {"invoice.created", "invoice.finalized", "invoice.paid", "invoice.voided", "invoice.marked_uncollectible"}
)


@dataclass(frozen=True)
class HandleResult:
    """What a handler did. `ended` counts webhooks by new state (handled, ignored, failed); `waiting` are still open.

    `failures` are sentences for a person. `stopped` says that Stripe does not take the key, None when it does.
    """

    ended: Mapping[str, int]
    waiting: int
    failures: tuple[str, ...] = ()
    stopped: str | None = None


@dataclass
class _Handler:
    connection: psycopg.Connection[Any]
    account: StripeAccount
    tenant_ids: Sequence[str]
    clock: Clock
    ended: Tally[str] = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)
    stopped: str | None = None

    @cached_property
    def meters(self) -> Mapping[str, StripeMeter]:
        """The account's meters, read once per run: they change when a person changes them."""
        return read_meters(self.account)


def handle(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_ids: Sequence[str],
    clock: Clock,
    *,
    patience: timedelta = timedelta(minutes=5),
) -> HandleResult:
    """Handle what is due of the account, which bills for these tenants (at least one), for `patience` at most.

    `connection` is in autocommit. What Stripe does not answer for is tried again later, eight times, and then `failed`.
    """
    handler = _Handler(connection, account, tenant_ids, clock)
    # The tenants share the account's allowance.
    with reads_booked(connection, account, tenant_ids[0], "webhooks", clock):
        _handle_due(handler, time.monotonic() + patience.total_seconds())
    now = clock.now()
    for tenant_id in tenant_ids:
        release_mended(connection, MirrorKey(tenant_id, account.account, account.livemode, now))
    return HandleResult(dict(handler.ended), waiting(connection, account), tuple(handler.failures), handler.stopped)


def _handle_due(handler: _Handler, deadline: float) -> None:
    while handler.stopped is None and time.monotonic() < deadline:
        webhook = claim(handler.connection, handler.account)
        if webhook is None:
            break
        if webhook.attempts > MOST_ATTEMPTS:
            _failed(handler, webhook, "its handler died each time")
        else:
            _handle_one(handler, webhook)


def _handle_one(handler: _Handler, webhook: ClaimedWebhook) -> None:
    try:
        outcome = _outcome(handler, webhook)
    except stripe.AuthenticationError as error:
        handler.stopped = str(error.user_message or error)
        put_back(handler.connection, handler.account, webhook, handler.stopped, is_counted=False)
        postpone(handler.connection, handler.account.account, handler.account.livemode, handler.stopped)
    except StillOnItsWay as wait:
        put_back(handler.connection, handler.account, webhook, str(wait), is_counted=False)
    except stripe.StripeError as error:
        _failed(handler, webhook, f"{type(error).__name__}: {error.user_message or error}")
    else:
        state: EndState = "handled" if outcome is not None else "ignored"
        end(handler.connection, handler.account, webhook, state, outcome or "not about billing", handler.clock.now())
        handler.ended[state] += 1


def _failed(handler: _Handler, webhook: ClaimedWebhook, why: str) -> None:
    if webhook.attempts < MOST_ATTEMPTS:
        put_back(handler.connection, handler.account, webhook, why, is_counted=True)
        return
    end(handler.connection, handler.account, webhook, "failed", why, handler.clock.now())
    handler.ended["failed"] += 1
    handler.failures.append(f"{webhook.type} {webhook.event_id}: {why}")


def _outcome(handler: _Handler, webhook: ClaimedWebhook) -> str | None:
    """What was done, in words; None when there was nothing to do."""
    kind = webhook.type.removeprefix("v1.")  # as a thin event names what a snapshot event calls by the rest
    if kind.startswith(SUBSCRIPTIONS) and webhook.object_id is not None:
        return _subscription(handler, webhook.object_id)
    if kind in INVOICE_TYPES and webhook.object_id is not None:
        return _invoice(handler, webhook.object_id)
    if webhook.type in REPORT_TYPES:
        report = read_report(handler.account, webhook.event_id)
        return fold(handler.connection, handler.account, handler.tenant_ids, report, handler.clock)
    return None


def _subscription(handler: _Handler, subscription_id: str) -> str:
    said = []
    for tenant_id in handler.tenant_ids:
        summary = sync_subscription(
            handler.connection, handler.account, tenant_id, handler.clock, handler.meters, subscription_id
        )
        unmapped = f", {len(summary.unmapped)} not mapped" if summary.unmapped else ""
        said.append(f"{tenant_id}: {summary.items} metered items, {summary.items_ended} ended{unmapped}")
    return f"{subscription_id} synced; {'; '.join(said)}"


def _invoice(handler: _Handler, invoice_id: str) -> str:
    invoice = read_invoice(handler.account, invoice_id)
    if invoice is None:
        return f"{invoice_id} is gone from Stripe"
    said = []
    for tenant_id in handler.tenant_ids:
        keys = mirror_invoice(handler.connection, handler.account, tenant_id, handler.clock, invoice)
        said.append(f"{tenant_id}: {len(keys)} counters")
    return f"{invoice_id} is {invoice.status}; {'; '.join(said)}"
