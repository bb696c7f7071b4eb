"""The control: without a fault there is not one finding, open or invoiced."""

from decimal import ROUND_HALF_UP, Decimal

from small_month import COUNTED, QUANTITIES, TENANT, Month

from tally.reconciliation import read_lines


def test_a_clean_month_has_no_findings(month: Month) -> None:
    assert month.push().left == {}
    lines = month.reconcile()
    assert {(line.customer_ref, line.metric) for line in lines} == set(QUANTITIES)
    for line in lines:
        counted = COUNTED[line.customer_ref, line.metric]
        assert line.local_quantity == line.sent_quantity == line.stripe_quantity == counted
        assert line.invoice_quantity == max(counted, 0)
        assert line.local_amount == line.invoice_amount == rounded(10 * max(counted, Decimal(0)))
        assert (line.money_verdict, line.amount_drift, line.note) == ("ok", 0, None)
        assert (line.verdict, line.cause) == ("ok", None)
        assert line.drift == 0
        assert line.duplicates == (1 if len(QUANTITIES[line.customer_ref, line.metric]) > 3 else 0)


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1), rounding=ROUND_HALF_UP)


def test_nothing_pushed_yet_is_a_break_not_a_zero(month: Month) -> None:
    assert month.findings() == {(customer_ref, metric, "break", "unsent delta") for customer_ref, metric in QUANTITIES}


def test_nothing_read_yet_is_missing_not_ok(month: Month) -> None:
    month.push()
    assert {(line.verdict, line.cause_code) for line in read_lines(month.connection, TENANT)} == {
        ("missing", "summary not read")
    }
