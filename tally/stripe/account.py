"""The Stripe account that calls go to: its key from the environment, its mode, its address, its time-outs."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import stripe

from tally.errors import ShadowClosed, StripeModeError
from tally.settings import Settings
from tally.stripe.pace import Pace
from tally.stripe.requests import CountedRequests

CONNECT_TIMEOUT_SECONDS = 3
# The SDK's own retries: one Idempotency-Key, 0.5 s and more apart. Reads only; a push attempt is one request, so that
# every request has its row in tally.push_attempts.
READ_RETRIES = 2
PUSH_RETRIES = 0

_STRIPE_ITSELF = "api.stripe.com"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_PREFIXES = {"sk_live_": True, "rk_live_": True, "sk_test_": False, "rk_test_": False}
# Stripe's limits: of meter events for a live account, of all calls for a connected one and in test mode.
_LIVE_PER_SECOND, _CONNECT_PER_SECOND, _TEST_PER_SECOND = 1000.0, 100.0, 25.0
_READS_PER_SECOND, _TEST_READS_PER_SECOND = 10.0, 5.0
# What the ledger calls the account of STRIPE_SHADOW_API_KEY; `shadow:acct_...` is one connected to it.
SHADOW = "shadow"


@dataclass(frozen=True)
class StripeAccount:
    """One account in one mode. Closing is per thread: each thread that called closes its own connections.

    `account` is its name in the ledger: "self", `acct_...`, or for shadow mode "shadow", `shadow:acct_...`. Meter
    events go out at `pushes_per_second` at most, whoever sends them (`tally.push.turns`; None: no limit of ours);
    `reads` paces the other calls of this process. `key_id` tells keys apart and gives none away.
    """

    client: stripe.StripeClient = field(repr=False)
    livemode: bool
    account: str
    timeout_seconds: int
    pushes_per_second: float | None
    reads: Pace = field(repr=False)
    http: stripe.RequestsClient = field(repr=False)
    key_id: str
    base: str | None = None

    def options(self, idempotency_key: str | None = None) -> stripe.RequestOptions:
        """Per-call options: which connected account, and the Idempotency-Key of a push."""
        options: stripe.RequestOptions = {}
        connected = self.account.removeprefix(f"{SHADOW}:")
        if connected not in ("self", SHADOW):
            options["stripe_account"] = connected
        if idempotency_key is not None:
            options["idempotency_key"] = idempotency_key
            options["max_network_retries"] = PUSH_RETRIES
        return options

    def streaming(self, token: str) -> stripe.StripeClient:
        """A client of the v2 meter-event stream, for a session's authentication token."""
        return _client(token, self.http, PUSH_RETRIES, self.base)

    def close(self) -> None:
        """Close this thread's connections."""
        self.http.close()  # type: ignore[no-untyped-call]

    @property
    def is_shadow(self) -> bool:
        """Whether it mirrors live pushes into a test account, where nobody is billed."""
        return is_shadow(self.account)

    @property
    def mode(self) -> Literal["live", "test", "shadow"]:
        """The mode in a word, for people."""
        return "shadow" if self.is_shadow else "live" if self.livemode else "test"


def is_shadow(account: str) -> bool:
    """Whether the ledger's name of an account is a shadow's."""
    return account.partition(":")[0] == SHADOW


def open_account(settings: Settings, account: str = "self") -> StripeAccount:
    """The account of that name in the ledger, with the one key that may touch its rows.

    "self" and `acct_...` (connected to it) are opened by STRIPE_API_KEY; "shadow" and `shadow:acct_...` by
    STRIPE_SHADOW_API_KEY, which must be a test key beside a live STRIPE_API_KEY. Nothing is called yet, and no key is
    logged or shown.

    Raises:
        StripeModeError: no key, not a secret key, or a live key on its way to an unencrypted address.
        ShadowClosed: the keys are not those of a shadow beside a live account.
    """
    if is_shadow(account):
        key, livemode = _shadow_key(settings), False
    else:
        key, livemode = _key(settings)
    connected = account.removeprefix(f"{SHADOW}:")
    if connected not in ("self", SHADOW) and not connected.startswith("acct_"):
        raise StripeModeError(f"{account!r} is no Stripe account: give self or acct_...; nothing was sent.")
    host = _host(settings.stripe_api_base, livemode)
    # Only a process-wide switch exists: the SDK would otherwise report the timing of each call with the next one.
    stripe.enable_telemetry = False
    http = CountedRequests(timeout=(CONNECT_TIMEOUT_SECONDS, settings.stripe_timeout_seconds))
    client = _client(key, http, READ_RETRIES, settings.stripe_api_base)
    pushes_per_second, reads = _limits(settings, host, livemode, connected.startswith("acct_"))
    return StripeAccount(
        client,
        livemode,
        account,
        settings.stripe_timeout_seconds,
        pushes_per_second,
        reads,
        http,
        _key_id(key),
        settings.stripe_api_base,
    )


