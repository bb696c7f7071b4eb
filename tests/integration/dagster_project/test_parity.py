"""The parity suite against hand-made lines: equal passes, each kind of break fails, and so does what is missing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from counter_rows import put_counter

from tally.database import connect
from tally.parity import ParityResult, check_parity

START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
MARCH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
EQUAL = {
    "tenant_id": "acme", "account": "self", "livemode": False, "customer_ref": "globex", "metric": "api_calls",
    "period_start": START, "period_end": datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC), "event_count": 10,
    "local_quantity": 1000, "sent_quantity": 1000, "stripe_quantity": 1000, "invoice_quantity": 1000, "drift": 0,
    "epsilon": "0.005", "verdict": "ok", "money_verdict": "ok", "local_amount": 5000, "invoice_amount": 5000,
    "amount_drift": 0, "summary_read_at": datetime.now(UTC), "invoice_read_at": datetime.now(UTC),
}  # fmt: skip


@pytest.fixture
def lines(built_database_url: str) -> Iterator["Lines"]:
    """The view replaced by a table of its columns, to be filled by hand."""
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("create table public.lines as select * from marts.reconciliation_lines with no data")
        connection.execute("drop view marts.reconciliation_lines")
        connection.execute("alter table public.lines rename to reconciliation_lines")
        connection.execute("alter table public.reconciliation_lines set schema marts")
        yield Lines(built_database_url, connection)


class Lines:
    def __init__(self, url: str, connection: psycopg.Connection) -> None:
        self.url, self.connection = url, connection

    def add(self, **changes: Any) -> None:
        """One line that agrees, changed."""
        row = EQUAL | changes
        names, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        self.connection.execute(f"insert into marts.reconciliation_lines ({names}) values ({values})", row)

    def judge(self) -> ParityResult:
        return check_parity(self.url, *MARCH)


def broken(result: ParityResult) -> set[str]:
    return {outcome.name.removeprefix("expect_usage_") for outcome in result.expectations if not outcome.passed}


def test_equal_totals_pass(lines: Lines) -> None:
    lines.add()
    lines.add(customer_ref="initech", local_quantity="0.000000000001", sent_quantity="0.000000000001",
              stripe_quantity="0.000000000001", invoice_quantity="0.000000000001")  # fmt: skip
    result = lines.judge()
    assert result.passed
    assert (result.lines, result.unmapped_lines, result.breaking_lines) == (2, 0, ())


@pytest.mark.parametrize("total", ["sent_quantity", "stripe_quantity", "invoice_quantity"])
@pytest.mark.parametrize("quantity", ["994.9", "1005.1", "0", "-1000"])
def test_a_total_beyond_epsilon_breaks_whatever_the_line_says(lines: Lines, total: str, quantity: str) -> None:
    lines.add()
    lines.add(customer_ref="initech", **{total: quantity})
    result = lines.judge()
    assert broken(result) == {"parity_within_epsilon"}
    assert [line["customer_ref"] for line in result.breaking_lines] == ["initech"]


@pytest.mark.parametrize("total", ["sent_quantity", "stripe_quantity", "invoice_quantity"])
def test_a_total_within_epsilon_passes(lines: Lines, total: str) -> None:
    lines.add(**{total: "995.1"})
    assert lines.judge().passed


@pytest.mark.parametrize("total", ["sent_quantity", "stripe_quantity", "invoice_quantity", "epsilon"])
def test_a_missing_number_breaks_and_is_no_zero(lines: Lines, total: str) -> None:
    zeros = dict.fromkeys(("local_quantity", "sent_quantity", "stripe_quantity", "invoice_quantity"), 0)
    lines.add(**zeros | {total: None})
    assert broken(lines.judge()) == {"parity_within_epsilon", "lines_to_be_complete"}


def test_a_price_difference_breaks_even_with_equal_quantities(lines: Lines) -> None:
    lines.add(local_amount=5001, amount_drift=1)  # rounded in other parts
    lines.add(customer_ref="initech", local_amount=5026, amount_drift=26, rounded_parts=1)
    assert broken(lines.judge()) == {"amounts_to_agree"}


def test_an_amount_that_nobody_worked_out_is_no_amount_of_zero(lines: Lines) -> None:
    lines.add(local_amount=None, invoice_amount=0, amount_drift=None)
    assert broken(lines.judge()) == {"amounts_to_agree", "lines_to_be_complete"}


def test_an_old_reading_breaks_unless_the_invoice_is_final(lines: Lines) -> None:
    old = {"summary_read_at": datetime.now(UTC) - timedelta(hours=27)}
    lines.add(**old, is_final=True)
    assert lines.judge().passed
    lines.add(customer_ref="initech", **old, is_final=False)
    lines.add(customer_ref="umbrella", invoice_read_at=None)
    result = lines.judge()
    assert broken(result) == {"lines_to_be_fresh"}
    assert len(result.breaking_lines) == 2


@pytest.mark.parametrize("verdict", ["break", "missing", "new word", None])
def test_a_line_that_says_it_is_not_ok_breaks_even_with_equal_totals(lines: Lines, verdict: str | None) -> None:
    lines.add(verdict=verdict)
    assert "verdicts_to_be_ok" in broken(lines.judge())


def test_two_lines_of_one_counter_break(lines: Lines) -> None:
    lines.add()
    lines.add()
    result = lines.judge()
    assert broken(result) == {"lines_to_be_unique"}
    assert len(result.breaking_lines) == 1


def test_two_unmapped_lines_of_one_counter_break_although_they_name_no_account(lines: Lines) -> None:
    for _ in range(2):
        lines.add(account=None, livemode=None, verdict="unmapped")
    assert broken(lines.judge()) == {"lines_to_be_unique"}


def test_a_subscribed_customer_without_usage_agrees_at_zero_and_only_at_zero(lines: Lines) -> None:
    lines.add(event_count=0, local_quantity=None, sent_quantity=0, stripe_quantity=0, invoice_quantity=0)
    assert lines.judge().passed
    lines.add(customer_ref="initech", event_count=0, local_quantity=None, sent_quantity=0, stripe_quantity=1,
              invoice_quantity=0)  # fmt: skip
    assert broken(lines.judge()) == {"parity_within_epsilon"}


def test_usage_without_a_counter_value_breaks(lines: Lines) -> None:
    lines.add(event_count=1, local_quantity=None, sent_quantity=0, stripe_quantity=0, invoice_quantity=0)
    assert broken(lines.judge()) == {"lines_to_be_complete"}


def test_a_negative_counter_is_billed_as_zero(lines: Lines) -> None:
    negative = dict.fromkeys(("local_quantity", "sent_quantity", "stripe_quantity"), -12)
    lines.add(**negative, invoice_quantity=0)
    assert lines.judge().passed


def test_unmapped_lines_are_counted_and_break_nothing(lines: Lines) -> None:
    lines.add()
    lines.add(customer_ref="initech", account=None, livemode=None, sent_quantity=0, stripe_quantity=None,
              invoice_quantity=None, verdict="unmapped")  # fmt: skip
    result = lines.judge()
    assert result.passed
    assert result.unmapped_lines == 1


def test_a_line_that_settles_is_let_off_but_for_a_reading_that_is_old(lines: Lines) -> None:
    settling = {"local_quantity": 1200, "verdict": "missing", "money_verdict": "missing", "is_settling": True}
    lines.add(**settling)
    result = lines.judge()
    assert result.passed
    assert result.settling_lines == 1
    lines.add(**settling, customer_ref="initech", summary_read_at=datetime.now(UTC) - timedelta(days=2))
    assert broken(lines.judge()) == {"lines_to_be_fresh"}


def test_only_the_periods_that_start_in_the_span_are_judged(lines: Lines) -> None:
    lines.add()
    for start in (MARCH[0].replace(month=2), MARCH[1]):
        lines.add(period_start=start, stripe_quantity=1)
    assert lines.judge().passed
    assert check_parity(lines.url).lines == 3
    assert not check_parity(lines.url).passed


def test_counters_without_a_line_fail(lines: Lines) -> None:
    put_counter(lines.connection, "acme", "globex", "api_calls", 1, (START, MARCH[1]))
    result = lines.judge()
    assert not result.passed
    assert [(outcome.name, outcome.unexpected_rows) for outcome in result.expectations] == [("lines_exist", 1)]


def test_nothing_counted_and_nothing_to_compare_passes(lines: Lines) -> None:
    assert lines.judge().passed


def test_the_largest_drift_comes_first(lines: Lines) -> None:
    for customer, drift in (("a", 10), ("b", 900), ("c", 50)):
        lines.add(customer_ref=customer, stripe_quantity=1000 - drift, drift=drift)
    assert [line["customer_ref"] for line in lines.judge().breaking_lines] == ["b", "c", "a"]
