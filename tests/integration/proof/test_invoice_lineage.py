"""From a line to its events and back in SQL: the sum is the line, both ways go by indexes, and the test sees damage."""

from decimal import Decimal
from typing import LiteralString

from final_month import FinalMonth, land

from tally import adjustments

SUMS = """
select line.customer_ref, line.metric, line.invoice_quantity, count(*), sum(linked.quantity),
    count(distinct linked.member)
from tally.stripe_totals as line
inner join marts.invoice_line_events as linked using (tenant_id, account, livemode, customer_ref, metric, period_start)
where line.invoice_status = 'open'
group by 1, 2, 3
order by 1, 2
"""
MANY_LINES = """
insert into tally.stripe_totals
    (tenant_id, account, livemode, customer_ref, metric, period_start, period_end, invoice_id, invoice_line_id)
select 'acme', 'self', false, 'customer-' || n % 100, 'minutes', at, at + interval '1 day', 'in_x' || n, 'il_x' || n
from (select n, timestamptz '2020-01-01' + n / 100 * interval '1 day' as at from generate_series(0, 9999) as n) as made
"""
MANY_EVENTS = """
insert into ledger.int_usage_events_deduplicated
select
    at, at + interval '1 day', closes_at, at, at, n, xid, payload_hash, quantity, tenant_id, 'x' || n,
    'customer-' || n % 100, metric, outcome, member, dimensions
from ledger.int_usage_events_deduplicated,
    (select n, timestamptz '2020-01-01' + n / 400 * interval '1 day' as at from generate_series(0, 39999) as n) as made
where idempotency_key = 'globex-1-1-m'
"""
BY_LINE: LiteralString = (
    "explain select * from marts.invoice_line_events where tenant_id = 'acme' and invoice_line_ids @> array['il_x4242']"
)
BY_EVENT: LiteralString = (
    "explain select * from marts.event_invoice_lines where tenant_id = 'acme' and idempotency_key = 'globex-1-1-m'"
)


def test_the_events_of_a_line_add_up_to_it(month: FinalMonth) -> None:
    found = month.connection.execute(SUMS).fetchall()
    assert [row[:3] for row in found] == [
        (customer, metric, quantity)
        for customer in ("globex", "initech")
        for metric, quantity in (("calls", Decimal(6)), ("minutes", Decimal("143.5")), ("seats", Decimal(3)))
    ]
    for _, metric, quantity, events, added_up, members in found:
        assert quantity == {"calls": events, "minutes": added_up, "seats": members}[metric]


def test_both_ways_go_by_indexes(month: FinalMonth) -> None:
    """Among many other lines and periods of the same tenant."""
    with month.connection.transaction(force_rollback=True):
        month.connection.execute(MANY_LINES)
        month.connection.execute(MANY_EVENTS)
        month.connection.execute("analyze tally.stripe_totals, ledger.int_usage_events_deduplicated")
        by_line, by_event = (
            "\n".join(line for (line,) in month.connection.execute(query).fetchall()) for query in (BY_LINE, BY_EVENT)
        )
    for big in ("stripe_totals", "int_usage_events_deduplicated"):
        assert f"Seq Scan on {big}" not in by_line + by_event, by_line + by_event
    assert "stripe_totals_invoice_lines" in by_line, by_line
    assert "int_usage_events_deduplicated_period_start" in by_line, by_line
    assert "int_usage_events_deduplicated_pkey" in by_event, by_event
    assert "Index Cond: ((tenant_id = 'acme'::text) AND (idempotency_key = 'globex-1-1-m'::text))" in by_event, by_event


def test_a_late_event_stands_on_the_line_that_its_adjustment_is_booked_into(month: FinalMonth) -> None:
    late = "select outcome, via, invoice_id from marts.event_invoice_lines where idempotency_key = 'globex-late'"
    assert month.connection.execute(late.encode()).fetchall() == [("late", None, None)]
    [proposal] = adjustments.propose_late_adjustments(month.connection, month.clock)
    adjustments.approve(month.connection, "acme", proposal.adjustment_id, "ada", month.clock)
    [alone, booked] = sorted(month.connection.execute(late.encode()).fetchall(), key=str, reverse=True)
    assert (alone[1], booked[1]) == (None, "adjustment")


def test_damage_to_a_lines_events_turns_the_dbt_test_red(month: FinalMonth) -> None:
    name, damage = "assert_invoice_lines_are_their_events", "update ledger.int_usage_events_deduplicated"
    assert [test.status for test in month.ledger.test(name)] == ["pass"]
    where = " where idempotency_key = 'initech-1-1-m'"
    month.connection.execute(f"{damage} set quantity = 38{where}".encode())
    assert [test.status for test in month.ledger.test(name)] == ["fail"]
    month.connection.execute(f"{damage} set quantity = 37.125{where}".encode())


def test_an_event_of_an_open_period_is_on_its_preview_or_on_nothing(month: FinalMonth) -> None:
    land(month.connection, "april", "globex", "minutes", "1", 33)
    month.ledger.tick()
    april = "select via, invoice_status from marts.event_invoice_lines where idempotency_key = 'april'"
    assert month.connection.execute(april.encode()).fetchall() in ([("counted", "preview")], [("counted", None)])
