"""What may be changed behind a line's back: the statement, and what a proof says of it."""

from typing import LiteralString

FIRST: LiteralString = " where idempotency_key = 'globex-1-1-m' and quantity::text = '37.125'"
REPEAT: LiteralString = " where idempotency_key = 'globex-1-1-m' and quantity::text = '37.1250'"
MINUTES: LiteralString = " where customer_ref = 'globex' and metric = 'minutes'"
TAMPERED: dict[str, tuple[LiteralString, str]] = {
    "a payload's quantity": (
        "update raw.usage_events set quantity = 38.125" + FIRST,
        "event globex-1-1-m: its landed row says 38.125 minutes for globex",
    ),
    "a payload's properties": (
        "update raw.usage_events set properties = '{\"member\": \"other\"}' where idempotency_key = 'globex-1-0-m'",
        "event globex-1-0-m: its landed row says",
    ),
    "whose event it is": (
        "update raw.usage_events set customer_ref = 'initech' where idempotency_key = 'globex-12-2-m'",
        "event globex-12-2-m: its landed row says 37.125 minutes for initech",
    ),
    "when it landed": (
        "update raw.usage_events set landed_at = landed_at + interval '1s' where idempotency_key = 'globex-12-1-m'",
        "event globex-12-1-m: its landed row says that it landed at",
    ),
    "a key": (
        "update raw.usage_events set idempotency_key = 'renamed' where idempotency_key = 'globex-12-1-m'",
        "event renamed: it lies in raw.usage_events, and no model has ever read it",
    ),
    "a deleted row": (
        "delete from raw.usage_events where idempotency_key = 'globex-12-0-m'",
        "event globex-12-0-m: its landed row is gone",
    ),
    "a deleted late row": (
        "delete from raw.usage_events where idempotency_key = 'globex-late'",
        "event globex-late: its landed row is gone",
    ),
    "a deleted repeat": (
        "delete from raw.usage_events" + REPEAT,
        "equal repeats: 0, must be 1",
    ),
    "a repeat that says something else": (
        "update raw.usage_events set quantity = 1" + REPEAT,
        "event globex-1-1-m: a later delivery of it says something else, and is kept as no conflict",
    ),
    "a row added behind the ledger's back": (
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at, xid)"
        " values ('acme', 'smuggled', 'globex', 'minutes', 1, '2024-03-10', '2024-03-10', '3')",
        "event smuggled: it lies in raw.usage_events, and no model has ever read it",
    ),
    "a counted event, in the ledger alone": (
        "update ledger.int_usage_events_deduplicated set quantity = 0 where idempotency_key = 'globex-1-1-m'",
        "event globex-1-1-m: its payload measures 37.125, it was counted with 0",
    ),
    "an event, landed row and all": (
        "with gone as (delete from raw.usage_events where idempotency_key = 'globex-1-0-m')"
        " delete from ledger.int_usage_events_deduplicated where idempotency_key = 'globex-1-0-m'",
        "event_count: proven 6, now 5",
    ),
    "the counter": (
        "update ledger.int_usage_counters set quantity_sum = 144.5" + MINUTES,
        "value of the counter: 143.5, must be 144.5",
    ),
    "an adjustment that nobody proved": (
        "insert into tally.adjustments (tenant_id, customer_ref, metric, amount, reason, state, period_start,"
        " period_end, booked_start, booked_end, created_at, created_by, decided_at, decided_by)"
        " select 'acme', 'globex', 'minutes', -1, 'goodwill', 'approved', starts, ends, starts, ends, ends, 'x', ends,"
        " 'x'"
        " from (values (timestamptz '2024-03-01 05:00Z', timestamptz '2024-04-01 05:00Z')) as period (starts, ends)",
        "adjustment: proven 0, now -1",
    ),
    "an intent's value": (
        "update tally.push_intents set value = 70" + MINUTES + " and seq = 1",
        "it adds 70, where 0 was told and the counter stood at 71.75",
    ),
    "an intent's Stripe customer": (
        "update tally.push_intents set stripe_customer_id = 'cus_x'" + MINUTES + " and seq = 2",
        "the identifier is not that of its counter, number, event name and Stripe customer",
    ),
    "a deleted intent": (
        "delete from tally.push_intents" + MINUTES + " and seq = 2",
        "what Stripe was told: 71.75, must be 143.5",
    ),
    "a request id": (
        "update tally.push_attempts set request_id = 'req_forged' where intent_id in"
        " (select intent_id from tally.push_intents" + MINUTES + " and seq = 1)",
        "now ['req_forged']",
    ),
    "Stripe's summary": (
        "update tally.stripe_totals set summary_quantity = 144" + MINUTES,
        "what Stripe's meter adds up to: 144, must be 143.5",
    ),
    "the invoice's quantity": (
        "update tally.stripe_totals set invoice_quantity = 144" + MINUTES,
        "the quantity on the invoice: 144, must be 143.5",
    ),
    "the invoice's amount": (
        "update tally.stripe_totals set invoice_amount = 1613" + MINUTES,
        "the amount on the invoice, in minor units: 1613, must be 1614",
    ),
    "the price": (
        "update tally.stripe_prices set price = jsonb_set(price, '{tiers,1,unit_amount_decimal}', '\"8.4\"')"
        " where price ->> 'tiers_mode' = 'graduated'",
        "tiers proven",
    ),
    "a trial that was none": (
        "update tally.stripe_subscription_items set trial_ends_at = '2024-04-02'",
        "the amount on the invoice, in minor units: 1614, must be 0",
    ),
    "the kept proof": (
        "update tally.invoice_line_proofs set facts = facts || '{\"value\": \"144\"}'" + MINUTES,
        "proof 1: its row was changed after it was recorded",
    ),
}  # fmt: skip
