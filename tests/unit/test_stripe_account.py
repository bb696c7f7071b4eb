"""Which account a key opens, and what is refused before anything is sent."""

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stripe

from tally.errors import ShadowClosed, StripeModeError
from tally.settings import Settings
from tally.stripe.account import open_account
from tally.stripe.pace import Pace
from tally.stripe.summaries import SummaryUnreadable, exact

LIVE, TEST = "_live_", "_test_"


def settings(key: str | None, base: str | None = None, shadow: str | None = None) -> Settings:
    given: dict[str, Any] = {"TALLY_HOME": Path("/nonexistent"), "STRIPE_API_KEY": key, "STRIPE_API_BASE": base}
    given["STRIPE_SHADOW_API_KEY"] = shadow
    return Settings.model_validate(given)


@pytest.mark.parametrize(
    ("key", "livemode"), [(f"sk{LIVE}x", True), (f"rk{LIVE}x", True), (f"sk{TEST}x", False), (f"rk{TEST}x", False)]
)
def test_the_keys_prefix_says_the_mode(key: str, livemode: bool) -> None:
    account = open_account(settings(key))
    assert (account.livemode, account.mode) == (livemode, "live" if livemode else "test")
    assert stripe.enable_telemetry is False


@pytest.mark.parametrize("key", [None, "", "pk_test_x", "whatever", "sk_prod_x"])
def test_without_a_secret_key_nothing_is_sent(key: str | None) -> None:
    with pytest.raises(StripeModeError, match="nothing was sent"):
        open_account(settings(key))


def test_neither_the_account_nor_an_error_shows_the_key() -> None:
    secret = f"sk{TEST}veryverysecret"
    assert "veryverysecret" not in repr(open_account(settings(secret)))
    with pytest.raises(StripeModeError) as caught:
        open_account(settings("xk_veryverysecret"))
    assert "veryverysecret" not in str(caught.value)


def test_a_live_key_does_not_go_over_the_wire_in_clear() -> None:
    with pytest.raises(StripeModeError, match="unencrypted"):
        open_account(settings(f"sk{LIVE}x", "http://stripe.example"))
    assert open_account(settings(f"sk{LIVE}x", "http://127.0.0.1:12111")).livemode
    assert open_account(settings(f"sk{TEST}x", "http://sandbox:12111")).account == "self"


@pytest.mark.parametrize("base", ["stripe.example", "ftp://stripe.example", "https://"])
def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(StripeModeError, match="no address"):
        open_account(settings(f"sk{TEST}x", base))


def test_a_connected_account_goes_with_every_call() -> None:
    account = open_account(settings(f"sk{TEST}x"), "acct_42")
    assert account.options() == {"stripe_account": "acct_42"}
    assert account.options("key") == {"stripe_account": "acct_42", "idempotency_key": "key", "max_network_retries": 0}
    with pytest.raises(StripeModeError, match="no Stripe account"):
        open_account(settings(f"sk{TEST}x"), "newark")


def test_each_account_is_opened_by_its_own_key_alone() -> None:
    both = settings(f"sk{LIVE}x", shadow=f"sk{TEST}y")
    live, shadow, connected = (open_account(both, name) for name in ("self", "shadow", "shadow:acct_42"))
    assert [account.mode for account in (live, shadow, connected)] == ["live", "shadow", "shadow"]
    assert (live.livemode, shadow.livemode) == (True, False)
    assert live.key_id != shadow.key_id == connected.key_id
    assert shadow.options() == {}
    assert connected.options() == {"stripe_account": "acct_42"}
    assert live.reads is not shadow.reads


@pytest.mark.parametrize(
    ("key", "shadow"),
    [
        (f"sk{LIVE}x", None),
        (f"sk{LIVE}x", ""),
        (f"sk{LIVE}x", f"sk{LIVE}y"),
        (f"sk{LIVE}x", f"rk{LIVE}y"),
        (f"sk{LIVE}x", "pk_test_y"),
        (f"sk{TEST}x", f"sk{TEST}y"),
        (f"sk{TEST}x", f"sk{TEST}x"),
    ],
)
def test_a_shadow_needs_a_test_key_beside_a_live_one(key: str, shadow: str | None) -> None:
    with pytest.raises(ShadowClosed, match="nothing was sent to the shadow account"):
        open_account(settings(key, shadow=shadow), "shadow")


def test_a_pace_spreads_calls() -> None:
    pace = Pace(100)
    start = time.monotonic()
    for _ in range(40):
        pace.wait()
    assert 0.25 < time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("key", "account", "per_second"),
    [(LIVE, "self", 1000), (LIVE, "acct_1", 90), (TEST, "self", 20), (TEST, "acct_1", 20)],
)
def test_meter_events_keep_stripes_limits_and_ours(key: str, account: str, per_second: float) -> None:
    assert open_account(settings(f"sk{key}x"), account).pushes_per_second == per_second
    local = settings(f"sk{key}x", "http://127.0.0.1:12111")
    assert open_account(local, account).pushes_per_second is None
    names = {"push_live_per_second": 7.0, "push_connect_per_second": 8.0, "push_test_per_second": 9.0}
    given = open_account(local.model_copy(update=names), account).pushes_per_second
    assert given == (9 if key == TEST else 7 if account == "self" else 8)


@pytest.mark.parametrize(
    ("given", "number"),
    [(0.1 + 0.2, "0.3"), (100.0, "100"), (-0.5, "-0.5"), (123456789012.345, "123456789012.345"), (1e-12, "1e-12")],
)
def test_stripes_floats_give_their_decimals_back(given: float, number: str) -> None:
    assert exact(given) == Decimal(number)


def test_beyond_2_to_the_53_a_float_is_not_believed() -> None:
    with pytest.raises(SummaryUnreadable, match="2\\^53"):
        exact(float(2**53))
