"""Any sequence of steps over months, policies and closings: what each counter is adjusted by is what a plain list of
bookings adds up to, to the last digit, and no counter of a closed period ever changes."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from cloned_database import Clone
from hypothesis import given, settings
from hypothesis import strategies as st
from metered_month import TENANT, declare

from tally.adjustments import (
    Adjustment,
    Booking,
    Request,
    WrongState,
    approve,
    create,
    list_adjustments,
    reject,
    revert,
)
from tally.clock import FixedClock
from tally.database import connect
from tally.periods import Period

START = datetime(2024, 1, 20, tzinfo=UTC)
GRACE = timedelta(hours=72)
POLICIES = ["own_period_if_open", "current_period", "next_period"]
CUSTOMERS = ["globex", "initech"]
Bookings = dict[tuple[str, datetime], Decimal]

amounts = st.one_of(
    st.sampled_from([Decimal("0.000000000001"), Decimal("-999999999999999"), Decimal("999999999999999")]),
    st.decimals(-1000, 1000, places=6).filter(bool),
)
# (what, which of the adjustments so far, amount, customer, hours that pass, policy from now on)
steps = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "approve", "approve", "reject", "revert", "revert"]),
        st.integers(0, 20),
        amounts,
        st.sampled_from(CUSTOMERS),
        st.sampled_from([0, 1, 30, 300, 800]),
        st.sampled_from(POLICIES),
    ),
    min_size=1,
    max_size=25,
)
Step = tuple[str, int, Decimal, str, int, str]


@pytest.fixture(scope="module")
def ground(clone: Clone, built_template: str) -> Iterator[psycopg.Connection[Any]]:
    url = clone(built_template, "lifecycle_ground")
    with connect(url, autocommit=True) as connection:
        declare(connection)
        for customer in CUSTOMERS:
            connection.execute("insert into tally.customers values (%s, %s)", (TENANT, customer))
        yield connection


@pytest.mark.timeout(600)
@settings(max_examples=30, deadline=None)
@given(drawn=steps)
def test_every_sequence_of_steps_adds_up(ground: psycopg.Connection[Any], drawn: list[Step]) -> None:
    ground.execute("truncate tally.adjustment_events, tally.adjustments")
    clock = FixedClock(START)
    made: list[tuple[str, str]] = []
    states: dict[str, str] = {}
    booked: Bookings = defaultdict(Decimal)
    for what, which, amount, customer, hours, policy in drawn:
        clock.at += timedelta(hours=hours)
        ground.execute("update tally.tenants set adjustments_book_into = %s", (policy,))
        before = adjusted(ground)
        if what == "create":
            request = Request(
                customer, "sum", clock.at - timedelta(days=amount.adjusted() % 20), amount, "correction", ""
            )
            found = create(ground, TENANT, request, "ada", clock)
            made.append((found.adjustment_id, customer))
            states[found.adjustment_id] = "pending"
        elif made:
            step(ground, what, made[which % len(made)][0], clock, states, booked)
        assert {row.adjustment_id: row.state for row in list_adjustments(ground, TENANT)} == states
        assert adjusted(ground) == {key: total for key, total in booked.items() if is_booked(ground, key)}
        assert_closed_counters_stand(before, adjusted(ground), clock.at)
    for row in list_adjustments(ground, TENANT, state="reverted"):
        taken_back = [other.amount for other in list_adjustments(ground, TENANT) if other.reverts == row.adjustment_id]
        assert [row.amount + amount for amount in taken_back] == [0]


def step(
    ground: psycopg.Connection[Any],
    what: str,
    adjustment_id: str,
    clock: FixedClock,
    states: dict[str, str],
    booked: Bookings,
) -> None:
    """Take the step where the state allows it, and expect a refusal that changes nothing where it does not."""
    is_revert = any(row.reverts for row in list_adjustments(ground, TENANT) if row.adjustment_id == adjustment_id)
    if states[adjustment_id] != ("approved" if what == "revert" else "pending") or is_revert:
        with pytest.raises(WrongState, match=r"nothing changed|is a revert"):
            {"approve": approve, "reject": reject, "revert": revert}[what](ground, TENANT, adjustment_id, "bob", clock)
    elif what == "reject":
        reject(ground, TENANT, adjustment_id, "bob", clock)
        states[adjustment_id] = "rejected"
    else:
        booking = (approve if what == "approve" else revert)(ground, TENANT, adjustment_id, "bob", clock)
        states[adjustment_id] = "approved" if what == "approve" else "reverted"
        states[booking.adjustment.adjustment_id] = "approved"
        book(booking, booked)


def book(booking: Booking, booked: Bookings) -> None:
    made = booking.adjustment
    assert made.booked is not None
    key = (made.customer_ref, made.booked.start)
    assert booking.before == booked[key]
    booked[key] += made.amount
    assert booking.after == booked[key]


def adjusted(ground: psycopg.Connection[Any]) -> dict[tuple[str, datetime], Decimal]:
    rows = ground.execute("select customer_ref, period_start, adjustment, value from marts.usage_counters").fetchall()
    assert all(value == adjustment for _, _, adjustment, value in rows), "no event counts here"
    return {(customer, start): adjustment for customer, start, adjustment, _ in rows}


def is_booked(ground: psycopg.Connection[Any], key: tuple[str, datetime]) -> bool:
    row = ground.execute(
        "select count(*) from tally.adjustments where customer_ref = %s and booked_start = %s", key
    ).fetchone()
    return row is not None and row[0] > 0


def assert_closed_counters_stand(before: Any, after: Any, now: datetime) -> None:
    for customer, start in after:
        end = (start + timedelta(days=32)).replace(day=1)
        if now >= end + GRACE:
            assert after[customer, start] == before[customer, start]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("days_later", [0, 100])
def test_a_revert_nets_to_exactly_zero(
    database: psycopg.Connection[Any], clock: FixedClock, policy: str, days_later: int
) -> None:
    """In the open period the counter is as before; after it closed, the two counters add up to zero."""
    database.execute("update tally.tenants set adjustments_book_into = %s", (policy,))
    database.execute("insert into tally.customers values (%s, 'globex')", (TENANT,))
    request = Request("globex", "sum", clock.at, Decimal("12.345678901234"), "goodwill", "")
    made = approve(database, TENANT, create(database, TENANT, request, "ada", clock).adjustment_id, "bob", clock)
    clock.at += timedelta(days=days_later)
    back = revert(database, TENANT, made.adjustment.adjustment_id, "bob", clock, "was a mistake")
    assert (back.adjustment.booked == made.adjustment.booked) == (days_later == 0)
    assert sum(adjusted(database).values()) == 0
    if days_later == 0:
        assert (back.before, back.after) == (request.amount, 0)
    first, second = read_both(database)
    assert (first.state, second.state, second.reverts) == ("reverted", "approved", first.adjustment_id)
    assert (first.decided_by, second.created_by, second.note) == ("bob", "bob", "was a mistake")


def read_both(database: psycopg.Connection[Any]) -> list[Adjustment]:
    return list_adjustments(database, TENANT)


def test_an_adjustment_keeps_the_period_it_is_about(database: psycopg.Connection[Any], clock: FixedClock) -> None:
    database.execute("insert into tally.customers values (%s, 'globex')", (TENANT,))
    request = Request("globex", "sum", datetime(2024, 1, 31, tzinfo=UTC), Decimal(5), "correction", "")
    made = approve(database, TENANT, create(database, TENANT, request, "ada", clock).adjustment_id, "ada", clock)
    assert made.adjustment.period == Period(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    assert made.adjustment.booked == Period(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
