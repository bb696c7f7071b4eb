"""What is planned, and for everything that is not, why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from push_billing import END, NOW, START, TENANT, Billing, set_counter

from tally.push import plan, preview
from tally.push.identifiers import identifier
from tally.push.planning import REASONS


def reasons(billing: Billing) -> list[str]:
    return [held.reason for held in billing.plan().held]


def test_a_dry_run_says_what_the_plan_then_does_and_writes_nothing(billing: Billing) -> None:
    billing.count("globex", "api_calls", "12.5")
    billing.count("nobody", "api_calls", "1")
    dry = preview(billing.connection, billing.account, TENANT, billing.clock)
    assert billing.one("select count(*) from tally.push_intents") == 0
    wet = billing.plan()
    assert (dry.planned, dry.held) == (wet.planned, wet.held)
    assert (dry.dry_run, wet.dry_run) == (True, False)
    assert [held.reason for held in wet.held] == ["no_subscription"]
    assert wet.held[0].needs_a_person
    assert wet.held[0].detail == REASONS["no_subscription"]


def test_the_identifier_in_sql_is_the_one_in_python(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1")
    billing.plan()
    assert billing.one("select identifier from tally.push_intents") == identifier(
        "self", False, TENANT, billing.customers["globex"], "api_calls", "globex", "api_calls", START, 1
    )


def test_an_open_intent_holds_the_next_delta_back(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1")
    billing.plan()
    billing.count("globex", "api_calls", "3")
    held = billing.plan().held
    assert [(each.reason, each.delta, each.needs_a_person) for each in held] == [("in_flight", Decimal(2), False)]


def test_a_counter_that_went_away_is_not_taken_for_zero(billing: Billing) -> None:
    billing.count("globex", "api_calls", "3")
    billing.push()
    billing.connection.execute("delete from ledger.int_usage_counters")
    assert billing.plan().planned == []


def test_what_is_not_mapped_or_not_subscribed_is_named(billing: Billing) -> None:
    billing.connection.execute("update tally.price_mappings set active = false where metric = 'peak_load'")
    billing.count("globex", "peak_load", "1")
    billing.count("globex", "never_declared", "1")
    assert reasons(billing) == ["unmapped", "unmapped"]


def test_an_ended_subscription_still_takes_its_last_period_only(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1")
    billing.connection.execute("update tally.stripe_subscription_items set ended_at = %s", (START,))
    assert reasons(billing) == ["no_subscription"]
    billing.connection.execute("update tally.stripe_subscription_items set ended_at = %s", (NOW,))
    assert len(billing.plan().planned) == 1


def test_two_stripe_customers_of_one_ref_are_ambiguous(billing: Billing) -> None:
    billing.connection.execute("update tally.stripe_subscription_items set customer_ref = 'globex'")
    billing.count("globex", "api_calls", "1")
    assert reasons(billing) == ["ambiguous_customer"]


def test_a_period_stripe_does_not_have_is_not_pushed(billing: Billing) -> None:
    calendar = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
    set_counter(billing.connection, "globex", "api_calls", Decimal(1), NOW, calendar)
    assert reasons(billing) == ["period_mismatch"]


def test_a_period_is_closed_when_its_invoice_is_or_must_be(billing: Billing) -> None:
    cases: list[tuple[str | None, datetime, list[str]]] = [
        (None, END + timedelta(hours=71), []),
        (None, END + timedelta(hours=72), ["period_closed"]),
        ("draft", END + timedelta(hours=90), []),
        ("preview", END + timedelta(hours=90), ["period_closed"]),
        ("open", END + timedelta(hours=2), ["period_closed"]),
        ("paid", END + timedelta(hours=2), ["period_closed"]),
        ("void", END + timedelta(hours=2), ["period_closed"]),
        ("draft", END + timedelta(days=34), ["period_too_old"]),
        ("draft", END + timedelta(days=61), []),  # long past: no longer looked at
    ]
    found = []
    for status, now, _ in cases:
        billing.forget()
        billing.count("globex", "api_calls", "1", at=NOW)
        if status is not None:
            billing.connection.execute(
                "insert into tally.stripe_totals (tenant_id, account, livemode, customer_ref, metric, period_start,"
                " period_end, invoice_status) values (%s, 'self', false, 'globex', 'api_calls', %s, %s, %s)",
                (TENANT, START, END, status),
            )
        billing.clock.at = now
        found.append((status, now, reasons(billing)))
    assert found == cases
    assert billing.states() == []


def test_events_are_placed_inside_the_periods_whole_minutes_and_not_ahead(billing: Billing) -> None:
    cases = [
        (START + timedelta(seconds=1), NOW, START.replace(minute=31, second=1)),
        (END - timedelta(seconds=1), END + timedelta(hours=1), END.replace(minute=29, second=59)),
        (NOW + timedelta(minutes=4), NOW, NOW),
        (NOW - timedelta(days=1, microseconds=-1), NOW, NOW - timedelta(days=1)),
    ]
    placed = []
    for last_event, now, _ in cases:
        billing.forget()
        billing.count("globex", "api_calls", "1", at=last_event)
        billing.clock.at = now
        placed += [(last_event, now, each.event_ts) for each in billing.plan().planned]
    assert placed == cases


def test_a_period_is_not_pushed_before_its_first_whole_minute(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1", at=START)
    billing.clock.at = START + timedelta(seconds=45)
    assert reasons(billing) == ["period_not_started"]
    billing.clock.at = START + timedelta(seconds=46)
    assert len(billing.plan().planned) == 1


def test_a_period_without_two_whole_minutes_is_named(billing: Billing) -> None:
    short = (START, START + timedelta(seconds=106))
    billing.connection.execute("delete from tally.customer_periods")
    billing.connection.execute(
        "insert into tally.customer_periods values (%s, 'globex', %s, %s, 'stripe')", (TENANT, *short)
    )
    set_counter(billing.connection, "globex", "api_calls", Decimal(1), START, short)
    billing.clock.at = START + timedelta(hours=1)
    assert reasons(billing) == []
    shorter = (START, START + timedelta(seconds=105) - timedelta(seconds=1))
    billing.connection.execute("delete from ledger.int_usage_counters")
    billing.connection.execute("delete from tally.push_intents")
    billing.connection.execute("update tally.customer_periods set period_end = %s", (shorter[1],))
    set_counter(billing.connection, "globex", "api_calls", Decimal(1), START, shorter)
    assert reasons(billing) == ["period_too_short"]


def test_a_delta_of_more_than_15_digits_goes_in_pieces(billing: Billing) -> None:
    cases = {
        ("globex", "api_calls"): ("0", "999999999999999", ["999999999999999"]),
        ("globex", "peak_load"): ("0", "0.000000000001", ["0.000000000001"]),
        ("initech", "api_calls"): ("0.000000000001", "100000", ["99999.9999999999", "0.000000000099"]),
        ("initech", "peak_load"): ("-900000000000000", "900000000000000", ["999999999999999", "800000000000001"]),
        ("umbrella", "api_calls"): ("123456789012.345", "-0.000000000001", ["-123456789012.345", "-0.000000000001"]),
    }
    for key, (told, _, _) in cases.items():
        billing.count(*key, told)
    assert billing.push().left == {}
    sent: dict[tuple[str, str], list[str]] = {key: [] for key in cases}
    for key, (_, value, _) in cases.items():
        billing.count(*key, value)
    while planned := billing.plan().planned:
        for each in planned:
            sent[each.counter.customer_ref, each.counter.metric].append(format(each.value, "f"))
        assert billing.deliver().confirmed == len(planned)
    assert sent == {key: expected for key, (_, _, expected) in cases.items()}
    for key, (_, value, _) in cases.items():
        assert billing.applied(*key) == Decimal(value)


def test_a_counter_of_more_than_15_digits_is_refused_by_name(billing: Billing) -> None:
    values = zip(billing.customers, ("1234567890123456", "1000.000000000001", "-1000000000000000"), strict=True)
    for customer_ref, value in values:
        billing.count(customer_ref, "api_calls", value)
    assert reasons(billing) == ["too_precise"] * 3


def test_another_mode_and_another_account_have_rows_of_their_own(
    billing: Billing, ledger_connection: psycopg.Connection[Any]
) -> None:
    billing.count("globex", "api_calls", "1")
    account = billing.account
    live = replace(account, livemode=True)
    other = replace(account, account="acct_1")
    assert [held.reason for held in plan(ledger_connection, live, TENANT, billing.clock).held] == ["no_subscription"]
    nothing = plan(ledger_connection, other, TENANT, billing.clock)
    assert (nothing.planned, nothing.held) == ([], [])
    assert len(billing.plan().planned) == 1


def test_an_intents_payload_cannot_be_changed(billing: Billing) -> None:
    billing.count("globex", "api_calls", "1")
    billing.plan()
    with pytest.raises(psycopg.errors.RaiseException, match="immutable"):
        billing.connection.execute("update tally.push_intents set value = 2")
