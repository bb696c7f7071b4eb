"""What a reconciliation says in a few numbers: nothing missing passes, nothing worse hides behind something better."""

from decimal import Decimal

import pytest
from reconciled import broken, line, unread

from tally.reconciliation import Line, mend_of, summarize, worst_lines
from tally.reports.figures import money_of

UNMAPPED = line(verdict="unmapped", cause="unmapped: no active price mapping", metric="other")


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([], "empty"),
        ([line()], "ok"),
        ([line(), UNMAPPED], "ok"),
        ([UNMAPPED], "unmapped"),
        ([line(), unread()], "missing"),
        ([line(), unread(), broken()], "break"),
    ],
)
def test_the_verdict_is_the_worst_of_the_lines(lines: list[Line], verdict: str) -> None:
    summary = summarize(lines)
    assert summary.verdict == verdict
    assert summary.lines == len(lines)


def test_a_total_is_unknown_as_soon_as_one_of_its_numbers_is() -> None:
    [metric] = summarize([line(), unread(customer_ref="initech")]).metrics
    assert (metric.local_quantity, metric.sent_quantity, metric.stripe_quantity) == (Decimal(20), Decimal(20), None)
    assert metric.verdict == "missing"


def test_a_customer_without_usage_adds_nothing() -> None:
    idle = line(customer_ref="idle", local_quantity=None, event_count=0, deliveries=0, stripe_quantity=Decimal(0))
    [metric] = summarize([line(), idle]).metrics
    assert metric.local_quantity == 10
    [metric] = summarize([line(), line(customer_ref="odd", local_quantity=None, event_count=3)]).metrics
    assert metric.local_quantity is None


def test_maxima_are_not_added_up() -> None:
    peaks = [line(metric="peak", aggregation="max"), line(metric="peak", aggregation="max", customer_ref="initech")]
    [metric] = summarize(peaks).metrics
    assert (metric.local_quantity, metric.invoice_quantity) == (None, None)


def test_findings_are_grouped_by_cause_breaks_first_and_the_worst_line_first() -> None:
    lines = [unread(), broken("0.01"), UNMAPPED, line(), broken("0.5", customer_ref="initech")]
    findings = summarize(lines).findings
    assert [(finding.code, finding.verdict, len(finding.lines)) for finding in findings] == [
        ("foreign writer", "break", 2),
        ("summary not read", "missing", 1),
        ("unmapped", "unmapped", 1),
    ]
    assert [each.customer_ref for each in findings[0].lines] == ["initech", "globex"]


def test_the_worst_lines_are_breaks_by_their_drift_then_what_is_not_known() -> None:
    lines = [line(), unread(), broken("0.01", metric="small"), broken("0.5", metric="large"), UNMAPPED]
    assert [each.metric for each in worst_lines(lines)] == ["large", "small", "calls"]
    assert [each.metric for each in worst_lines(lines, 1)] == ["large"]


def test_amounts_are_kept_apart_by_currency() -> None:
    lines = [line(), line(invoice_amount=Decimal(5)), line(invoice_currency="jpy"), line(invoice_amount=None)]
    assert summarize(lines).amounts == (("jpy", Decimal(100)), ("usd", Decimal(105)))


def test_nobody_owes_a_voided_invoice() -> None:
    lines = [line(), line(customer_ref="initech", invoice_status="void")]
    assert summarize(lines).amounts == (("usd", Decimal(100)),)
    assert [(money.billed, money.counted) for money in money_of(lines)] == [(Decimal(100), lines[0].local_amount)]


def test_every_cause_of_the_view_has_a_mend_of_its_own() -> None:
    """The codes are written in the dbt macro that names causes; each one must be known here."""
    import re
    from pathlib import Path

    macro = Path(__file__).parents[3] / "dbt_project" / "macros" / "parity.sql"
    codes = re.findall(r"then '([^':]+):", macro.read_text())
    assert len(codes) > 10
    unknown = mend_of("no such cause", "acme")
    assert [code for code in codes if mend_of(code, "acme") == unknown] == []
    assert mend_of("unsent delta", "acme").command == "tally push --tenant acme"
