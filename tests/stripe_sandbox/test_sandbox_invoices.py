"""From usage to a final invoice: drafts, grace, freezing, lines, previews, and what comes too late."""

from decimal import Decimal
from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, HOUR, JANUARY, MARCH, Shop

DAY = 86400
APRIL = 1364792400


class Month:
    """A customer on a clock in January with one metered item."""

    def __init__(self, shop: Shop, **terms: Any) -> None:
        self.clock = shop.clock()
        self.customer = shop.customer(self.clock)
        self.price = shop.metered_price(shop.meter(), **terms)
        self.subscription = shop.subscribe(self.customer, self.price)


@pytest.fixture
def month(shop: Shop) -> Month:
    return Month(shop)


def total_quantity(lines: Any) -> Decimal:
    return sum((line.quantity_decimal for line in lines), Decimal(0))


def test_a_period_ends_in_a_draft_that_becomes_final_after_the_grace(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "7.9", JANUARY)
    shop.advance(month.clock, FEBRUARY)
    [draft] = shop.invoices(month.customer)
    assert (draft.status, draft.created, draft.automatically_finalizes_at) == ("draft", FEBRUARY, FEBRUARY + HOUR)
    assert (draft.period_start, draft.period_end, draft.number) == (JANUARY, FEBRUARY, None)
    shop.advance(month.clock, FEBRUARY + HOUR - 1)
    assert shop.v1.invoices.retrieve(str(draft.id)).status == "draft"
    shop.advance(month.clock, FEBRUARY + HOUR)
    final = shop.v1.invoices.retrieve(str(draft.id))
    assert (final.status, final.total, final.amount_due, final.amount_remaining) == ("open", 4, 4, 4)
    assert final.status_transitions.finalized_at == FEBRUARY + HOUR
    assert str(final.number).endswith("-0001")
    [line] = shop.v1.invoices.line_items.list(str(draft.id)).data
    item = month.subscription["items"].data[0]
    assert (line.quantity, line.quantity_decimal, line.amount) == (7, Decimal("7.9"), 4)
    assert (line.period.start, line.period.end) == (JANUARY, FEBRUARY)
    assert line.parent is not None
    assert line.parent.subscription_item_details is not None
    assert line.parent.subscription_item_details.subscription_item == item.id
    assert line.pricing is not None
    assert line.pricing.price_details is not None
    assert line.pricing.price_details.price == month.price.id


def test_a_draft_takes_late_usage_and_a_final_invoice_does_not(shop: Shop, month: Month) -> None:
    """Usage after finalization is on no invoice, ever, though the summary shows it."""
    shop.advance(month.clock, FEBRUARY + 1800)
    shop.use(month.customer, "10", FEBRUARY - 1)
    assert shop.invoices(month.customer)[0].total == 5
    shop.advance(month.clock, FEBRUARY + 2 * HOUR)
    shop.use(month.customer, "1000", FEBRUARY - 1)
    assert shop.invoices(month.customer)[0].total == 5
    shop.advance(month.clock, MARCH + 2 * HOUR)
    assert [invoice.total for invoice in shop.invoices(month.customer)] == [0, 5]
    meter = shop.v1.billing.meters.list().data[0]
    assert shop.summary(meter, month.customer).data[0].aggregated_value == 1010


def test_the_boundary_second_belongs_to_the_next_period(shop: Shop, month: Month) -> None:
    shop.advance(month.clock, FEBRUARY)
    for value, at in (("1", JANUARY), ("10", FEBRUARY - 1), ("100", FEBRUARY), ("1000", JANUARY - 1)):
        shop.use(month.customer, value, at)
    shop.advance(month.clock, MARCH + HOUR)
    assert [total_quantity(invoice.lines.data) for invoice in shop.invoices(month.customer)] == [100, 11]


def test_usage_still_unapplied_at_finalization_is_lost_to_the_invoice(shop: Shop, month: Month) -> None:
    shop.settings(apply_lag_seconds=3600)
    shop.use(month.customer, "10", JANUARY)
    shop.advance(month.clock, FEBRUARY + 2 * HOUR)
    shop.settings(clock_offset_seconds=7200)
    assert shop.invoices(month.customer)[0].total == 0
    assert shop.ledger()[0]["applied_count"] == 1


