"""One tiny case per cause: reconciliation finds exactly what was planted, where it was planted, and what mends it."""

from datetime import timedelta
from decimal import Decimal

from planted_month import Planted
from psycopg.types.json import Jsonb
from small_month import END, NOW, QUANTITIES, START, TENANT

from tally.period_segments import split_period
from tally.reconciliation import read_lines, summarize
from tally.reconciliation.check import Scope, conclude
from tally.stripe.sync import sync_subscriptions

LATE = END - (START + timedelta(days=9)) + timedelta(hours=49)


def test_the_clean_control_has_neither_findings_nor_notices(planted: Planted) -> None:
    assert planted.findings_and_notices() == set()
    assert planted.connection.execute("select count(*) from tally.reconciliation_findings").fetchone() == (0,)


def test_late_events_are_suggested_once_however_often_it_is_reconciled(planted: Planted) -> None:
    planted.land("initech", "minutes", "7.5", "too-late", after=LATE)
    for _ in range(3):
        assert planted.findings_and_notices() == {("initech", "minutes", "notice", "late events")}
    [(amount, state)] = planted.connection.execute("select amount, state from tally.adjustments").fetchall()
    assert (amount, state) == (Decimal("7.5"), "pending")
    [notice] = summarize(read_lines(planted.connection, TENANT)).notices
    assert notice.mend.command == (
        "tally adjustments list --tenant acme --state pending --customer initech --metric minutes"
    )


def test_a_conflict(planted: Planted) -> None:
    planted.land("globex", "calls", "1", "globex-minutes-0")
    assert planted.findings_and_notices() == {("globex", "minutes", "notice", "conflict")}


def test_an_unsent_delta(planted: Planted) -> None:
    planted.land("globex", "calls", "1", "one-more")
    assert planted.findings_and_notices() == {("globex", "calls", "break", "unsent delta")}


def test_a_refused_intent(planted: Planted) -> None:
    planted.land("globex", "calls", "1", "one-more")
    planted.ledger.tick()
    planted.stripe.fail("refused", count=None)
    planted.push()
    planted.stripe.heal()
    assert planted.findings_and_notices() == {("globex", "calls", "break", "refused intent")}


def test_a_foreign_writer(planted: Planted) -> None:
    planted.stripe.send(planted.customers["initech"], "calls", "0.001", NOW, "not-one-of-ours")
    assert planted.findings_and_notices() == {("initech", "calls", "break", "foreign writer")}
    assert [line.severity for line in read_lines(planted.connection, TENANT) if line.verdict != "ok"] == ["critical"]


def test_a_double_count(planted: Planted) -> None:
    planted.stripe.send(planted.customers["globex"], "minutes", "34.25", NOW, "the-same-from-a-copy")
    assert planted.findings_and_notices() == {("globex", "minutes", "break", "double count")}


def test_an_unmapped_customer(planted: Planted) -> None:
    planted.land("hooli", "calls", "1", "who-is-that")
    assert planted.findings_and_notices() == {("hooli", "calls", "unmapped", "unmapped customer")}


def test_a_period_mismatch(planted: Planted) -> None:
    planted.land("globex", "calls", "1", "before-the-subscription", at=START - timedelta(days=3))
    assert planted.findings_and_notices() == {("globex", "calls", "break", "period mismatch")}


def test_a_stripe_lag_waits_and_passes(planted: Planted) -> None:
    planted.stripe.fail("stale_summary", method="GET", path="/v1/billing/meters/*/event_summaries", count=None)
    assert planted.findings_and_notices() == {(*line, "missing", "Stripe lag") for line in QUANTITIES}
    planted.stripe.heal()
    assert planted.findings_and_notices() == set()


def test_a_price_mismatch_of_three_in_a_thousand(planted: Planted) -> None:
    """Far below epsilon, and still another price than was agreed on."""
    price = {"model": "per_unit", "currency": "usd", "unit_price": "0.0997"}
    planted.connection.execute("update tally.price_mappings set price = %s where metric = 'minutes'", (Jsonb(price),))
    assert planted.findings_and_notices() == {
        (customer_ref, "minutes", "break", "price mismatch") for customer_ref in ("globex", "initech")
    }
    [line] = [line for line in read_lines(planted.connection, TENANT, customer_ref="initech") if line.verdict != "ok"]
    assert (line.local_amount, line.invoice_amount, line.business_verdict) == (9970, 10000, "ok")
    assert line.cause is not None
    assert "1000 units are billed at 10000 usd" in line.cause


