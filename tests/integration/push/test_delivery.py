"""What is counted is told to Stripe, once, whatever the answers."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from push_billing import TENANT, Billing

from tally.database import connect
from tally.push import DeliveryResult, deliver, plan
from tally.stripe.account import open_account


def test_counters_are_told_and_only_the_difference_follows(billing: Billing) -> None:
    billing.count("globex", "api_calls", "100.5")
    billing.count("initech", "peak_load", "-7")
    first = billing.push()
    assert (first.confirmed, first.left) == (2, {})
    billing.count("globex", "api_calls", "90.25")
    second = billing.plan()
    assert [(each.value, each.told_quantity, each.seq) for each in second.planned] == [
        (Decimal("-10.25"), Decimal("100.5"), 2)
    ]
    assert billing.deliver().confirmed == 1
    assert billing.applied("globex", "api_calls") == Decimal("90.25")
    assert billing.applied("initech", "peak_load") == Decimal(-7)
    assert billing.plan().planned == []


@pytest.mark.parametrize(
    ("kind", "script", "keys"),
    [
        ("drop", {}, 1),
        ("truncated", {}, 1),
        ("no_answer", {}, 1),
        ("apply_then_500", {"stored": True}, 2),
        ("apply_then_500", {"stored": False}, 2),
        ("fail_500", {}, 2),
        ("html_502", {}, 2),
        ("conflict", {}, 1),
        ("rate_limited", {"retry_after": "1"}, 1),
        ("lock_timeout", {}, 1),
    ],
)
def test_an_unknown_outcome_is_sent_again_under_the_same_identifier(
    billing: Billing, kind: str, script: dict[str, Any], keys: int
) -> None:
    billing.count("globex", "api_calls", "42")
    billing.stripe.fail(kind, **script)
    result = billing.push()
    assert result.attempts["unknown"] == 1
    assert (result.confirmed, result.left) == (1, {})
    assert billing.applied("globex", "api_calls") == 42
    assert list(billing.stripe.arrivals().values()) == [1]
    used = billing.connection.execute("select idempotency_key from tally.push_attempts order by attempt").fetchall()
    assert len({key for (key,) in used}) == keys
    identifier = billing.one("select identifier from tally.push_intents")
    assert used[0] == (identifier,)
    if keys == 2:
        assert used[1] == (f"{identifier}~2",)


def test_several_stored_errors_rotate_the_key_each_time(billing: Billing) -> None:
    billing.count("globex", "api_calls", "42")
    billing.stripe.fail("fail_500", count=2)
    assert billing.push().confirmed == 1
    identifier = billing.one("select identifier from tally.push_intents")
    keys = billing.connection.execute("select idempotency_key from tally.push_attempts order by attempt").fetchall()
    assert keys == [(identifier,), (f"{identifier}~2",), (f"{identifier}~3",)]


def test_a_429_is_waited_out_as_long_as_stripe_asks(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1")
    billing.stripe.fail("rate_limited", retry_after="2")
    billing.plan()
    assert billing.deliver(patience=timedelta(seconds=1)).left == {"unknown": 1}
    waits = billing.one("select lease_until - clock_timestamp() > '500ms' from tally.push_intents")
    assert waits
    assert billing.deliver().confirmed == 1


def test_stripe_down_for_longer_than_patience_leaves_everything_open(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1")
    billing.count("initech", "api_calls", "2")
    billing.stripe.fail("fail_500", count=None)
    down = billing.push(patience=timedelta(seconds=1))
    assert down.left == {"unknown": 2}
    assert not down.is_settled
    billing.stripe.heal()
    assert billing.deliver().left == {}
    assert billing.applied("globex", "api_calls") == 1
    assert billing.applied("initech", "api_calls") == 2


def test_a_permanent_refusal_waits_for_a_person(billing: Billing) -> None:
    billing.stripe.change(refuse_unknown_references_at_once=True)
    billing.stripe.client.v1.billing.meters.deactivate(billing.stripe.meters["api_calls"])
    billing.count("globex", "api_calls", "5")
    refused = billing.push()
    assert refused.attempts == {"refused": 1}
    assert refused.needs_a_person
    assert "No active meter" in refused.refusals[0]
    again = billing.plan()
    assert [(held.reason, held.delta) for held in again.held] == [("refused", Decimal(5))]
    assert "No active meter" in again.held[0].detail


def test_a_refusal_after_an_unanswered_attempt_is_no_refusal(billing: Billing) -> None:
    """The first attempt may have arrived: taking its value back into the delta would count it twice."""
    billing.count("globex", "api_calls", "5")
    billing.stripe.fail("apply_then_500", stored=False)
    billing.push(patience=timedelta(seconds=0.2))
    billing.stripe.change(timestamp_past_seconds=60)  # Stripe checks the time before it looks for a repeat
    result = billing.deliver()
    assert result.attempts == {"refused": 1}
    assert billing.states() in (["confirmed"], ["resolving"])
    assert billing.deliver().left == {}
    assert billing.states() == ["confirmed"]
    assert billing.one("select confirmed_by from tally.push_intents") == "summary"
    assert billing.plan().planned == []


@pytest.mark.parametrize("key", ["sk_test_" + "not-one", "sk_live_" + "other"])
def test_a_key_stripe_does_not_know_or_of_another_mode_stops_the_account(billing: Billing, key: str) -> None:
    billing.count("globex", "api_calls", "5")
    billing.count("initech", "api_calls", "6")
    billing.plan()
    changed = {"STRIPE_API_KEY": key, "STRIPE_API_BASE": billing.stripe.url, "TALLY_STRIPE_TIMEOUT_SECONDS": 2}
    other = open_account(type(billing.settings).model_validate(changed))
    result = deliver(billing.settings, other, TENANT, billing.clock)
    if other.livemode:
        assert result == DeliveryResult({}, {}, {})  # intents of test mode are not its business
    else:
        assert result.stopped is not None
        assert result.attempts["stopped"] >= 1
    assert billing.states() == ["planned", "planned"]
    assert billing.one("select count(*) from tally.push_intents where first_attempt_at is not null") == 0
    other.close()
    assert billing.deliver().confirmed == 2


def test_two_planners_and_two_deliverers_at_once_count_once(billing: Billing, built_database_url: str) -> None:
    values = {("globex", "api_calls"): 3, ("initech", "api_calls"): 4, ("umbrella", "peak_load"): 5}
    for (customer_ref, metric), value in values.items():
        billing.count(customer_ref, metric, str(value))
    billing.stripe.fail("drop", count=1)
    barrier = threading.Barrier(4)
    planned: list[int] = []
    delivered: list[DeliveryResult] = []

    def planner() -> None:
        with connect(built_database_url, autocommit=True) as connection:
            barrier.wait()
            planned.append(len(plan(connection, billing.account, TENANT, billing.clock).planned))

    def deliverer() -> None:
        barrier.wait()
        delivered.append(billing.deliver())

    threads = [threading.Thread(target=work) for work in (planner, planner, deliverer, deliverer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(planned) == 3
    billing.push()
    assert billing.states() == ["confirmed"] * 3
    assert set(billing.stripe.arrivals().values()) == {1}
    for (customer_ref, metric), value in values.items():
        assert billing.applied(customer_ref, metric) == value


def test_two_deliverers_share_one_queue(billing: Billing) -> None:
    for number, customer_ref in enumerate(billing.customers):
        billing.count(customer_ref, "api_calls", str(number + 1))
        billing.count(customer_ref, "peak_load", str(number + 10))
    billing.plan()
    results: list[DeliveryResult] = []
    threads = [threading.Thread(target=lambda: results.append(billing.deliver())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.attempts.get("accepted", 0) for result in results) == 6
    assert billing.one("select count(*) from tally.push_attempts") == 6