def test_one_advance_may_cross_two_period_ends(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "10", JANUARY)
    shop.advance(month.clock, MARCH)
    found = [(each.period_end, each.status, each.total) for each in shop.invoices(month.customer)]
    assert found == [(MARCH, "draft", 0), (FEBRUARY, "open", 5)]


def test_a_net_negative_period_bills_nothing(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "10", JANUARY)
    shop.use(month.customer, "-30", JANUARY)
    shop.advance(month.clock, FEBRUARY + HOUR)
    [invoice] = shop.invoices(month.customer)
    assert (invoice.total, invoice.status, invoice.lines.data[0].quantity_decimal) == (0, "paid", 0)


@pytest.mark.parametrize(("hours", "finalizes_at"), [(0, FEBRUARY), (72, FEBRUARY + 72 * HOUR)])
def test_the_grace_is_a_setting(shop: Shop, month: Month, hours: int, finalizes_at: int) -> None:
    shop.settings(finalization_grace_hours=hours)
    shop.advance(month.clock, finalizes_at)
    assert shop.invoices(month.customer)[0].status_transitions.finalized_at == finalizes_at


def test_a_draft_can_be_held_and_let_go(shop: Shop, month: Month) -> None:
    shop.advance(month.clock, FEBRUARY)
    draft = str(shop.invoices(month.customer)[0].id)
    held = shop.v1.invoices.update(draft, {"auto_advance": False, "metadata": {"held": "parity"}})
    assert (held.auto_advance, held.automatically_finalizes_at) == (False, None)
    shop.advance(month.clock, FEBRUARY + 10 * DAY)
    shop.use(month.customer, "10", JANUARY + 20 * DAY)
    assert shop.v1.invoices.retrieve(draft).status == "draft"
    later = FEBRUARY + 12 * DAY
    shop.v1.invoices.update(draft, {"automatically_finalizes_at": later})
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.update(draft, {"automatically_finalizes_at": FEBRUARY})
    shop.advance(month.clock, later)
    final = shop.v1.invoices.retrieve(draft)
    assert (final.status, final.total) == ("open", 5)
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.update(draft, {"auto_advance": False})


def test_finalizing_and_voiding_on_request(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "10", JANUARY)
    shop.advance(month.clock, FEBRUARY)
    draft = str(shop.invoices(month.customer)[0].id)
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.void_invoice(draft)
    assert shop.v1.invoices.finalize_invoice(draft).status == "open"
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.finalize_invoice(draft)
    assert shop.v1.invoices.void_invoice(draft).status == "void"
    for change in (shop.v1.invoices.pay, shop.v1.invoices.mark_uncollectible, shop.v1.invoices.void_invoice):
        with pytest.raises(stripe.InvalidRequestError):
            change(draft)


def test_an_uncollectible_invoice_takes_no_credit_note_and_may_still_be_paid(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "10", JANUARY)
    shop.advance(month.clock, FEBRUARY + 2 * HOUR)
    invoice = shop.invoices(month.customer)[0]
    given_up = shop.v1.invoices.mark_uncollectible(str(invoice.id))
    assert (given_up.status, given_up.total, given_up.amount_remaining) == ("uncollectible", 5, 5)
    credit: Any = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 1}
    with pytest.raises(stripe.InvalidRequestError, match="open or paid"):
        shop.v1.credit_notes.create({"invoice": str(invoice.id), "lines": [credit]})
    assert shop.v1.invoices.pay(str(invoice.id), {"paid_out_of_band": True}).status == "paid"


def test_invoices_are_listed_by_what_they_belong_to(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "10", JANUARY)
    shop.advance(month.clock, MARCH)

    def count(**filters: Any) -> int:
        return len(shop.v1.invoices.list(filters, None).data)

    assert count(subscription=month.subscription.id) == count(customer=month.customer.id) == 2
    assert count(status="open") == count(status="draft") == 1
    assert count(subscription="sub_none") == 0