def _client(key: str, http: stripe.RequestsClient, retries: int, base: str | None) -> stripe.StripeClient:
    address = base.rstrip("/") if base else None
    return stripe.StripeClient(
        key,
        http_client=http,
        max_network_retries=retries,
        base_addresses={"api": address, "meter_events": address} if address else {},
    )


def _key(settings: Settings) -> tuple[str, bool]:
    """STRIPE_API_KEY, and whether it is a live one."""
    if settings.stripe_api_key is None:
        raise StripeModeError(
            "STRIPE_API_KEY is not set: nothing was sent. Begin with a test key (sk_test_, rk_test_)."
        )
    key = settings.stripe_api_key.get_secret_value()
    livemode = _livemode(key)
    if livemode is None:
        raise StripeModeError(
            "STRIPE_API_KEY does not start with sk_live_, rk_live_, sk_test_ or rk_test_: nothing was sent."
        )
    return key, livemode


def _shadow_key(settings: Settings) -> str:
    """STRIPE_SHADOW_API_KEY, if it is a test key and the other one a live key: then they can share nothing."""
    nothing = "nothing was sent to the shadow account"
    key = settings.stripe_shadow_api_key.get_secret_value() if settings.stripe_shadow_api_key else ""
    if not key:
        raise ShadowClosed(f"STRIPE_SHADOW_API_KEY is not set: {nothing}. Give a test key (sk_test_, rk_test_).")
    livemode = _livemode(key)
    if livemode is None:
        raise ShadowClosed(f"STRIPE_SHADOW_API_KEY does not start with sk_test_ or rk_test_: {nothing}.")
    if livemode:
        raise ShadowClosed(f"STRIPE_SHADOW_API_KEY is a live key, and a shadow may bill nobody: {nothing}.")
    if not _key(settings)[1]:
        raise ShadowClosed(f"STRIPE_API_KEY is a test key, so there is no live account to shadow: {nothing}.")
    return key


def _livemode(key: str) -> bool | None:
    """What the key's prefix says; None when it is no secret or restricted key."""
    return next((live for prefix, live in _PREFIXES.items() if key.startswith(prefix)), None)


def _host(base: str | None, livemode: bool) -> str:
    address = urlsplit(base or f"https://{_STRIPE_ITSELF}")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise StripeModeError(f"STRIPE_API_BASE is no address: {base!r}; nothing was sent.")
    if livemode and address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise StripeModeError("STRIPE_API_BASE is unencrypted and the key is a live one: nothing was sent.")
    return address.hostname


def _limits(settings: Settings, host: str, livemode: bool, is_connected: bool) -> tuple[float | None, Pace]:
    """Meter events a second, and a pace for the reads: no two accounts, and no two modes, share either."""
    if not livemode:
        given, stripes = settings.push_test_per_second, _TEST_PER_SECOND
    elif is_connected:
        given, stripes = settings.push_connect_per_second, _CONNECT_PER_SECOND
    else:
        given, stripes = settings.push_live_per_second, _LIVE_PER_SECOND
    if host != _STRIPE_ITSELF:
        return given, Pace(None)
    reads = _TEST_READS_PER_SECOND if not livemode else _READS_PER_SECOND
    # The live account's meter events have a limit to themselves; elsewhere all calls share one.
    shared = reads if is_connected or not livemode else 0
    return given or stripes - shared, Pace(reads)


def _key_id(key: str) -> str:
    return hashlib.sha256(f"tallyledger key {key}".encode()).hexdigest()[:16]
