"""The push ledger: counters become intents, intents become Stripe meter events, exactly once each."""

from tally.clock import Clock
from tally.database import connect, database_url
from tally.push.accounts import Standing, resume, standing
from tally.push.adoption import Adoption, adopt
from tally.push.delivery import DeliveryResult, deliver
from tally.push.operator import decide, release_refused
from tally.push.planning import Counter, Held, Planned, PlanResult, plan, preview
from tally.settings import Settings
from tally.stripe.account import StripeAccount

__all__ = [
    "Adoption",
    "Counter",
    "DeliveryResult",
    "Held",
    "PlanResult",
    "Planned",
    "Standing",
    "adopt",
    "decide",
    "deliver",
    "plan",
    "preview",
    "push",
    "release_refused",
    "resume",
    "standing",
]


def push(settings: Settings, account: StripeAccount, tenant_id: str, clock: Clock) -> tuple[PlanResult, DeliveryResult]:
    """Plan what moved and deliver it, with whatever earlier runs left open."""
    with connect(database_url(settings), autocommit=True) as connection:
        planned = plan(connection, account, tenant_id, clock)
    return planned, deliver(settings, account, tenant_id, clock)
