"""What Stripe told us by webhook, handled: each object read anew, so that order and repeats do not matter."""

from tally.webhooks.accounts import AccountHandled, handle_all, is_due
from tally.webhooks.handling import HandleResult, handle
from tally.webhooks.listing import NoSuchWebhook, Webhook, list_webhooks, retry, show

__all__ = [
    "AccountHandled",
    "HandleResult",
    "NoSuchWebhook",
    "Webhook",
    "handle",
    "handle_all",
    "is_due",
    "list_webhooks",
    "retry",
    "show",
]
