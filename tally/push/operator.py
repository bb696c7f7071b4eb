"""What a person may decide about the push ledger. Each decision is recorded on the intent, with who and why."""

from typing import Any
from uuid import UUID

import psycopg

from tally.errors import TallyError
from tally.stripe.account import StripeAccount


class NotDecidable(TallyError):
    """The intent is not in a state that a person may settle."""


def release_refused(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    customer_ref: str | None = None,
    metric: str | None = None,
) -> int:
    """Let the next plan try counters again whose intents Stripe refused, or accepted and dropped; returns how many."""
    with connection.transaction():
        return connection.execute(
            "update tally.push_intents set state = 'cancelled' where tenant_id = %(tenant_id)s"
            " and account = %(account)s and livemode = %(livemode)s and state in ('refused', 'rejected')"
            " and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)"
            " and (%(metric)s::text is null or metric = %(metric)s)",
            {
                "tenant_id": tenant_id,
                "account": account.account,
                "livemode": account.livemode,
                "customer_ref": customer_ref,
                "metric": metric,
            },
        ).rowcount


def decide(connection: psycopg.Connection[Any], tenant_id: str, intent_id: UUID, arrived: bool, reason: str) -> None:
    """Settle a disputed or resolving intent by hand: it arrived at Stripe, or it never did. `reason` names who and why.

    Raises:
        NotDecidable: no such intent, or it is not waiting for a person.
    """
    with connection.transaction():
        decided = connection.execute(
            "update tally.push_intents set state = case when %(arrived)s then 'confirmed' else 'missing' end,"
            " confirmed_by = case when %(arrived)s then 'operator' end,"
            " confirmed_at = case when %(arrived)s then now() end,"
            " last_error = coalesce(last_error || '; ', '') || 'decided by hand: ' || %(reason)s"
            " where tenant_id = %(tenant_id)s and intent_id = %(intent_id)s and state in ('disputed', 'resolving')",
            {"tenant_id": tenant_id, "intent_id": intent_id, "arrived": arrived, "reason": reason},
        ).rowcount
    if decided == 0:
        raise NotDecidable(f"intent {intent_id} of tenant {tenant_id} is not waiting for a person: nothing changed")
