"""The signing secrets of Stripe's webhooks, from the environment: per account and mode, several at once."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tally.errors import SettingsError
from tally.settings import Settings

_ACCOUNT = re.compile(r"(self|shadow|(shadow:)?acct_\w+)")
_MODES = {"live": True, "test": False}
_FORM = "write account:mode:secret, e.g. self:test:whsec_... or acct_1:live:whsec_..., white space between entries"


@dataclass(frozen=True)
class WebhookSecret:
    """One secret, and the mode of the endpoint that signs with it."""

    livemode: bool
    secret: str = field(repr=False)


def webhook_secrets(settings: Settings) -> Mapping[str, tuple[WebhookSecret, ...]]:
    """By account ("self", "acct_...", "shadow", "shadow:acct_..."), in the order given.

    Several of one account and mode are all good: an endpoint whose secret is being rolled has two, and snapshot and
    thin events come from two endpoints.

    Raises:
        SettingsError: naming the entry by its place, never what it holds.
    """
    given = settings.stripe_webhook_secrets
    found: dict[str, list[WebhookSecret]] = defaultdict(list)
    for place, entry in enumerate(given.get_secret_value().split() if given else (), start=1):
        rest, _, secret = entry.rpartition(":")
        account, _, mode = rest.rpartition(":")
        if not _ACCOUNT.fullmatch(account):
            raise SettingsError(f"STRIPE_WEBHOOK_SECRETS, entry {place}: no account self, acct_..., shadow; {_FORM}")
        if mode not in _MODES:
            raise SettingsError(f"STRIPE_WEBHOOK_SECRETS, entry {place}: the mode is neither live nor test; {_FORM}")
        if account.startswith("shadow") and _MODES[mode]:
            raise SettingsError(f"STRIPE_WEBHOOK_SECRETS, entry {place}: a shadow account is never live; {_FORM}")
        if not secret.startswith("whsec_"):
            raise SettingsError(f"STRIPE_WEBHOOK_SECRETS, entry {place}: the secret is no whsec_...; {_FORM}")
        found[account].append(WebhookSecret(_MODES[mode], secret))
    return {account: tuple(secrets) for account, secrets in found.items()}