def test_a_price_that_was_never_read_is_no_price_of_zero(planted: Planted) -> None:
    planted.connection.execute("delete from tally.stripe_prices")
    assert {verdict for _, _, verdict, _ in planted.findings_and_notices()} == {"missing"}


def test_rounding(planted: Planted) -> None:
    planted.reconcile()
    planted.connection.execute(
        "update tally.stripe_totals set invoice_amount = invoice_amount + 1"
        " where customer_ref = 'globex' and metric = 'minutes'"
    )
    conclude(planted.connection, TENANT, planted.clock, Scope())
    summary = summarize(read_lines(planted.connection, TENANT))
    assert summary.verdict == "ok"
    [notice] = summary.notices
    assert (notice.code, [(line.customer_ref, line.metric) for line in notice.lines]) == (
        "rounding",
        [("globex", "minutes")],
    )


def test_segments_that_one_line_bills_agree_together_and_are_paid_once(planted: Planted) -> None:
    before = sum(line.invoice_amount or 0 for line in planted.reconcile())
    split_period(planted.connection, TENANT, "globex", START + timedelta(days=12))
    planted.land("globex", "minutes", "5.75", "in-the-second-segment", at=START + timedelta(days=14))
    planted.ledger.tick()
    planted.push()
    lines = [line for line in planted.reconcile() if (line.customer_ref, line.metric) == ("globex", "minutes")]
    assert [(line.local_quantity, line.stripe_quantity, line.invoice_quantity) for line in lines] == [
        (Decimal("34.25"), Decimal("34.25"), 40), (Decimal("5.75"), Decimal("5.75"), 40)
    ]  # fmt: skip
    assert {(line.local_amount, line.invoice_amount, line.billed_segments) for line in lines} == {(400, 400, 2)}
    [(currency, amount)] = summarize(read_lines(planted.connection, TENANT)).amounts
    assert (currency, amount) == ("usd", before - 343 + 400)


def test_a_plan_that_changed_is_priced_by_segment_and_a_trial_at_nothing(planted: Planted) -> None:
    """Stripe bills what was used before the change as an invoice item, at the old price."""
    client, customer = planted.stripe.client, planted.customers["globex"]
    [subscription] = client.v1.subscriptions.list({"customer": customer}).data
    [item] = [each for each in subscription["items"].data if each.price.id == planted.stripe.prices["minutes"]]
    dearer = client.v1.prices.create({
        "currency": "usd", "unit_amount": 20, "product_data": {"name": "dearer"},
        "recurring": {"interval": "month", "usage_type": "metered", "meter": planted.stripe.meters["minutes"]},
    })  # fmt: skip
    client.v1.subscription_items.update(item.id, {"price": dearer.id})
    split_period(planted.connection, TENANT, "globex", NOW)
    trying = planted.stripe.customer("hooli", client.v1.customers.retrieve(customer).test_clock)  # type: ignore[arg-type]
    planted.stripe.subscribe(trying, "minutes", trial_period_days=30)
    planted.clock.at = NOW + timedelta(hours=3)
    planted.stripe.advance(client.v1.customers.retrieve(customer).test_clock, planted.clock.at)  # type: ignore[arg-type]
    sync_subscriptions(planted.connection, planted.stripe.account, TENANT, planted.clock)
    for customer_ref in ("globex", "hooli"):
        planted.land(customer_ref, "minutes", "5", f"{customer_ref}-later", at=NOW + timedelta(hours=1))
    planted.ledger.tick()
    assert planted.push().left == {}
    assert planted.findings_and_notices() == set()
    lines = [line for line in read_lines(planted.connection, TENANT) if line.metric == "minutes"]
    assert {(line.customer_ref, line.local_quantity, line.local_amount, line.invoice_amount) for line in lines} == {
        ("globex", Decimal("34.25"), 343, 343),
        ("globex", 5, 100, 100),
        ("hooli", 5, 0, 0),
        ("initech", 1000, 10000, 10000),
    }