def test_the_preview_says_what_the_draft_will(shop: Shop, month: Month) -> None:
    shop.use(month.customer, "10.25", JANUARY)
    for params in ({"customer": month.customer.id}, {"subscription": month.subscription.id}):
        preview = shop.v1.invoices.create_preview(params)
        assert str(preview.id).startswith("upcoming_in")
        assert (preview.total, preview.period_start, preview.period_end) == (5, JANUARY, FEBRUARY)
        assert total_quantity(preview.lines.data) == Decimal("10.25")
    assert shop.invoices(month.customer) == []
    shop.advance(month.clock, FEBRUARY)
    assert shop.v1.invoices.create_preview({"subscription": month.subscription.id}).period_start == FEBRUARY
    shop.v1.subscriptions.cancel(month.subscription.id)
    for params in ({"customer": month.customer.id}, {"subscription": month.subscription.id}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.v1.invoices.create_preview(params)
        assert caught.value.code == "invoice_upcoming_none"
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.create_preview({})


def test_an_invoice_shows_ten_lines_and_pages_the_rest(shop: Shop) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    prices = [shop.metered_price(shop.meter(f"m{number}")) for number in range(12)]
    shop.subscribe(customer, *prices)
    for price, number in zip(prices, range(12), strict=True):
        shop.use(customer, str(number), JANUARY, event_name=f"m{number}")
        assert price.id
    shop.advance(clock, FEBRUARY)
    [invoice] = shop.invoices(customer)
    assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
    lines = list(shop.v1.invoices.line_items.list(str(invoice.id), {"limit": 5}).auto_paging_iter())
    assert [line.quantity for line in lines] == list(range(12))
    assert [line.quantity for line in invoice.lines.auto_paging_iter()] == list(range(12))


TIERS = [{"up_to": 100, "unit_amount": 10}, {"up_to": "inf", "unit_amount_decimal": "2.5", "flat_amount": 50}]


@pytest.mark.parametrize(
    ("terms", "lines"),
    [
        ({"unit_amount_decimal": "0.333"}, [("150.5", 50)]),
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": TIERS}, [("100", 1000), ("50.5", 176)]),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": TIERS}, [("150.5", 426)]),
        ({"unit_amount": 7, "transform_quantity": {"divide_by": 100, "round": "up"}}, [("150.5", 14)]),
        ({"unit_amount": 7, "transform_quantity": {"divide_by": 100, "round": "down"}}, [("150.5", 7)]),
    ],
)
def test_every_kind_of_price_on_the_invoice(shop: Shop, terms: dict[str, Any], lines: list[tuple[str, int]]) -> None:
    month = Month(shop, **terms)
    shop.use(month.customer, "150.5", JANUARY)
    shop.advance(month.clock, FEBRUARY + HOUR)
    [invoice] = shop.invoices(month.customer)
    assert [(str(line.quantity_decimal), line.amount) for line in invoice.lines.data] == lines
    assert invoice.total == sum(amount for _, amount in lines)


def test_graduated_tiers_can_share_one_line(shop: Shop) -> None:
    shop.settings(line_per_graduated_tier=False)
    month = Month(shop, billing_scheme="tiered", tiers_mode="graduated", tiers=TIERS)
    shop.use(month.customer, "150.5", JANUARY)
    preview = shop.v1.invoices.create_preview({"subscription": month.subscription.id})
    assert [(line.quantity_decimal, line.amount) for line in preview.lines.data] == [(Decimal("150.5"), 1176)]


def test_draft_lines_keep_their_ids_when_usage_grows(shop: Shop, month: Month) -> None:
    shop.advance(month.clock, FEBRUARY)
    before = shop.invoices(month.customer)[0].lines.data[0]
    shop.use(month.customer, "3", JANUARY)
    after = shop.invoices(month.customer)[0].lines.data[0]
    assert (before.id, before.quantity, after.quantity) == (after.id, 0, 3)
