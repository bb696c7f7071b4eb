"""The v2 meter-event stream behind the same ledger: a hundred events a call, and never one of them twice."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from counter_rows import put_counter
from push_billing import TENANT, Billing
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.push import DeliveryResult, deliver, plan
from tally.push.intents import Claim
from tally.push.stream import Stream
from tally.settings import Settings
from tally.stripe.account import StripeAccount, open_account
from tally.stripe.sync import sync_subscriptions

STREAM = "/v2/billing/meter_event_stream"
DAY = 86_400.0


@dataclass
class Live:
    """The customers of a live account, a day after they subscribed; it sends by the stream."""

    billing: Billing
    settings: Settings
    account: StripeAccount
    clock: FixedClock
    customers: dict[str, str]

    def push(self) -> DeliveryResult:
        plan(self.billing.connection, self.account, TENANT, self.clock)
        return deliver(self.settings, self.account, TENANT, self.clock)

    def counted(self) -> dict[str, int]:
        """How often each identifier was counted."""
        self.billing.stripe.control.post("/_sandbox/catch_up").raise_for_status()
        answer = self.billing.stripe.control.get("/_sandbox/oracle/meter_events", params={"namespace": "live"})
        return {event["identifier"]: event["applied_count"] for event in answer.json()["data"]}


@pytest.fixture
def live(billing: Billing) -> Live:
    key = {"STRIPE_API_KEY": "sk_live_" + "tally0000000000000000000", "TALLY_PUSH_STREAM": "on"}
    settings = Settings.model_validate(billing.settings.model_dump(by_alias=True) | key)
    account = open_account(settings)
    side = StripeSide(billing.stripe.url, account, billing.stripe.control)
    for metric in ("api_calls", "peak_load"):
        side.meter(metric)
    customers = {ref: side.customer(ref, None) for ref in billing.customers}
    for customer in customers.values():
        side.subscribe(customer, "api_calls", "peak_load")
    side.change(clock_offset_seconds=DAY)
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0) + timedelta(days=1))
    sync_subscriptions(billing.connection, account, TENANT, clock)
    for number, ref in enumerate(customers):
        [period] = billing.connection.execute(
            "select period_start, period_end from tally.customer_periods"
            " where customer_ref = %s and period_start <= %s and period_end > %s",
            (ref, clock.at, clock.at),
        ).fetchall()
        for metric in ("api_calls", "peak_load"):
            put_counter(billing.connection, TENANT, ref, metric, number + 1, period, clock.at - timedelta(hours=1))
    return Live(billing, settings, account, clock, customers)


def test_a_batch_goes_in_one_call(live: Live) -> None:
    result = live.push()
    assert (result.attempts, result.calls, result.left) == ({"accepted": 6}, 1, {})
    assert live.billing.states() == ["confirmed"] * 6
    assert list(live.counted().values()) == [1] * 6


def test_a_batch_without_an_answer_is_not_repeated_but_looked_up(live: Live) -> None:
    live.billing.stripe.fail("drop", path=STREAM)
    result = live.push()
    assert result.attempts == {"unrepeatable": 6}
    live.counted()
    assert deliver(live.settings, live.account, TENANT, live.clock).left == {}
    assert live.billing.states() == ["confirmed"] * 6
    assert live.billing.one("select array_agg(distinct confirmed_by) from tally.push_intents") == ["summary"]
    assert list(live.counted().values()) == [1] * 6


@pytest.mark.parametrize(("kind", "script"), [("refused", {}), ("rate_limited", {"retry_after": "0.2"})])
def test_what_the_stream_did_not_take_goes_singly(live: Live, kind: str, script: dict[str, Any]) -> None:
    live.billing.stripe.fail(kind, path=STREAM, **script)
    result = live.push()
    assert (result.attempts, result.calls) == ({"accepted": 6}, 7)
    assert list(live.counted().values()) == [1] * 6
    assert live.billing.one("select count(*) from tally.push_attempts where outcome = 'unsent'") == 6


def test_a_session_that_ended_is_renewed(live: Live) -> None:
    stream = Stream(live.account)
    for offset in (DAY, DAY + 1_000):
        live.billing.stripe.change(clock_offset_seconds=offset)
        claimed = Claim(
            live.billing.one("select gen_random_uuid()"), 1, "globex", "api_calls", Decimal(1), "api_calls",
            live.customers["globex"], live.clock.at, f"tl1.{offset}", live.clock.at, "",
        )  # fmt: skip
        assert stream.send([claimed]).kind == "accepted"
    assert live.counted() == {f"tl1.{DAY}": 1, f"tl1.{DAY + 1_000}": 1}
