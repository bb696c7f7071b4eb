"""Stripe's keys and modes: which account each opens, whether Stripe takes it, and what a restricted one may not read.

Asking costs one GET per account, of a restricted key six; they are in no budget, because nothing is written here.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import stripe

from tally.doctor.patient import Patient, secret
from tally.doctor.result import Result, ok, warning, wrong
from tally.errors import StripeModeError
from tally.stripe.account import StripeAccount, is_shadow, open_account

CHECK = "stripe"
_ACCOUNTS = "select account, count(*) from tally.push_mappings where active group by account order by account"
# Few rows, one per account and mode that was ever pushed to: push_intents may be millions.
_PUSHED = "select livemode from tally.push_accounts where account = %(account)s"
_FIX_LOOK = "look at DATABASE_URL and the keys: test and live want a database each"
# Stripe refuses a meter event dated 5 minutes ahead; its Date header has whole seconds.
SKEW_WARNING, SKEW_WRONG = timedelta(seconds=5), timedelta(minutes=4)


def stripe_keys(patient: Patient) -> Iterator[Result]:
    """Every account that counters go to, and that of the key itself."""
    mapped = _mapped(patient)
    if not secret(patient.settings.stripe_api_key):
        found = f"no STRIPE_API_KEY: the counters of {sum(mapped.values())} mapped metrics are pushed nowhere"
        fix = "set it; begin with a test key (sk_test_, rk_test_)"
        yield (warning(CHECK, found, fix) if mapped else ok(CHECK, "no STRIPE_API_KEY; no mapped metric is known"))
    names = dict.fromkeys(["self", *mapped]) if secret(patient.settings.stripe_api_key) else {}
    if secret(patient.settings.stripe_shadow_api_key):
        names["shadow"] = None
    for name in names:
        try:
            account = open_account(patient.settings, name)
        except StripeModeError as error:
            yield wrong(CHECK, f"{name}: {error}", "docs/shadow.md" if is_shadow(name) else "mend the variable")
            continue
        try:
            yield from _examined(patient, account)
        finally:
            account.close()


def _mapped(patient: Patient) -> dict[str, int]:
    return dict(patient.rows(_ACCOUNTS)) if patient.connection is not None else {}


def _examined(patient: Patient, account: StripeAccount) -> Iterator[Result]:
    base = account.base or "https://api.stripe.com"
    what = f"{account.account}: {account.mode} mode at {base}"
    if account.livemode and urlsplit(base).hostname != "api.stripe.com":
        yield wrong(CHECK, f"{what}: a live key goes to another address than Stripe's", "unset STRIPE_API_BASE")
        return
    yield from _modes(patient, account)
    if not patient.asks_stripe:
        yield ok(CHECK, f"{what}; Stripe was not asked (--offline)")
        return
    yield from _asked(patient, account, what)


def _modes(patient: Patient, account: StripeAccount) -> Iterator[Result]:
    if patient.connection is None or account.is_shadow:
        return
    modes = {livemode for (livemode,) in patient.rows(_PUSHED, {"account": account.account})}
    if not account.livemode and True in modes:
        found = f"{account.account}: the key is a test key, and this database has pushed in live mode"
        yield wrong(CHECK, found, f"set the live key, or {_FIX_LOOK}")
    if account.livemode and False in modes:
        found = f"{account.account}: the key is a live key, and this database has pushed in test mode too"
        yield warning(CHECK, found, f"nothing is mixed up, every row names its mode; {_FIX_LOOK}")


def _asked(patient: Patient, account: StripeAccount, what: str) -> Iterator[Result]:
    client, options = account.client.v1, {**account.options(), "max_network_retries": 0}
    reads: dict[str, Callable[[Any, Any], Any]] = {
        "meters": client.billing.meters.list,
        "customers": client.customers.list,
        "subscriptions": client.subscriptions.list,
        "prices": client.prices.list,
        "invoices": client.invoices.list,
        "events": client.events.list,
    }
    key = patient.settings.stripe_shadow_api_key if account.is_shadow else patient.settings.stripe_api_key
    is_restricted = secret(key).startswith("rk_")
    refused: list[str] = []
    for name in reads if is_restricted else ["meters"]:
        began = datetime.now(UTC)
        try:
            answer = reads[name]({"limit": 1}, options)
        except stripe.AuthenticationError:
            yield wrong(
                CHECK, f"{what}: Stripe does not know the key", "make a new one in Stripe's Dashboard, and set it"
            )
            return
        except stripe.PermissionError as error:
            if not is_restricted:
                found = f"{what}: Stripe refuses it: {error.user_message or error}"
                yield wrong(CHECK, found, "is the account still connected to this one?")
                return
            refused.append(name)
        except stripe.StripeError as error:
            found = f"{what}: no answer ({type(error).__name__}, HTTP {error.http_status or 'none'})"
            yield wrong(CHECK, found, "status.stripe.com, STRIPE_API_BASE, the network; or --offline")
            return
        else:
            if name == "meters":
                yield from _skew(answer, began, datetime.now(UTC))
    if refused:
        yield wrong(
            CHECK,
            f"{what}: the restricted key may not read {', '.join(refused)}",
            "`.env.example` lists its permissions",
        )
    else:
        unknown = "; what a restricted key may write shows only when it writes" if is_restricted else ""
        yield ok(CHECK, f"{what}, Stripe takes the key{unknown}")


def _skew(answer: Any, began: datetime, ended: datetime) -> Iterator[Result]:
    said = (answer.last_response.headers or {}).get("Date") if answer.last_response else None
    if said is None:
        return
    at = parsedate_to_datetime(said).replace(tzinfo=UTC)  # HTTP knows no other zone
    # Somewhere between asking and the answer, Stripe's clock was in this second.
    off = max(began - at - timedelta(seconds=1), at - ended, timedelta(0))
    apart = "less than a second" if off < timedelta(seconds=1) else f"{off.total_seconds():.0f} s"
    found = f"this machine and Stripe are {apart} apart"
    if off > SKEW_WARNING:
        judge = wrong if off > SKEW_WRONG else warning
        yield judge("clock", found, "keep this machine's time by NTP: Stripe refuses meter events 5 minutes ahead")
    else:
        yield ok("clock", found)
