"""What must hold for a line to be proven, from the landed events to the amount, and that nothing changed since."""

from collections.abc import Iterator
from decimal import Decimal

from tally.explain import EXACT
from tally.proof.chain import Chain
from tally.proof.check import Check, check, faultless
from tally.proof.facts import changes, facts_of
from tally.proof.intents import loose_ends


def claims_of(chain: Chain) -> tuple[Check, ...]:
    """Every claim, in the chain's order."""
    return (*_events(chain), *_counter(chain), *_sent(chain), *_billed(chain), *_kept(chain))


def _events(chain: Chain) -> Iterator[Check]:
    faults = [*chain.events.faults, *chain.others.faults]
    yield faultless(
        "events",
        "every event lies in raw.usage_events as it was counted",
        (f"event {each.idempotency_key}: {each.what}" for each in faults),
        chain.events.fault_count + chain.others.fault_count,
    )
    # Equal repeats are kept where they landed and nowhere else.
    if chain.version.is_one_moment and not chain.version.has_detached_days:
        yield check("events", "equal repeats", chain.others.repeats, chain.others.counted_repeats)


def _counter(chain: Chain) -> Iterator[Check]:
    counter, events = chain.counter, chain.events
    yield check("counter", "events counted", events.count, counter.event_count if counter else 0)
    yield check(
        "counter", "sum of their quantities", events.quantity_sum, counter.quantity_sum if counter else Decimal(0)
    )
    yield check("counter", "value of the events", events.value, counter.event_value if counter else Decimal(0))
    yield check("counter", "adjustments", chain.booked, counter.adjustment if counter else Decimal(0))
    value = None if events.value is None else EXACT.add(events.value, chain.booked)
    yield check("counter", "value of the counter", value, chain.value)


def _sent(chain: Chain) -> Iterator[Check]:
    erased_at = chain.erased.erased_at if chain.erased else None
    yield faultless(
        "sent", "every intent follows from the one before", loose_ends(chain.line, chain.intents, erased_at)
    )
    yield check("sent", "what Stripe was told", chain.told, chain.value)
    yield check("sent", "what Stripe has confirmed", chain.confirmed, chain.told)


def _billed(chain: Chain) -> Iterator[Check]:
    line, price = chain.line, chain.price
    yield check("summary", "what Stripe's meter adds up to", line.summary_quantity, chain.confirmed)
    yield check("invoice", "the quantity on the invoice", line.invoice_quantity, chain.billable)
    if isinstance(price, str):
        yield Check("price", f"the amount on the invoice ({price})", None, None)
    else:
        yield check("price", "the amount on the invoice, in minor units", line.invoice_amount, price.amount)
        if line.invoice_currency != price.line.price.currency.code:
            yield Check("price", "its currency", line.invoice_currency, price.line.price.currency.code)


def _kept(chain: Chain) -> Iterator[Check]:
    anchor = chain.anchor
    edited = [
        f"proof {each.number}: its row was changed after it was recorded"
        for each in chain.proofs
        if not each.is_unchanged
    ]
    if chain.proofs:
        yield faultless("record", "recorded proofs are as they were written", edited)
    if anchor is not None:
        against = list(changes(anchor.facts, facts_of(chain)))
        if chain.events.newer and anchor.facts["events_sha256"] != chain.events.sha256:
            against += [f"event {key}: it was counted after the line was proven" for key in chain.events.newer]
        yield faultless("record", f"everything is as in proof {anchor.number}", against)
