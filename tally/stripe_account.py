"""The Stripe account that calls go to: its key from the environment, its mode, its address, its time-outs."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import stripe

from tally.errors import StripeModeError
from tally.settings import Settings
from tally.stripe_pace import Pace

CONNECT_TIMEOUT_SECONDS = 3
# The SDK's own retries: one Idempotency-Key, 0.5 s and more apart. Reads only; a push attempt is one request, so that
# every request has its row in tally.push_attempts.
READ_RETRIES = 2
PUSH_RETRIES = 0

_STRIPE_ITSELF = "api.stripe.com"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_PREFIXES = {"sk_live_": True, "rk_live_": True, "sk_test_": False, "rk_test_": False}


@dataclass(frozen=True)
class StripeAccount:
    """One account in one mode. Closing is per thread: each thread that called closes its own connections.

    `pushes` and `reads` pace the calls. Stripe allows 1,000 meter events a second in live mode, 100 for a connected
    account, and 25 calls of any kind a second in test mode; a local Stripe sets its own limits.
    """

    client: stripe.StripeClient = field(repr=False)
    livemode: bool
    account: str
    timeout_seconds: int
    pushes: Pace = field(repr=False)
    reads: Pace = field(repr=False)
    http: stripe.RequestsClient = field(repr=False)

    def options(self, idempotency_key: str | None = None) -> stripe.RequestOptions:
        """Per-call options: which connected account, and the Idempotency-Key of a push."""
        options: stripe.RequestOptions = {}
        if self.account != "self":
            options["stripe_account"] = self.account
        if idempotency_key is not None:
            options["idempotency_key"] = idempotency_key
            options["max_network_retries"] = PUSH_RETRIES
        return options

    def close(self) -> None:
        """Close this thread's connections."""
        self.http.close()  # type: ignore[no-untyped-call]

    @property
    def mode(self) -> Literal["live", "test"]:
        """The mode in a word, for people."""
        return "live" if self.livemode else "test"


def open_account(settings: Settings, account: str = "self") -> StripeAccount:
    """The account that the environment's key opens; `account` is "self" or a connected one (`acct_...`).

    Nothing is called yet, and the key is neither logged nor shown.

    Raises:
        StripeModeError: no key, not a secret key, or a live key on its way to an unencrypted address.
    """
    if settings.stripe_api_key is None:
        raise StripeModeError(
            "STRIPE_API_KEY is not set: nothing was sent. Begin with a test key (sk_test_, rk_test_)."
        )
    key = settings.stripe_api_key.get_secret_value()
    livemode = next((live for prefix, live in _PREFIXES.items() if key.startswith(prefix)), None)
    if livemode is None:
        raise StripeModeError(
            "STRIPE_API_KEY does not start with sk_live_, rk_live_, sk_test_ or rk_test_: nothing was sent."
        )
    if account != "self" and not account.startswith("acct_"):
        raise StripeModeError(f"{account!r} is no Stripe account: give self or acct_...; nothing was sent.")
    host = _host(settings.stripe_api_base, livemode)
    # Only a process-wide switch exists: the SDK would otherwise report the timing of each call with the next one.
    stripe.enable_telemetry = False
    http = stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, settings.stripe_timeout_seconds))
    base = settings.stripe_api_base
    client = stripe.StripeClient(
        key,
        http_client=http,
        max_network_retries=READ_RETRIES,
        base_addresses={"api": base.rstrip("/")} if base else {},
    )
    pushes, reads = _paces(host, livemode, account)
    return StripeAccount(client, livemode, account, settings.stripe_timeout_seconds, pushes, reads, http)


def _host(base: str | None, livemode: bool) -> str:
    address = urlsplit(base or f"https://{_STRIPE_ITSELF}")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise StripeModeError(f"STRIPE_API_BASE is no address: {base!r}; nothing was sent.")
    if livemode and address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise StripeModeError("STRIPE_API_BASE is unencrypted and the key is a live one: nothing was sent.")
    return address.hostname


def _paces(host: str, livemode: bool, account: str) -> tuple[Pace, Pace]:
    if host != _STRIPE_ITSELF:
        return Pace(None), Pace(None)
    if not livemode:
        shared = Pace(20)
        return shared, shared
    return Pace(800 if account == "self" else 80), Pace(10)
