"""Amounts beside usage: pending items that the next invoice takes up, credit notes on lines, credit grants."""

from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, HOUR, JANUARY, MARCH, Shop

DAY = 86400


class Month:
    """A customer on a clock, whose invoice for January over 10 units at 50 cents is final."""

    def __init__(self, shop: Shop) -> None:
        self.clock = shop.clock()
        self.customer = shop.customer(self.clock)
        self.subscription = shop.subscribe(self.customer, shop.metered_price(shop.meter(), unit_amount=50))
        shop.use(self.customer, "10", JANUARY)
        shop.advance(self.clock, FEBRUARY + HOUR)
        self.invoice = str(shop.invoices(self.customer)[0].id)
        self.line = shop.v1.invoices.retrieve(self.invoice).lines.data[0].id


@pytest.fixture
def month(shop: Shop) -> Month:
    return Month(shop)


def item(shop: Shop, month: Month, amount: int = 300, **more: Any) -> stripe.InvoiceItem:
    params: Any = {"customer": month.customer.id, "amount": amount, "currency": "usd", **more}
    return shop.v1.invoice_items.create(params)


def note(shop: Shop, month: Month, *lines: dict[str, Any], **more: Any) -> stripe.CreditNote:
    named = [{"type": "invoice_line_item", "invoice_line_item": month.line, **line} for line in lines]
    params: Any = {"invoice": month.invoice, "lines": named, **more}
    return shop.v1.credit_notes.create(params)


def test_a_pending_item_is_on_the_next_invoice_of_its_subscription(shop: Shop, month: Month) -> None:
    made = item(shop, month, subscription=month.subscription.id, metadata={"rest": "1"}, description="late")
    loose = item(shop, month, 7)
    preview = shop.v1.invoices.create_preview({"subscription": month.subscription.id})
    assert preview.total == 307
    assert shop.v1.invoice_items.list({"customer": month.customer.id, "pending": True}).data[1].id == made.id
    shop.use(month.customer, "2", FEBRUARY + 60)
    shop.advance(month.clock, MARCH)
    draft = shop.invoices(month.customer)[0]
    assert (draft.status, draft.total) == ("draft", 407)
    shop.v1.invoices.update(str(draft.id), {"auto_advance": False})
    shop.advance(month.clock, MARCH + 5 * DAY)  # held: nothing makes it final
    assert shop.v1.invoices.retrieve(str(draft.id)).status == "draft"
    shop.v1.invoices.update(str(draft.id), {"auto_advance": True})
    shop.advance(month.clock, MARCH + 6 * DAY)
    final = shop.v1.invoices.retrieve(str(draft.id))
    taken = [line.parent.invoice_item_details for line in final.lines.data if line.parent]
    assert (final.status, final.total) == ("open", 407)
    assert [each.invoice_item for each in taken if each] == [made.id, loose.id]
    assert {shop.v1.invoice_items.retrieve(each.id).invoice for each in (made, loose)} == {final.id}
    assert shop.v1.invoice_items.list({"customer": month.customer.id, "pending": True}).data == []
    assert len(shop.v1.invoice_items.list({"invoice": str(final.id)}).data) == 2


def test_an_item_needs_a_subscription_that_will_be_billed(shop: Shop, month: Month) -> None:
    other = shop.customer(month.clock)
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        shop.v1.invoice_items.create(
            {"customer": other.id, "amount": 1, "currency": "usd", "subscription": month.subscription.id}
        )
    shop.v1.subscriptions.cancel(month.subscription.id)
    with pytest.raises(stripe.InvalidRequestError, match="no next invoice"):
        item(shop, month, subscription=month.subscription.id)
    with pytest.raises(stripe.InvalidRequestError, match="currency"):
        shop.v1.invoice_items.create({"customer": month.customer.id, "amount": 1})


def test_a_credit_note_takes_from_a_line_what_it_still_bears(shop: Shop, month: Month) -> None:
    by_quantity = note(shop, month, {"quantity": 4}, memo="too much", metadata={"rest": "2"})
    assert (by_quantity.total, by_quantity.type, by_quantity.lines.data[0].quantity) == (200, "pre_payment", 4)
    assert shop.v1.invoices.retrieve(month.invoice).amount_remaining == 300
    for line in ({"quantity": 7}, {"amount": 301}, {"quantity": 11}, {}, {"quantity": 1, "amount": 50}):
        with pytest.raises(stripe.InvalidRequestError):
            note(shop, month, line)
    with pytest.raises(stripe.InvalidRequestError, match="nothing to return"):
        note(shop, month, {"amount": 1}, credit_amount=1)
    note(shop, month, {"amount": 100}, {"amount": 200})
    settled = shop.v1.invoices.retrieve(month.invoice)
    assert (settled.status, settled.amount_remaining, settled.pre_payment_credit_notes_amount) == ("paid", 0, 500)
    found = shop.v1.credit_notes.list({"invoice": month.invoice}).data
    assert [each.total for each in found] == [300, 200]
    assert by_quantity.metadata is not None
    assert by_quantity.metadata.to_dict() == {"rest": "2"}
    assert shop.v1.credit_notes.retrieve(by_quantity.id).memo == "too much"


def test_of_a_paid_invoice_the_credit_has_to_go_somewhere(shop: Shop, month: Month) -> None:
    paid = shop.v1.invoices.pay(month.invoice, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 500, 0)
    with pytest.raises(stripe.InvalidRequestError, match="add up to 0, not 50"):
        note(shop, month, {"quantity": 1})
    assert note(shop, month, {"quantity": 1}, credit_amount=50).type == "post_payment"
    assert shop.v1.customers.retrieve(month.customer.id).balance == -50
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.pay(month.invoice)


def test_credit_notes_need_a_final_invoice_and_grants_an_amount(shop: Shop, month: Month) -> None:
    shop.advance(month.clock, MARCH)
    draft = shop.invoices(month.customer)[0]
    with pytest.raises(stripe.InvalidRequestError, match="open or paid"):
        shop.v1.credit_notes.create({"invoice": str(draft.id), "lines": [{"type": "invoice_line_item", "amount": 1}]})
    terms: Any = {
        "customer": month.customer.id,
        "applicability_config": {"scope": {"price_type": "metered"}},
        "metadata": {"rest": "3"},
    }
    terms["amount"] = {"type": "monetary", "monetary": {"currency": "usd", "value": 250}}
    grant = shop.v1.billing.credit_grants.create(terms)
    assert shop.v1.billing.credit_grants.retrieve(grant.id).amount.monetary.value == 250  # type: ignore[union-attr]
    assert [each.id for each in shop.v1.billing.credit_grants.list({"customer": month.customer.id}).data] == [grant.id]
    terms["amount"]["monetary"]["value"] = 0
    with pytest.raises(stripe.InvalidRequestError, match="positive"):
        shop.v1.billing.credit_grants.create(terms)
